"""The loss of a batch and its gradient do not depend on how the batch is divided, whatever labels its frames have."""

from dataclasses import replace

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.losses import RunningErrors
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers.batch_steps import BatchSteps
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings

N_FRAMES = 7


class OneOf(ProcessGroup):
    """A process whose partners are looked at one after the other, so that its sums are those of its own shard."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@pytest.fixture
def setup(tmp_path):
    """Settings, a trained model with weights of some size, and frames of which some lack labels."""
    settings = small_settings(tmp_path, loss={"force_transition": 0.5})
    batches = [
        frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in labelled_frames(N_FRAMES)
    ]
    inputs = prepare(settings, batches, batches[:1], lambda items, what: items)
    trainable = make_trainable_model(settings, inputs.initial_fit)
    frames = list(inputs.training)
    frames[1] = frames[1].without_labels("forces")
    frames[2] = frames[2].without_labels("energy", "virial")
    frames[4] = frames[4].without_labels("virial")
    return settings, trainable, frames


def gradient_of(objective, indices):
    errors = RunningErrors()
    result = objective.gradient(indices, errors)
    return result, torch.cat([parameter.grad.flatten() for parameter in objective.parameters]), errors


@pytest.mark.parametrize("indices", [[0, 1, 2, 3, 4, 5, 6], [1, 2], [5]])
@pytest.mark.parametrize(("size", "micro_batch_size"), [(1, 1), (1, 3), (2, 8), (3, 1), (9, 4)])
def test_parts_add_up_to_the_whole(setup, indices, size, micro_batch_size):
    settings, trainable, frames = setup
    whole, expected, errors_of_whole = gradient_of(Objective(trainable, frames, settings.loss, 8), indices)
    loss, gradient, totals = 0.0, torch.zeros_like(expected), torch.zeros_like(errors_of_whole.totals())
    for rank in range(size):
        group = OneOf(rank, size)
        objective = Objective(trainable, frames, settings.loss, micro_batch_size, group=group)
        result, part_of_it, errors = gradient_of(objective, indices)
        loss, gradient, totals = loss + result.loss, gradient + part_of_it, totals + errors.totals()
    assert loss == pytest.approx(whole.loss, rel=1e-6)
    assert torch.allclose(gradient, expected, rtol=1e-4, atol=1e-6 * expected.abs().max())
    assert torch.allclose(totals, errors_of_whole.totals(), rtol=1e-5)


def test_every_mean_counts_the_frames_that_have_the_label(setup):
    settings, trainable, frames = setup
    mean = gradient_of(Objective(trainable, frames, settings.loss, 8), range(N_FRAMES))[2].mean()
    alone = [gradient_of(Objective(trainable, [frame], settings.loss, 1), [0])[2].mean() for frame in frames]
    for name, missing in {"energy": {2}, "forces": {1}, "virial": {2, 4}}.items():
        having = [alone[index].means[name] for index in set(range(N_FRAMES)) - missing]
        assert float(mean.means[name]) == pytest.approx(float(torch.stack(having).mean()), rel=1e-5)


def test_frames_that_spoil_the_loss_are_named(setup):
    settings, trainable, frames = setup
    frames[3] = replace(frames[3], labels={"energy": Label(torch.full((1,), torch.nan))})
    names = [f"data.xyz, frame {index}" for index in range(N_FRAMES)]
    objective = Objective(trainable, frames, settings.loss, 8, names=names)
    before = {name: value.clone() for name, value in trainable.state_dict().items()}
    steps = BatchSteps(trainable, settings.optimisation.model_copy(update={"batch_size": N_FRAMES}), seed=0)
    with pytest.raises(InputError, match=r"the loss became nan .* in epoch 1, step 1, because of data.xyz, frame 3:"):
        steps.run_epoch(1, objective)
    assert all(torch.equal(value, before[name]) for name, value in trainable.state_dict().items())
