"""Labels in the wrong unit or with the wrong sign are noticed, and right ones are left in peace."""

import logging
from pathlib import Path

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.plausibility import atomic_energy, implausible_labels
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.data.stress_work import compare_energy_and_stress
from mliap_hybrid.data.work import compare_energy_and_work
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.testing.labelled import charged_lennard_jones, small_settings, write_labelled_frames
from mliap_hybrid.testing.structures import rock_salt
from mliap_hybrid.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL

DATA = Path(__file__).parents[2] / "../shared/data"
EV, KCAL, KJ, HA = (LabelUnits(energy=name) for name in ("eV", "kcal/mol", "kJ/mol", "Ha"))


def springs(atoms, start, stiffness=20.0, cutoff=3.0):
    """Energy and forces of springs, eV/Å^2, between the atoms that are close to each other at the start."""
    rest = start.get_all_distances(mic=True)  # (n_atoms, n_atoms)
    vectors = atoms.get_all_distances(mic=True, vector=True)  # (n_atoms, n_atoms, 3): r_j - r_i
    lengths = np.linalg.norm(vectors, axis=2) + np.eye(len(atoms))
    stretch = np.where((rest > 0) & (rest < cutoff), lengths - rest, 0.0)
    return 0.25 * stiffness * (stretch**2).sum(), stiffness * ((stretch / lengths)[:, :, None] * vectors).sum(1)


def frames_of_springs(n_frames=12, periodic=False):
    """Distorted molecules, turned and shifted, or crystals, with energies of all electrons; correct labels, eV, Å."""
    random = np.random.default_rng(0)
    start = rock_salt(2) if periodic else molecule("CH3CH2OH")
    batches = []
    for _ in range(n_frames):
        atoms = start.copy()
        atoms.rattle(0.03, rng=random)
        if not periodic:
            atoms.rotate(random.uniform(0, 360), random.normal(size=3))
            atoms.translate(random.normal(size=3))
        energy, forces = springs(atoms, start, cutoff=3.0 if periodic else 1.6)
        total = sum(map(atomic_energy, atoms.numbers))
        atoms.calc = SinglePointCalculator(atoms, energy=energy + total, forces=forces)
        batches.append(frame_to_batch(atoms, 3.0, LabelKeys()))
    return batches


def scaled(batches, energy=1.0, forces=1.0):
    return [batch.with_labels(energy=batch.energies * energy, forces=batch.forces * forces) for batch in batches]


@pytest.mark.parametrize("periodic", [False, True])
def test_energy_changes_by_minus_the_work_of_the_forces(periodic):
    seen = compare_energy_and_work(frames_of_springs(periodic=periodic))
    assert seen.n_pairs >= 5
    assert seen.correlation > 0.9
    assert 0.6 < seen.ratio < 1.2


def test_the_trapezoid_is_exact_for_springs():
    """Whatever the frames' order, orientation and place: E = k/2 (d - d0)^2 along the bond."""
    batches = []
    for index, length in enumerate((0.8, 0.9, 1.1, 1.15, 1.3, 1.7)):
        atoms = Atoms("H2", positions=[[0, 0, 0], [0, 0, length]])
        atoms.rotate(31.0 * index, "x")
        atoms.translate([index, 0, -index])
        direction = (atoms.positions[1] - atoms.positions[0]) / length
        force = 3.0 * (length - 1.0) * direction
        atoms.calc = SinglePointCalculator(atoms, energy=1.5 * (length - 1.0) ** 2, forces=np.array([force, -force]))
        batches.append(frame_to_batch(atoms, 3.0, LabelKeys()))
    seen = compare_energy_and_work(batches)
    assert seen.n_pairs >= 3
    assert seen.ratio == pytest.approx(1.0, abs=1e-9)
    assert seen.correlation == pytest.approx(1.0, abs=1e-9)


def test_what_forces_leave_of_the_energy_is_the_work_of_the_stress():
    """On a way along which atoms are moved, and the cell strained, from where forces are large."""
    random = np.random.default_rng(1)
    start, displacements = rock_salt(1, rattle=0.15, seed=1), random.normal(scale=0.05, size=(8, 3))
    strain = random.normal(scale=0.01, size=(3, 3))
    batches = []
    for share in np.linspace(0.0, 1.0, 8):
        atoms = start.copy()
        atoms.positions += share * displacements
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + share * (strain + strain.T)), scale_atoms=True)
        batches.append(frame_to_batch(charged_lennard_jones(atoms), 3.0, LabelKeys(stress="stress")))
    seen = compare_energy_and_stress(batches)
    assert seen.words.startswith("between 6 pairs of frames")
    assert seen.ratio == pytest.approx(1.0, abs=0.03)


