"""Small structures that tests need again and again."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk


def random_structure(
    n_atoms: int, elements: list[str], cell: np.ndarray | None, seed: int, closest: float = 1.6
) -> Atoms:
    """Atoms at random places, none closer than `closest` to another, its images included.

    Parameters
    ----------
    n_atoms : int
    elements : list of str
        Taken in turn.
    cell : array, shape (3, 3), Å, or None
        None makes a molecule in a 6 Å cube without periodicity.
    seed : int
    closest : float, Å

    Raises
    ------
    ValueError
        If they do not fit.
    """
    random = np.random.default_rng(seed)
    box = np.eye(3) * 6.0 if cell is None else np.asarray(cell, dtype=float)
    atoms = Atoms(cell=box, pbc=cell is not None)
    for index in range(n_atoms):
        for _ in range(10_000):
            trial = atoms + Atoms(elements[index % len(elements)], positions=[random.random(3) @ box])
            trial.set_cell(box)
            trial.pbc = atoms.pbc
            distances = trial.get_distances(-1, range(index), mic=cell is not None) if index else np.array([np.inf])
            if np.min(distances) > closest:
                atoms = trial
                break
        else:
            raise ValueError(f"{n_atoms} atoms at least {closest} Å apart do not fit in {box.tolist()} Å")
    return atoms


def rock_salt(cells: int = 2, rattle: float = 0.1, seed: int = 0) -> Atoms:
    """NaCl, 8 `cells`^3 atoms, lattice constant 5.64 Å, each atom displaced by a normal deviate of `rattle` Å."""
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True).repeat(cells)
    atoms.rattle(rattle, seed=seed)
    return atoms


TRICLINIC_CELL = np.array([[8.0, 0.0, 0.0], [1.9, 8.6, 0.0], [-1.3, 2.2, 9.1]])
"""A cell with three different angles, Å."""
