"""Kernel models from training files: what a run leaves, residuals of physics, and molecules within a larger model."""

import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import parse_training_file, read_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_checkpoint, load_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.sgdml.npz import write_gdml_data, write_gdml_model
from mliap_hybrid.testing.gdml_molecules import SIGMA, ammonia, as_frames, box_of_ammonia
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.usefixtures("undrawn_figures")

CHARGES = {"N": -0.9, "H": 0.3}


def settings_for(folder, frames=None, **changes):
    """A training file for 90 frames of ammonia, of which 50 are trained on."""
    file = folder / "ammonia.extxyz"
    ase.io.write(file, [frame.atoms for frame in as_frames(ammonia(90))] if frames is None else frames)
    content = {
        "run": str(folder / "run"),
        "data": {"files": [str(file)], "validation": 0.15, "test": 0.15},
        "gdml": {"n_train": 50, "sigmas": [1.0, SIGMA, 30.0]},
    }
    for name, value in changes.items():
        content[name] = content.get(name, {}) | value if isinstance(value, dict) else value
    return parse_training_file({name: value for name, value in content.items() if value is not None}, "test")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    settings = settings_for(tmp_path_factory.mktemp("gdml"))
    return settings, train(settings, Display())


def test_a_run_leaves_everything(finished):
    settings, evaluations = finished
    folder = RunFolder(settings.run)
    assert read_training_file(folder.config) == settings
    assert [evaluations[name].n_frames for name in ("train", "validation", "test")] == [50, 14, 14]
    assert "Kernel model of 50 frames, sigma 30 1/Å, 6 permutations" in (folder.report / "errors.md").read_text()
    assert (folder.report / "report.html").stat().st_size > 10_000
    assert "sigma 30: validation forces" in folder.log.read_text()


def test_errors_are_those_of_the_kernel_model(finished):
    """Forces of training frames come back; others are far better than the spread of the labels."""
    _, evaluations = finished
    assert evaluations["train"].forces.rmse < 5e-3 * evaluations["train"].forces.label_rms
    assert evaluations["test"].forces.rmse < 0.03 * evaluations["test"].forces.label_rms
    assert evaluations["test"].energy.rmse < 2e-3


def test_frames_are_drawn_by_the_seed(finished, tmp_path):
    settings, _ = finished
    first = load_checkpoint(settings.run)
    for seed, same in ((0, True), (1, False)):
        again = settings_for(tmp_path, run=str(tmp_path / str(seed)), seed=seed)
        train(again, Display())
        frames = load_checkpoint(again.run).trainer["train_frames"]
        assert (frames == first.trainer["train_frames"]) == same


def test_a_kernel_model_of_what_charges_leave(tmp_path):
    """Labels are the molecule's own plus a known Coulomb energy: with its charges the errors are as without both."""
    settings = settings_for(tmp_path, electrostatics={"charges": CHARGES, "smearing": 0.9})
    evaluations = train(settings, Display())
    model = load_model(settings.run)
    assert set(model.table("charge")) == set(model.elements)
    assert evaluations["train"].forces.rmse < 5e-3 * evaluations["train"].forces.label_rms
    # One molecule alone, and the same beside a second one: what is between them is the Coulomb energy alone.
    frames = ammonia(2, seed=9)
    pair = as_frames(frames)[0].atoms + as_frames(frames)[1].atoms
    pair.positions[4:] += [0.0, 0.0, 7.0]
    pair.calc = None
    energies = [float(predict(model, frame_to_batch(a, model.cutoff)).energies[0]) for a in (pair, pair[:4], pair[4:])]
    distances = np.linalg.norm(pair.positions[:4, None] - pair.positions[None, 4:], axis=2)
    charges = np.array([-0.9, 0.3, 0.3, 0.3])
    coulomb = 14.3996454784 * (charges[:, None] * charges / distances).sum()  # erf is 1 beyond 5 Å
    assert energies[0] - energies[1] - energies[2] == pytest.approx(coulomb, abs=1e-6)


