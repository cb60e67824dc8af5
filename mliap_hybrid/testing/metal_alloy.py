"""Small cells of a metal alloy with exact labels of effective-medium theory, to plant faults in."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator


def alloy_frames(n_frames: int = 40, seed: int = 0) -> list[Atoms]:
    """Cells of Cu3Au, strained by some per cent, with displaced atoms.

    Parameters
    ----------
    n_frames : int
    seed : int

    Returns
    -------
    list of ase.Atoms
        Four atoms each, with energy in eV, forces in eV/Å and stress in eV/Å^3.
    """
    random, frames = np.random.default_rng(seed), []
    for _ in range(n_frames):
        atoms = bulk("Cu", "fcc", a=random.uniform(3.7, 3.95), cubic=True)
        atoms.symbols[0] = "Au"
        strain = random.normal(scale=0.02, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        atoms.rattle(0.06, rng=random)
        atoms.calc = EMT()
        results = {
            "energy": atoms.get_potential_energy(),
            "forces": atoms.get_forces(),
            "stress": atoms.get_stress(),
        }
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return frames
