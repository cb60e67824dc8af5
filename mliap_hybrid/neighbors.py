"""Neighbour pairs of one structure; vesin does the search."""

from __future__ import annotations

import numpy as np
import torch
import vesin
from torch import Tensor

from mliap_hybrid.errors import InputError


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
        If positions are not finite, a periodic cell has no volume, or two atoms sit at one place.
    """
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    periodic = np.asarray(periodic, dtype=bool)
    cell = np.where(periodic[:, None], np.asarray(cell, dtype=np.float64), 0.0)
    if not np.isfinite(positions).all():
        atom = int(np.argwhere(~np.isfinite(positions).all(axis=1))[0, 0])
        raise InputError(f"atom {atom} has the position {positions[atom]}; expected three finite numbers in Å")
    if periodic.any() and np.linalg.matrix_rank(cell) < periodic.sum():
        raise InputError(f"the periodic cell {cell.tolist()} Å has no volume; check the lattice of this structure")

    search = vesin.NeighborList(cutoff=cutoff, full_list=True, sorted=False)
    i, j, shifts, distances = search.compute(positions, cell, periodic, quantities="ijSd")
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