def test_right_labels_are_left_in_peace():
    assert implausible_labels(frames_of_springs(), EV) == []
    assert implausible_labels(frames_of_springs(periodic=True), EV) == []
    bare = [batch.without_labels("energy", "forces") for batch in frames_of_springs(2)]
    assert implausible_labels(bare, EV) == []


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize(
    ("energy", "forces", "told"),
    [
        (1.0, 1 / KCAL_PER_MOL, "forces in kcal/mol/Å beside energies in eV"),
        (1.0, BOHR / HARTREE, "forces in Ha/bohr beside energies in eV"),
        (1 / HARTREE, 1.0, "forces in eV/Å beside energies in Ha"),
        (1.0, -1.0, "the forces have the wrong sign"),
    ],
)
def test_forces_that_do_not_belong_to_the_energies(energy, forces, told, periodic):
    found = implausible_labels(scaled(frames_of_springs(periodic=periodic), energy, forces), EV)
    assert any(told in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("unit", "read_as", "name"),
    [(KCAL_PER_MOL, EV, "kcal/mol"), (HARTREE, EV, "Ha"), (KJ_PER_MOL, KCAL, "kJ/mol"), (1.0, HA, "eV")],
)
def test_energies_of_all_electrons_tell_their_unit(unit, read_as, name):
    """The file's numbers are in `unit`, and are read as another one."""
    factor = {"eV": 1.0, "kcal/mol": KCAL_PER_MOL, "Ha": HARTREE}[read_as.energy] / unit
    found = implausible_labels(scaled(frames_of_springs(), factor, factor), read_as)
    assert f"total energies of all electrons in {name}" in found[0]
    assert f"they were read as {read_as.energy}" in found[0]


def test_forces_alone_tell_that_they_are_huge_or_tiny():
    batches = [batch.without_labels("energy") for batch in frames_of_springs()]
    assert implausible_labels(batches, EV) == []
    (large,) = implausible_labels(scaled_forces(batches, 1 / KCAL_PER_MOL), EV)
    assert "unusually large; in kcal/mol/Å" in large
    (small,) = implausible_labels(scaled_forces(batches, BOHR / HARTREE), EV)
    assert "unusually small" in small
    assert "in Ha/bohr" in small


def scaled_forces(batches, factor):
    return [batch.with_labels(forces=batch.forces * factor) for batch in batches]


def test_energies_that_no_bond_explains():
    batches = frames_of_springs()
    shift = torch.linspace(-200.0, 200.0, len(batches), dtype=torch.float64)
    spread = [b.without_labels("forces").with_labels(energy=b.energies + shift[k]) for k, b in enumerate(batches)]
    (sentence,) = implausible_labels(spread, EV)
    assert "have a root mean square of" in sentence
    impossible = [batch.without_labels("forces").with_labels(energy=3.7 * batch.energies) for batch in batches]
    assert "3.7 times those of all electrons" in implausible_labels(impossible, EV)[0]


@pytest.mark.parametrize(
    ("number", "energy"), [(6, -37.6886), (8, -74.8094), (10, -128.5471), (18, -526.8175), (36, -2752.0550)]
)
def test_energies_of_atoms(number, energy):
    """Hartree-Fock, Ha (Clementi and Roetti, Atomic Data and Nuclear Data Tables 14, 177 (1974))."""
    assert atomic_energy(number) / HARTREE == pytest.approx(energy, rel=0.011)


@pytest.mark.parametrize("name", ["ethanol", "aspirin", "benzene", "malonaldehyde"])
def test_published_molecules(name):
    path = DATA / f"rmd17/rmd17_{name}_train_01.npz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not here")
    data = np.load(path)
    batches = []
    for index in range(60):
        atoms = Atoms(data["nuclear_charges"], positions=data["coords"][index])
        atoms.calc = SinglePointCalculator(atoms, energy=data["energies"][index], forces=data["forces"][index])
        batches.append(frame_to_batch(atoms, 1.0, LabelKeys(), KCAL))
    assert implausible_labels(batches, KCAL) == []
    found = implausible_labels(scaled(batches, 1 / KCAL_PER_MOL, 1 / KCAL_PER_MOL), EV)
    assert "total energies of all electrons in kcal/mol" in found[0]
    assert "unusually large; in kcal/mol/Å" in found[1]


def test_a_training_is_warned_and_goes_on(tmp_path, caplog):
    write_labelled_frames(tmp_path / "data.extxyz")
    frames = ase.io.read(tmp_path / "data.extxyz", ":")
    for atoms in frames:
        atoms.calc.results["forces"] = atoms.calc.results["forces"] * 60.0
    ase.io.write(tmp_path / "data.extxyz", frames)
    with caplog.at_level(logging.WARNING, logger="mliap_hybrid"):
        batches = load_data(small_settings(tmp_path), Display())
    assert len(batches["train"]) == 11
    assert "Warning: the median force, read as eV/Å, is" in caplog.text
