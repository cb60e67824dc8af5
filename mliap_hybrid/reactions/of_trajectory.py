"""Molecules in the frames of a trajectory, one after another."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from ase import Atoms

from mliap_hybrid.errors import InputError
from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.reactions.analysis import Analysis
from mliap_hybrid.reactions.bonds import BondCriteria, radii_of
from mliap_hybrid.reactions.follower import Follower
from mliap_hybrid.reactions.trajectory import TimedFrame


def analyse(frames: Iterable[TimedFrame], criteria: BondCriteria) -> Analysis:
    """Follow the molecules of a trajectory.

    Parameters
    ----------
    frames : iterable of TimedFrame
        Of the same atoms.
    criteria : BondCriteria

    Raises
    ------
    InputError
        If there are no atoms, or others, time goes back, or the radius of an element is not known.
    """
    numbers: np.ndarray | None = None
    follower = Follower(np.empty(0, dtype=np.int64), criteria.persistence)
    for frame in frames:
        atoms = frame.atoms
        if len(atoms) == 0:
            raise InputError(f"the frame of step {frame.step} has no atoms")
        if numbers is None:
            numbers = atoms.numbers
            follower = Follower(numbers, criteria.persistence)
        elif not np.array_equal(atoms.numbers, numbers):
            raise InputError("the atoms of a frame are not those of the first: expected the same elements in each")
        volume = float(atoms.cell.volume) if atoms.pbc.all() else 0.0
        follower.add(frame.step, frame.time, volume, *pairs_near(atoms, criteria))
    return follower.found


def pairs_near(atoms: Atoms, criteria: BondCriteria) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that no bond would break for (n_pairs, 2), i < j, and which of them make one (n_pairs,).

    Raises
    ------
    InputError
        If the radius of an element is not known.
    """
    radii = radii_of(atoms.numbers)  # (n_atoms,) Å
    listed = neighbor_pairs(
        atoms.positions, atoms.cell.array, atoms.pbc, 2.0 * float(radii.max()) + criteria.break_apart
    )
    pair_i, pair_j, shifts = (each.numpy() for each in listed)
    vectors = atoms.positions[pair_j] + shifts @ atoms.cell.array - atoms.positions[pair_i]  # (n_pairs, 3)
    beyond = np.linalg.norm(vectors, axis=1) - radii[pair_i] - radii[pair_j]  # (n_pairs,)
    near = (pair_i < pair_j) & (beyond < criteria.break_apart)
    return np.stack([pair_i[near], pair_j[near]], axis=1), beyond[near] < criteria.form
