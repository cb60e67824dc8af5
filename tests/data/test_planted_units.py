"""Wrong units and signs, one in each data set: `mliap-hybrid convert` tells every one, and of the right set nothing."""

import re
import sys

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.cli import main as module
from mliap_hybrid.units import BOHR, HARTREE, KCAL_PER_MOL, KJ_PER_MOL, STRESS_UNITS

N_FRAMES = 20


def labelled(atoms):
    """Energy, forces and stress of effective-medium theory."""
    atoms.calc = EMT()
    results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


@pytest.fixture(scope="module")
def families():
    """Frames of a run at constant volume, and strained cells, 16 atoms of Cu3Au each."""
    crystal = bulk("Cu", "fcc", a=3.8, cubic=True) * (2, 2, 1)
    crystal.symbols[::4] = "Au"
    fixed, strained = [], []
    for seed in range(N_FRAMES):
        atoms = crystal.copy()
        atoms.rattle(0.04, seed=seed)
        fixed.append(labelled(atoms))
        random, atoms = np.random.default_rng(seed), crystal.copy()
        strain = random.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(
            atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2 + random.normal(0, 0.01) * np.eye(3)),
            scale_atoms=True,
        )
        atoms.rattle(0.03, rng=random)
        strained.append(labelled(atoms))
    return {"fixed": fixed, "strained": strained}


def energies(factor):
    return lambda atoms: atoms.calc.results.update(energy=atoms.calc.results["energy"] * factor)


def forces(factor):
    return lambda atoms: atoms.calc.results.update(forces=atoms.calc.results["forces"] * factor)


def lengths(factor):
    def change(atoms):
        results = atoms.calc.results
        atoms.set_cell(atoms.cell.array * factor, scale_atoms=True)
        atoms.calc = SinglePointCalculator(atoms, **results)

    return change


def stresses(factor, order=(0, 1, 2, 3, 4, 5), per_volume=True):
    def change(atoms):
        scale = factor if per_volume else factor * atoms.get_volume()
        atoms.calc.results["stress"] = atoms.calc.results["stress"][list(order)] * scale

    return change


def virials(factor):
    def change(atoms):
        atoms.info["virial"] = atoms.get_stress(voigt=False).ravel() * atoms.get_volume() * factor
        del atoms.calc.results["stress"]

    return change


MIXED = "energies and forces are not in units that belong together"
LARGE = r"the stresses, read as eV/Å\^3, are about"
CASES = {
    "energies in kcal/mol": ("fixed", energies(1 / KCAL_PER_MOL), MIXED),
    "energies in kJ/mol": ("fixed", energies(1 / KJ_PER_MOL), MIXED),
    "energies in Ha": ("fixed", energies(1 / HARTREE), MIXED),
    "energies in meV": ("fixed", energies(1e3), MIXED),
    "energies of one atom": ("fixed", energies(1 / 16), MIXED),
    "energies turned": ("fixed", energies(-1.0), "the forces have the wrong sign"),
    "forces in kcal/mol/Å": ("fixed", forces(1 / KCAL_PER_MOL), MIXED),
    "forces in kJ/mol/Å": ("fixed", forces(1 / KJ_PER_MOL), MIXED),
    "forces in Ha/bohr": ("fixed", forces(BOHR / HARTREE), MIXED),
    "forces in meV/Å": ("fixed", forces(1e3), MIXED),
    "gradients for forces": ("fixed", forces(-1.0), "the forces have the wrong sign"),
    "positions in bohr": ("fixed", lengths(1 / BOHR), "in bohr it would be"),
    "positions in nm": ("fixed", lengths(0.1), "in nm it would be"),
    "stresses turned": ("strained", stresses(-1.0), "sign is the opposite of ASE's"),
    "stresses in kbar": ("strained", stresses(1 / STRESS_UNITS["kbar"]), f"{LARGE}.*kbar"),
    "stresses in GPa": ("strained", stresses(1 / STRESS_UNITS["GPa"]), f"{LARGE}.*GPa"),
    "pressures in bar": ("strained", stresses(-1 / STRESS_UNITS["bar"]), f"{LARGE}.*bar.*sign is the opposite"),
    "virials for stresses": ("strained", stresses(-1.0, per_volume=False), f"{LARGE}.*virials"),
    "stresses in the order of VASP": ("strained", stresses(1.0, (0, 1, 2, 5, 3, 4)), r"stress_order \(vasp\)"),
    "stresses in the order of LAMMPS": ("strained", stresses(1.0, (0, 1, 2, 5, 4, 3)), r"stress_order \(lammps\)"),
    "virials turned": ("strained", virials(1.0), "sign is the opposite"),
}
"""Fault -> frames, change, and what is said."""


def converted(frames, change, folder, monkeypatch, capsys):
    """What `convert` prints for copies of the frames with a change to each."""
    copies = []
    for atoms in frames:
        copy = atoms.copy()
        copy.calc = SinglePointCalculator(copy, **atoms.calc.results)
        change(copy)
        copies.append(copy)
    ase.io.write(folder / "in.traj", copies)
    arguments = [str(folder / "in.traj"), "-o", str(folder / "out.extxyz")]
    monkeypatch.setattr(sys, "argv", ["mliap-hybrid", "convert", *arguments])
    with pytest.raises(SystemExit) as caught:
        module.main()
    assert not caught.value.code
    return capsys.readouterr().out


@pytest.mark.parametrize("family", ["fixed", "strained"])
def test_right_labels_are_left_in_peace(families, family, tmp_path, monkeypatch, capsys):
    assert "Warning" not in converted(families[family], lambda atoms: None, tmp_path, monkeypatch, capsys)


@pytest.mark.parametrize("fault", CASES)
def test_every_fault_is_told(families, fault, tmp_path, monkeypatch, capsys):
    family, change, expected = CASES[fault]
    said = converted(families[family], change, tmp_path, monkeypatch, capsys)
    warnings = [line for line in said.splitlines() if line.startswith("Warning")]
    assert any(re.search(expected, line) for line in warnings), said
