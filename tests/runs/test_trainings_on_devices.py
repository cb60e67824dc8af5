"""Trainings on another device: every kind gives what it gives on the processor, and nothing is left on the wrong side.

The device is pretended (testing/pretend_device.py) and refuses whatever mixes its tensors with others. Both trainings
are by torch, in single precision, and the arithmetic is the same; what may differ is how torch groups it.
"""

import numpy as np
import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.checkpoint import Checkpoint, load_model, read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.model_factory import make_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.typical_values import typical_values
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.sgdml.npz import write_gdml_model
from mliap_hybrid.sgdml.trainer import train_gdml
from mliap_hybrid.testing.backends import torch_alone
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, SIGMA, ammonia, as_frames
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.pretend_device import DEVICE, pretend_device

ROUNDING = {"rtol": 1e-5, "atol": 1e-6}
"""Of weights of the order of one after two steps in single precision."""

PREDICTED = {"charges": "predicted", "starting_charges": "formal", "charge_hidden": [4]}

KINDS = {
    "soap, fixed terms": {
        "electrostatics": {"charges": "formal"},
        "dispersion": {"coefficients": "constant"},
        "optimisation": {"optimiser": "soap"},
    },
    "adamw, fitted charges": {"electrostatics": {"charges": "fitted"}, "loss": {"force_transition": 0.3}},
    "lbfgs, fitted dispersion": {
        "dispersion": {"coefficients": "fitted"},
        "optimisation": {"optimiser": "lbfgs", "epochs": 1},
    },
    "lm, fitted charges": {
        "electrostatics": {"charges": "fitted"},
        "data": {"keys": {"forces": None, "stress": None}},
        "loss": {"energy_transition": 0.1, "virial": 0.0},
        "optimisation": {"optimiser": "lm", "weight_decay": 1e-4},
    },
    "predicted charges, shift": {
        "electrostatics": PREDICTED | {"total_charge_input": True},
        "data": {"keys": {"total_charge": "charge", "born_charges": "born"}},
    },
    "predicted charges, increments": {"electrostatics": PREDICTED | {"neutrality": "increments"}},
    "predicted dispersion and charges": {
        "electrostatics": PREDICTED,
        "dispersion": {"coefficients": "predicted", "hidden": [4]},
    },
    "learned contractions": {
        "features": {"set": "learned-small", "max_order": 3, "widths": [0.6, 1.0]},
        "network": {"n_channels": 2, "body_order": 5},
        "electrostatics": PREDICTED | {"total_charge_input": True},
        "data": {"keys": {"total_charge": "charge"}},
    },
    "learned contractions, weak supervision": {
        "features": {"set": "learned-tied", "max_order": 3, "widths": [0.6, 1.0]},
        "network": {"n_channels": 2, "body_order": 4},
        "weak_supervision": {"taylor": "second", "spatial": "D", "n_copies": 1},
    },
    "learned contractions, lm": {
        "features": {"set": "learned-small", "max_order": 3, "widths": [0.8]},
        "network": {"n_channels": 1, "body_order": 5},
        "optimisation": {"optimiser": "lm", "weight_decay": 1e-4},
    },
    "direct forces": {"network": {"forces": "direct", "force_hidden": [4]}},
    "stored derivatives": {"features": {"selection": "fps", "n_selected": 4}, "network": {"hidden": []}},
    "noise": {"noise": {"displacement": 0.02, "n_copies": 2}},
    "weak supervision, second order": {
        "electrostatics": {"charges": "fitted"},
        "weak_supervision": {"taylor": "second", "spatial": "D", "n_copies": 1},
    },
    "weak supervision, curvature": {
        "weak_supervision": {"taylor": "curvature", "displacement": "thermal", "n_copies": 1}
    },
    "weak supervision, adversarial": {
        "weak_supervision": {"taylor": "trapezoid", "weak_labels": True, "displacement": "adversarial"}
    },
}


def tiny_settings(folder, **changes):
    """A step of two frames and few features."""
    changes = {section: dict(content) if isinstance(content, dict) else content for section, content in changes.items()}
    changes["features"] = {"set": "gmp-2c", "max_order": 1, "widths": [0.8]} | changes.get("features", {})
    changes["network"] = {"hidden": [4]} | changes.get("network", {})
    changes["optimisation"] = {"optimiser": "adamw", "epochs": 2, "batch_size": 2} | changes.get("optimisation", {})
    if "keys" in changes.get("data", {}):
        changes["data"]["keys"] = {"stress": "stress", "charges": "reference_charges"} | changes["data"]["keys"]
    return small_settings(folder, **changes)


def frames():
    """Three labelled frames with Born charges and total charges, which few kinds look at."""
    labelled = labelled_frames(3)
    for atoms in labelled:
        atoms.info["charge"] = 0.0
        atoms.set_array("born", np.tile(np.eye(3).ravel(), (len(atoms), 1)) * np.sign(14 - atoms.numbers)[:, None])
    return labelled