def test_without_symmetries(tmp_path):
    settings = settings_for(tmp_path, gdml={"n_train": 15, "sigmas": [SIGMA], "symmetries": False})
    plain = train(settings, Display())
    settings = settings_for(tmp_path, gdml={"n_train": 15, "sigmas": [SIGMA]}, run=str(tmp_path / "other"))
    symmetric = train(settings, Display())
    assert symmetric["test"].forces.mae < 0.6 * plain["test"].forces.mae


def test_energies_along_with_forces(tmp_path):
    settings = settings_for(tmp_path, gdml={"n_train": 30, "with_energies": True})
    evaluations = train(settings, Display())
    assert evaluations["train"].energy.rmse < 1e-5
    assert load_model(settings.run).term(MoleculeTerm).model.energy_weights is not None


def test_data_sets_of_the_package_are_read(finished, tmp_path):
    settings, evaluations = finished
    write_gdml_data(tmp_path / "ammonia.npz", ammonia(90), "ammonia")
    data = settings.data.model_copy(update={"files": [tmp_path / "ammonia.npz"]})
    again = settings.model_copy(update={"run": tmp_path / "run", "data": data})
    assert train(again, Display())["test"].forces.mae == pytest.approx(evaluations["test"].forces.mae, rel=1e-4)
    units = settings.data.units.model_copy(update={"energy": "kJ/mol"})
    wrong = again.model_copy(update={"data": data.model_copy(update={"units": units})})
    with pytest.raises(InputError, match="says its own units"):
        train(wrong, Display(), overwrite=True)


def crowd(n_frames, seed=0):
    """Three molecules each; between them, each pair of atoms has 0.3 eV exp(-r^2 / 4 Å^2)."""
    frames = []
    for index in range(n_frames):
        molecules = ammonia(3, seed=100 * seed + index)
        places = random_structure(3, ["N"], None, seed=100 * seed + index, closest=3.0).positions
        positions = (molecules.positions + torch.tensor(places)[:, None]).reshape(12, 3).requires_grad_()
        of_molecule = torch.arange(12) // 4
        i, j = (of_molecule[:, None] < of_molecule).nonzero().T
        between = 0.3 * torch.exp(-(positions[i] - positions[j]).square().sum(1) / 4.0).sum()
        (gradient,) = torch.autograd.grad(between, positions)
        atoms = as_frames(molecules)[0].atoms[[0, 1, 2, 3] * 3]
        atoms.positions = positions.detach().numpy()
        forces = molecules.forces.reshape(12, 3) - gradient
        energy = float(molecules.energies.sum() + between.detach())
        atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=forces.numpy())
        frames.append(atoms)
    return frames


def test_a_network_learns_what_is_between_molecules(finished, tmp_path):
    """With the molecules as a known term, the network is left with 0.3 eV; it finds much of it in a few epochs."""
    molecule_run, _ = finished
    changes = {
        "gdml": None,
        "features": {"set": "gmp-2c", "max_order": 1, "widths": [0.6, 1.2]},
        "network": {"hidden": [8]},
        "loss": {"energy": 1.0, "force_transition": None},
        "optimisation": {  # SOAP would amplify the rounding of the imported model
            "optimiser": "adamw",
            "epochs": 15,
            "batch_size": 4,
            "weight_decay": 1e-5,
            "average_decay": 0.995,
        },
    }
    known = settings_for(tmp_path, crowd(40), **changes, molecules={"model": str(molecule_run.run)})
    with_molecules = train(known, Display())
    alone = settings_for(tmp_path, crowd(40), **changes, run=str(tmp_path / "alone"))
    without = train(alone, Display())
    assert with_molecules["test"].forces.rmse < 0.5 * without["test"].forces.rmse
    model = load_model(known.run)
    assert model.term(MoleculeTerm) is not None
    assert len(model.heads) == 1

    write_gdml_model(tmp_path / "molecule.npz", load_model(molecule_run.run).term(MoleculeTerm).model)
    imported = known.model_copy(
        update={
            "run": tmp_path / "imported",
            "molecules": known.molecules.model_copy(update={"model": tmp_path / "molecule.npz"}),
        }
    )
    assert train(imported, Display())["test"].forces.rmse == pytest.approx(with_molecules["test"].forces.rmse, rel=1e-3)


