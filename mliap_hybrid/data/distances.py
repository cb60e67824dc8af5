"""Are positions in the unit that they were read in? Atoms have their nearest neighbours about a bond away.

Over the sum of covalent radii, the median distance of atoms to their nearest neighbour is 0.8 to 1.3 in molecules,
crystals, liquids and metals. Positions in bohr are 1.9 times too large, in nm ten times too small. Gases of atoms are
farther apart, and noble ones have no bonds: they say nothing.

Radii: Cordero et al., Dalton Trans. 2008, 2832, as ASE has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase.data import covalent_radii

from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import BOHR, LENGTH_UNITS

NOBLE = (2, 10, 18, 36, 54, 86)

TOO_CLOSE, TOO_FAR = 0.65, 1.6
"""Bounds of the median ratio."""

A_GAS = 2.6
"""Median ratio above which atoms are far apart in any unit."""

LEAST_ATOMS = 3
"""Of a frame: two atoms may be anywhere."""

MOST_FRAMES = 30
"""That are looked at."""


def distance_warning(batches: Sequence[Batch], length: str) -> str | None:
    """A sentence where atoms are too close or too far apart; None where they are not, or it cannot be told.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each.
    length : str
        Unit that positions were read in.
    """
    ratios = [ratio for batch in _some(batches) if (ratio := _ratio(batch)) is not None]
    if not ratios:
        return None
    ratio = float(np.median(ratios))
    if TOO_CLOSE <= ratio <= TOO_FAR or ratio > A_GAS:
        return None
    factor = LENGTH_UNITS[length]
    others = {name: value / factor * ratio for name, value in (("Å", 1.0), ("bohr", BOHR), ("nm", 10.0))}
    likely = min(others, key=lambda name: abs(np.log(others[name])))
    return (
        f"atoms are {ratio:.2g} times the length of a bond from their nearest neighbours, read as {length}; in "
        f"{likely} it would be {others[likely]:.2g} times: check data.units.length"
    )


def _some(batches: Sequence[Batch]) -> list[Batch]:
    useful = [batch for batch in batches if batch.n_atoms >= LEAST_ATOMS]
    chosen = np.unique(np.linspace(0, len(useful) - 1, min(MOST_FRAMES, len(useful))).astype(int))
    return [useful[index] for index in chosen]


def _ratio(batch: Batch) -> float | None:
    """Median over the atoms of the distance to the nearest neighbour over the sum of radii; None of a gas."""
    numbers = batch.numbers.numpy()
    if np.isin(numbers, NOBLE).any():
        return None
    for reach in (0.2, 0.65, 1.3, A_GAS):  # positions in nm have too many neighbours in the last one
        ratio = float(np.median(_nearest(batch, reach)))
        if np.isfinite(ratio):
            return ratio
    return np.inf


def shortest_distance(batch: Batch) -> float | None:
    """Distance of the two closest atoms of a structure in Å; None where all are far apart."""
    for reach in (0.5, 1.5, 5.0):
        lengths, _, _ = _pairs(batch, reach)
        if len(lengths):
            return float(lengths.min())
    return None


def _nearest(batch: Batch, reach: float) -> np.ndarray:
    """(n_atoms,) of distances to nearest neighbours over sums of radii, infinite beyond about `reach`."""
    radii = covalent_radii[batch.numbers.numpy()]
    lengths, i, j = _pairs(batch, 2.0 * reach * float(np.median(radii)))
    nearest = np.full(len(radii), np.inf)
    np.minimum.at(nearest, i, lengths / (radii[i] + radii[j]))
    return nearest


def _pairs(batch: Batch, cutoff: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lengths in Å, centres and neighbours of all pairs closer than `cutoff` in Å, (n_pairs,) each."""
    positions, cell, periodic = batch.positions.numpy(), batch.cells[0].numpy(), batch.periodic[0].numpy()
    pair_i, pair_j, shifts = (pairs.numpy() for pairs in neighbor_pairs(positions, cell, periodic, cutoff))
    return np.linalg.norm(positions[pair_j] - positions[pair_i] + shifts @ cell, axis=1), pair_i, pair_j