def trained(settings, inputs, device, state=None):
    """A training, from a state on if there is one, what its epochs came to, and its model."""
    trainer, epochs = make_trainer(settings.model_copy(update={"device": str(device)}), inputs), []
    if state is not None:
        trainer.load_state_dict(state)
    trainer.run(epochs.append)
    model = make_model(
        settings, inputs.features, inputs.initial_fit, trainer.average, typical_values(trainer.average, inputs.training)
    )
    return trainer, epochs, model


def assert_same_models(found, expected):
    """Two models agree to rounding, and lie on the processor in double precision."""
    found, expected = found.state_dict(), expected.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        assert tensor.device.type == "cpu"
        assert tensor.dtype in (torch.float64, torch.int64, torch.bool)
        torch.testing.assert_close(tensor, expected[name], **ROUNDING)


@pytest.mark.parametrize("kind", KINDS)
def test_training_on_a_device_is_that_on_the_processor(tmp_path, kind, monkeypatch):
    settings = tiny_settings(tmp_path, **KINDS[kind])
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in frames()]
    if kind == "stored derivatives":
        monkeypatch.setattr("mliap_hybrid.runs.preparation.stores_derivatives", lambda features: True)
    inputs = prepare(settings, batches[:2], batches[2:], lambda items, what: items)
    if kind.startswith("adamw"):  # frames that lack labels
        inputs.training[0] = inputs.training[0].without_labels("energy")
    with torch_alone():
        expected = trained(settings, inputs, "cpu")
    with pretend_device() as device:
        found = trained(settings, inputs, device)
    (trainer, epochs, model), (_, expected_epochs, expected_model) = found, expected
    assert {parameter.device for parameter in trainer.model.parameters()} == {DEVICE}
    for epoch, expected_epoch in zip(epochs, expected_epochs, strict=True):
        assert epoch.validation_loss == pytest.approx(expected_epoch.validation_loss, rel=1e-5)
        for name, mean in expected_epoch.training.means.items():
            assert float(epoch.training.means[name]) == pytest.approx(float(mean), rel=1e-5), name
    assert_same_models(model, expected_model)


def test_known_molecules_stay_a_known_term(tmp_path):
    """A network beside a kernel model: what is trained on is what the molecules leave."""
    file = tmp_path / "molecule.npz"
    write_gdml_model(file, train_gdml(ammonia(20), SIGMA, AMMONIA_GROUP).model)
    settings = tiny_settings(
        tmp_path,
        molecules={"model": str(file)},
        data={"keys": {"stress": None, "charges": None}},
        loss={"virial": 0.0},
        optimisation={"epochs": 1},
    )
    molecules = [frame.atoms for frame in as_frames(ammonia(3, seed=1))]
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in molecules]
    inputs = prepare(settings, batches[:2], batches[2:], lambda items, what: items)
    with torch_alone():
        *_, expected = trained(settings, inputs, "cpu")
    with pretend_device() as device:
        *_, found = trained(settings, inputs, device)
    assert_same_models(found, expected)
    torch.testing.assert_close(predict(found, batches[2]).forces, predict(expected, batches[2]).forces)


@pytest.mark.parametrize("optimiser", ["soap", "adamw", "lbfgs", "lm"])
def test_checkpoint_of_one_device_goes_on_upon_another(tmp_path, optimiser):
    energies_alone = {"data": {"keys": {"forces": None, "stress": None}}, "loss": {"virial": 0.0}}
    settings = tiny_settings(tmp_path, **energies_alone, network={"hidden": [2]}, optimisation={"optimiser": optimiser})
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in labelled_frames(2)]
    inputs = prepare(settings, batches[:1], batches[1:], lambda items, what: items)
    path = tmp_path / "checkpoint.pt"
    with torch_alone():
        *_, expected = trained(settings, inputs, "cpu")
    with torch_alone(), pretend_device() as device:
        for before, after in (("cpu", device), (device, "cpu")):
            trainer = make_trainer(settings.model_copy(update={"device": str(before)}), inputs)
            trainer.run(lambda result: None, last_epoch=1)
            model = make_model(settings, inputs.features, inputs.initial_fit, trainer.average)
            write_checkpoint(Checkpoint(model, inputs.initial_fit, trainer.state_dict(), "", batches[1]), path)
            *_, found = trained(settings, inputs, after, read_checkpoint(path).trainer)
            assert_same_models(found, expected)


def test_run_of_a_committee_begins_on_a_device_and_ends_on_the_processor(tmp_path, monkeypatch):
    monkeypatch.setattr("mliap_hybrid.runs.run.report_run", lambda *_: None)  # seconds of pictures
    settings = tiny_settings(tmp_path, committee={"n_members": 2}, optimisation={"batch_size": 16})
    expected = settings.model_copy(update={"run": tmp_path / "expected"})
    with torch_alone():
        train(expected, Display())
    with pretend_device() as device:
        train(settings.model_copy(update={"device": str(device)}), Display(), last_epoch=1)
    assert "Training on lazy:0" in RunFolder(settings.run).log.read_text()
    with torch_alone():
        train(settings.model_copy(update={"device": "cpu"}), Display(), resume=True)
    assert_same_models(load_model(settings.run, "last"), load_model(expected.run, "last"))