def test_a_run_with_molecules_goes_on_bit_for_bit(finished, tmp_path):
    molecule_run, _ = finished
    changes = {
        "gdml": None,
        "features": {"set": "gmp-2c", "max_order": 0, "widths": [0.6]},
        "network": {"hidden": [4]},
        "optimisation": {"epochs": 3},
        "molecules": {"model": str(molecule_run.run)},
    }
    whole = settings_for(tmp_path, crowd(12), **changes)
    train(whole, Display())
    halves = whole.model_copy(update={"run": tmp_path / "halves"})
    train(halves, Display(), last_epoch=1)
    train(halves, Display(), resume=True)
    batch = frame_to_batch(crowd(1, seed=3)[0], 6.0)
    first, second = (predict(load_model(settings.run, "last"), batch) for settings in (whole, halves))
    assert torch.equal(first.forces, second.forces)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"hidden": [8]}}, "network has no effect with gdml"),
        ({"device": "cuda"}, "device has no effect with gdml"),
        ({"committee": {"n_members": 2}}, "committee has no effect with gdml"),
        ({"features": {"max_order": 2}}, "of features, cutoff alone"),
        ({"electrostatics": {"charges": "fitted"}}, "gdml does not work with electrostatics.charges fitted"),
        ({"electrostatics": {"charges": "predicted"}}, "gdml does not work with electrostatics.charges predicted"),
        ({"gdml": {"sigma": 10}}, r"unknown key 'gdml.sigma': did you mean 'sigmas'"),
        ({"gdml": {"sigmas": []}}, "gdml.sigmas"),
        ({"gdml": {"sigmas": [-1.0]}}, "gdml.sigmas"),
        ({"data": {"keys": {"forces": None}}}, "forces of every frame"),
    ],
)
def test_settings_that_make_no_sense(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        settings_for(tmp_path, **changes)


def replaced(frames, index, atoms):
    return [*frames[:index], atoms, *frames[index + 1 :]]


def test_data_that_are_no_frames_of_one_molecule(tmp_path):
    frames = [frame.atoms for frame in as_frames(ammonia(30))]
    small = {"gdml": {"n_train": 10, "sigmas": [SIGMA]}}
    cases = {
        r"frame 7 is H3, .*frame 0 is H3N: a GDML model is of one molecule": frames[7][1:],
        r"frame 7: atom 0 is H, but in .*expected the atoms in the same order": frames[7][[1, 0, 2, 3]],
    }
    for message, atoms in cases.items():
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((len(atoms), 3)))
        with pytest.raises(InputError, match=message):
            train(settings_for(tmp_path, replaced(frames, 7, atoms), **small), Display())
    gradients = []
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = SinglePointCalculator(atoms, energy=frame.get_potential_energy(), forces=-frame.get_forces())
        gradients.append(atoms)
    with pytest.raises(InputError, match="seem to be gradients"):
        train(settings_for(tmp_path, gradients, **small), Display())
    with pytest.raises(InputError, match=r"gdml.n_train is 25, but there are 22 training frames"):
        train(settings_for(tmp_path, frames, gdml={"n_train": 25}), Display())
    with pytest.raises(InputError, match="no epochs to resume"):
        train(settings_for(tmp_path, frames, **small), Display(), resume=True)
    assert not (tmp_path / "run").exists()


def test_molecules_must_be_a_kernel_model(finished, tmp_path):
    changes = {
        "gdml": None,
        "features": {"set": "gmp-2c", "max_order": 0, "widths": [0.6]},
        "optimisation": {"epochs": 1},
    }
    plain = settings_for(tmp_path, **changes)
    train(plain, Display())
    wrong = settings_for(tmp_path, **changes, run=str(tmp_path / "other"), molecules={"model": str(plain.run)})
    with pytest.raises(InputError, match="which is no kernel model"):
        train(wrong, Display())
    molecule_run, _ = finished
    frames = [box_of_ammonia(2, seed=seed)[[4, 5, 6, 7, 1, 0, 2, 3]] for seed in range(10)]
    for atoms in frames:
        atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((8, 3)))
    reordered = settings_for(
        tmp_path, frames, **changes, run=str(tmp_path / "third"), molecules={"model": str(molecule_run.run)}
    )
    with pytest.raises(InputError, match="number the atoms in this order"):
        train(reordered, Display())
