"""Neighbour pairs of one structure; vesin does the search."""

from __future__ import annotations

import numpy as np
import torch
import vesin
from torch import Tensor

from mliap_hybrid.errors import InputError

MOST_PAIRS = 200_000_000
"""Pairs of one structure, about 10 GB of them."""

MOST_NEIGHBORS = 20_000
"""Of an atom, on average: twice the density of diamond with a cutoff of 20 Å has half of them."""

MOST_BOXES = 1e15
"""Boxes of the size of the cutoff that a structure may extend over; more is no arrangement of atoms."""

MOST_CELLS = 100_000
"""Cells of the size of the cutoff that vesin is asked for: what it makes of more is not relied on."""

THIN = 4.0
"""Cells in the thinnest direction of a structure that is searched as it is."""

FARTHEST = 1e9
"""Å from the origin. Beyond, distances of doubles lose the digits that forces need."""

LEAST_CUTOFF = 1e-3
"""Å. Atoms closer than that are refused anyway."""


def neighbor_pairs(
    positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Full list of the pairs closer than `cutoff`, periodic images included.

    Parameters
    ----------
    positions : array, shape (n_atoms, 3), Å
    cell : array, shape (3, 3), Å
        Lattice vectors as rows.
    periodic : array of bool, shape (3,)
        Periodic directions.
    cutoff : float, Å

    Returns
    -------
    pair_i, pair_j : Tensor, shape (n_pairs,), int64
        Sorted by centre, then neighbour, then translation, so that sums are reproducible.
    pair_shifts : Tensor, shape (n_pairs, 3), int64
        r_ij = r_j + shift @ cell - r_i.

    Raises
    ------
    InputError
        If positions or the cell are not finite, or too far away, a periodic cell has no volume, two atoms sit at one
        place, the cutoff is no length of atoms, or there would be more pairs than `MOST_PAIRS` or `MOST_NEIGHBORS` for
        each atom.
    """
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    periodic = np.asarray(periodic, dtype=bool)
    cell = np.where(periodic[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    if not np.isfinite(positions).all():
        atom = int(np.argwhere(~np.isfinite(positions).all(axis=1))[0, 0])
        raise InputError(f"atom {atom} has the position {positions[atom]}; expected three finite numbers in Å")
    if np.abs(positions).max(initial=0.0) > FARTHEST:
        atom = int(np.abs(positions).max(axis=1).argmax())
        raise InputError(
            f"atom {atom} has the position {positions[atom]} Å; expected less than {FARTHEST:g} Å: check the "
            "positions, or wrap them into the cell"
        )
    if not np.isfinite(cell).all():
        raise InputError(f"the periodic cell is {cell.tolist()} Å; expected finite numbers")
    if periodic.any() and np.linalg.matrix_rank(cell) < periodic.sum():
        raise InputError(f"the periodic cell {cell.tolist()} Å has no volume; check the lattice of this structure")

    _check_size(positions, cell, periodic, cutoff)
    wide = _search_cutoff(positions, cell, periodic, cutoff)
    search = vesin.NeighborList(cutoff=wide, full_list=True, sorted=False)
    i, j, shifts, distances = search.compute(positions, cell, periodic, quantities="ijSd")
    if wide > cutoff:
        i, j, shifts, distances = (each[distances < cutoff] for each in (i, j, shifts, distances))
    if len(distances) and distances.min() < 1e-3:
        p = int(distances.argmin())
        raise InputError(
            f"atoms {i[p]} and {j[p]} are {distances[p]:.2g} Å apart: two atoms at one place; remove the duplicate"
        )
    order = np.lexsort((shifts[:, 2], shifts[:, 1], shifts[:, 0], j, i))
    return (
        torch.from_numpy(i[order].astype(np.int64)),
        torch.from_numpy(j[order].astype(np.int64)),
        torch.from_numpy(shifts[order].astype(np.int64)),
    )


def _search_cutoff(positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float) -> float:
    """The cutoff, or a larger one where a wide and thin structure would have more than `MOST_CELLS`."""
    if len(positions) == 0:
        return cutoff
    sides = np.ptp(positions, axis=0)  # (3,) Å
    shortest = sides
    if periodic.any():  # directions without periods are then those that the cell leaves
        heights = 1.0 / np.linalg.norm(np.linalg.pinv(cell[periodic]), axis=0)  # (n_periodic,) Å
        sides, shortest = np.full(3, np.linalg.norm(sides)), np.zeros(3)
        sides[periodic] = shortest[periodic] = heights
    wide = cutoff
    larger = (MOST_CELLS / _most_cells(sides, cutoff)) ** (1 / 3)
    if larger < 1.0 and float(np.maximum(shortest / cutoff, 1.0).min()) * larger < THIN:
        while _most_cells(sides, wide) > MOST_CELLS:
            wide *= 1.05
    return wide


def _most_cells(sides: np.ndarray, cutoff: float) -> float:
    """Boxes of the size of the cutoff, with one more at each end."""
    return float(np.prod(sides / cutoff + 2.0))


def _check_size(positions: np.ndarray, cell: np.ndarray, periodic: np.ndarray, cutoff: float) -> None:
    """Refuse what would fill the memory, before it does: pairs are estimated from the density about the atoms."""
    if not LEAST_CUTOFF <= cutoff < np.inf:
        raise InputError(f"the cutoff is {cutoff:g} Å; expected a finite length of some Å")
    if len(positions) == 0:
        return
    extent = np.concatenate([np.abs(cell).sum(0), np.ptp(positions, axis=0)])  # (6,)
    if float(np.max(extent)) / cutoff > MOST_BOXES ** (1 / 3):
        raise InputError(
            f"the structure extends over {float(np.max(extent)):.3g} Å, with a cutoff of {cutoff:g} Å; check the cell, "
            "the positions and data.units.length"
        )
    lattice = cell[periodic]  # (n_periodic, 3)
    if len(lattice) == 3:
        density = len(positions) / abs(np.linalg.det(lattice))  # 1/Å^3
        n_pairs = len(positions) * density * 4.2 * cutoff**3
    else:
        boxes = np.unique(np.floor(positions / cutoff), axis=0, return_counts=True)[1]  # (n_boxes,)
        heights = np.linalg.norm(np.linalg.pinv(lattice), axis=0) if len(lattice) else np.zeros(0)  # (n_periodic,) 1/Å
        n_pairs = 4.2 * float(np.square(boxes.astype(float)).sum()) * float(np.prod(1.0 + 2.0 * cutoff * heights))
    if n_pairs > min(MOST_PAIRS, MOST_NEIGHBORS * len(positions)):
        raise InputError(
            f"the structure would have about {n_pairs:.2g} pairs of atoms closer than {cutoff:g} Å, more than "
            f"{MOST_NEIGHBORS} for each; check the cell, the positions and data.units.length, or use a smaller cutoff"
        )
