"""Trainings that start where another one ended."""

import shutil

import ase.io
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model, read_checkpoint
from mliap_hybrid.fitting.earlier_training import with_earlier_sizes
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.testing.labelled import small_settings

pytestmark = pytest.mark.usefixtures("undrawn_figures")

SETS = {
    "gmp-2c3": {},
    "learned": {"features": {"set": "learned", "max_order": 3}, "network": {"n_channels": 4}},
}


@pytest.fixture(scope="module", params=SETS)
def earlier(request, tmp_path_factory):
    """Settings of a training that has ended."""
    folder, long = tmp_path_factory.mktemp(request.param), {"epochs": 40}
    settings = small_settings(folder, optimisation=long, **SETS[request.param])
    train(settings, Display())
    return settings


def goes_on(earlier, folder, **changes):
    """Settings of a training that starts from another, and says nothing of sizes."""
    said = small_settings(folder, init_from=earlier.run, **changes)
    kept = {name: type(getattr(said, name))() for name in ("features", "network")}
    return with_earlier_sizes(said.model_copy(update=kept))


def started(settings):
    """The model before the first step, its inputs and the frames."""
    batches = load_data(settings, Display())
    inputs = prepare(settings, batches["train"], batches["validation"], lambda items, _: items)
    return make_trainer(settings, inputs), inputs, batches


def test_the_same_elements_start_with_the_same_forces(earlier, tmp_path):
    shutil.copy(earlier.data.files[0], tmp_path / "data.extxyz")
    trainer, inputs, batches = started(goes_on(earlier, tmp_path))
    model = load_model(earlier.run)
    for frames, batch in zip(inputs.training[:4], batches["train"], strict=False):
        forces = trainer.objective.model(frames).forces.detach().double()
        expected = predict(model, batch).forces
        assert (forces - expected).abs().max() < 2e-5 * expected.abs().max()


def test_known_elements_keep_their_forces_among_new_ones(earlier, tmp_path):
    # Cl is 17 and Na 11, Al 13 and O 8: the known elements have other indices in the new training.
    frames = ase.io.read(earlier.data.files[0], ":")
    for atoms in frames[1::2]:
        atoms.numbers[:2] = 13, 8
    ase.io.write(tmp_path / "data.extxyz", frames)
    settings = goes_on(earlier, tmp_path)
    trainer, inputs, batches = started(settings)
    assert inputs.initial_fit.elements == (8, 11, 13, 17)
    model = load_model(earlier.run)
    old = [k for k, batch in enumerate(batches["train"]) if 13 not in batch.numbers]
    new = [k for k in range(len(batches["train"])) if k not in old]
    assert min(len(old), len(new)) >= 4
    for k in old[:4]:
        forces = trainer.objective.model(inputs.training[k]).forces.detach().double()
        expected = predict(model, batches["train"][k]).forces
        assert (forces - expected).abs().max() < 2e-5 * expected.abs().max()
    assert all(trainer.objective.model(inputs.training[k]).forces.isfinite().all() for k in new)


def test_element_energies_are_those_of_the_new_labels(earlier, tmp_path):
    frames = ase.io.read(earlier.data.files[0], ":")
    for atoms in frames:
        labels = {"energy": atoms.get_potential_energy() - 2000.0, "forces": atoms.get_forces()}
        labels["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **labels)
    ase.io.write(tmp_path / "data.extxyz", frames)
    trainer, inputs, _ = started(goes_on(earlier, tmp_path))
    errors = [
        float(trainer.objective.model(frames).energies.detach() - frames.labels["energy"].values)
        for frames in inputs.training
    ]
    assert abs(sum(errors)) < 1e-3 * len(errors)


def test_a_run_starts_better_and_goes_on_without_the_earlier_one(earlier, tmp_path):
    moved = tmp_path / "earlier"
    shutil.copytree(earlier.run, moved)
    shutil.copy(earlier.data.files[0], tmp_path / "data.extxyz")
    settings = goes_on(earlier.model_copy(update={"run": moved}), tmp_path, optimisation={"epochs": 2})
    assert train(settings, Display(), last_epoch=1) is None
    first = read_checkpoint(RunFolder(settings.run).checkpoint("last")).trainer["epoch"]
    shutil.rmtree(moved)
    found = train(settings, Display(), resume=True)["validation"].forces.rmse
    assert first == 1
    fresh = small_settings(
        tmp_path, run=str(tmp_path / "fresh"), features=dict(earlier.features), network=dict(earlier.network),
        optimisation={"epochs": 2},
    )  # fmt: skip
    assert found < 0.9 * train(fresh, Display())["validation"].forces.rmse


def test_what_cannot_start_is_refused(earlier, tmp_path):
    with pytest.raises(InputError, match=r"features\.cutoff is 5\.5, but 4\.5"):
        with_earlier_sizes(small_settings(tmp_path, init_from=earlier.run, features={"cutoff": 5.5}))
    with pytest.raises(InputError, match="there is no training in"):
        with_earlier_sizes(small_settings(tmp_path, init_from=tmp_path / "none"))
    with pytest.raises(InputError, match="init_from does not work with a committee"):
        small_settings(tmp_path, init_from=earlier.run, committee={"n_members": 2})


def test_a_committee_cannot_be_started_from_as_a_whole(tmp_path):
    settings = small_settings(tmp_path, committee={"n_members": 2}, optimisation={"epochs": 1})
    train(settings, Display())
    with pytest.raises(InputError, match="name one of its members"):
        started(goes_on(settings, tmp_path))
    trainer, _, _ = started(goes_on(settings.model_copy(update={"run": settings.run / "members" / "2"}), tmp_path))
    weights = trainer.objective.model.heads["energy"].networks[0].layers[0].weight
    known = load_model(settings.run / "members" / "2").heads["energy"].networks[0].layers[0].weight
    assert torch.allclose(weights.double(), known, rtol=1e-6)
