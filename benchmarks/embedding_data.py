"""Dimers of monoglyme with the components of their interaction, read from the shared data of PhyNEO.

600 dimers in 50 scans of twelve distances, SAPT(DFT) with the delta-HF energy in kJ/mol. The set is read where it lies,
and its licence (GPL) keeps it out of this repository.
"""

from __future__ import annotations

from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from mliap_hybrid.units import ENERGY_UNITS

KCAL = ENERGY_UNITS["kcal/mol"]
"""eV."""

KEYS = {
    "energy": "e_int",
    "forces": None,
    "electrostatics_energy": "e_es",
    "exchange_energy": "e_ex",
    "induction_energy": "e_ind",
    "dispersion_energy": "e_disp",
}
"""`data.keys` of the frames."""

WELL = 5.0
"""kcal/mol: interaction energies below it are those of the well."""


def dimers(folder: Path) -> list[Atoms]:
    """All dimers, labels in eV, with their molecules, `scan` and `distance` (of centres of mass, Å)."""
    frames = []
    for read in ase.io.read(folder / "phyneo_peo" / "peo_dme_dimer_sapt.extxyz", ":"):
        unit, info, n_first = ENERGY_UNITS["kJ/mol"], read.info, int(read.info["natoms_A"])
        atoms = Atoms(read.numbers, read.positions)
        atoms.set_array("molecule", np.repeat([1, 2], [n_first, len(read) - n_first]))
        atoms.info["e_int"], atoms.info["e_es"] = info["e_tot"] * unit, info["e_es"] * unit
        atoms.info["e_ex"], atoms.info["e_disp"] = info["e_ex"] * unit, info["e_disp"] * unit
        atoms.info["e_ind"] = (info["e_pol"] + info["e_dhf"]) * unit
        centres = [part.get_center_of_mass() for part in (atoms[:n_first], atoms[n_first:])]
        atoms.info["distance"] = float(np.linalg.norm(centres[0] - centres[1]))
        atoms.info["scan"] = int(info["scan"])
        frames.append(atoms)
    return frames


def held_out(frames: list[Atoms], fold: int, n_folds: int = 5) -> tuple[list[Atoms], list[Atoms]]:
    """Training and test frames: every fold holds out whole scans, drawn once."""
    scans = np.random.default_rng(1).permutation(sorted({atoms.info["scan"] for atoms in frames}))
    chosen = set(scans[fold::n_folds].tolist())
    test = [atoms for atoms in frames if atoms.info["scan"] in chosen]
    return [atoms for atoms in frames if atoms.info["scan"] not in chosen], test
