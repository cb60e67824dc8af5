"""What the optimiser is told, and states that it cannot go on from."""

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings


@pytest.fixture
def trainer(tmp_path):
    settings = small_settings(
        tmp_path,
        electrostatics={"charges": "fitted"},
        optimisation={"optimiser": "adamw", "weight_decay": 1.0, "learning_rate": 0.1, "charge_learning_rate": 0.1},
    )
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in labelled_frames(3)]
    inputs = prepare(settings, batches[:2], batches[2:], lambda items, what: items)
    return make_trainer(settings, inputs)


def test_weights_decay_and_offsets_and_charges_do_not(trainer):
    with torch.no_grad():
        for parameter in trainer.model.parameters():
            parameter.fill_(1.0)
            parameter.grad = torch.zeros_like(parameter)
    trainer.steps.optimiser.step()
    after = {name: float(parameter.detach().mean()) for name, parameter in trainer.model.named_parameters()}
    offsets = {name for name in after if name.endswith(("bias", "offset", "coordinates"))}
    assert len(offsets) == 4  # two layers, elements, charges
    for name, value in after.items():
        assert value == pytest.approx(1.0 if name in offsets else 0.9), name


def test_state_of_another_grouping_is_refused(trainer):
    state = trainer.state_dict()
    state["optimiser"]["param_groups"].pop()
    with pytest.raises(InputError, match="has 2 groups of parameters, expected 3: it was written by another version"):
        trainer.load_state_dict(state)
