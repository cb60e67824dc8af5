"""Exchange between atoms and ghosts where LAMMPS offers none: by atom IDs, with the rows of all atoms on every rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def forward_by_tags(comm: Any, tags: NDArray[np.integer], n_owned: int, rows: NDArray[np.float64]) -> None:
    """Give ghosts the rows of their owners, in place. Collective.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        All ranks of this LAMMPS.
    tags : int array, shape (n_total,)
        Atom IDs, those of owned atoms first.
    n_owned : int
        Number of owned atoms.
    rows : float array, shape (n_total, n_columns)
    """
    place, _ = _places(comm, tags, n_owned)  # (n_total,)
    of_all = np.concatenate(comm.allgather(rows[:n_owned]))  # (n_atoms, n_columns)
    rows[n_owned:] = of_all[place[n_owned:]]


def reverse_by_tags(comm: Any, tags: NDArray[np.integer], n_owned: int, rows: NDArray[np.float64]) -> None:
    """Add the rows of all ghosts to their owners and set them to 0, in place. Collective; as `forward_by_tags`."""
    place, n_atoms = _places(comm, tags, n_owned)  # (n_total,)
    of_ghosts = np.zeros((n_atoms, rows.shape[1]))  # (n_atoms, n_columns)
    np.add.at(of_ghosts, place[n_owned:], rows[n_owned:])
    rows[:n_owned] += _sum(comm, of_ghosts)[place[:n_owned]]
    rows[n_owned:] = 0.0


def _places(comm: Any, tags: NDArray[np.integer], n_owned: int) -> tuple[NDArray[np.intp], int]:
    """Place of each atom and ghost (n_total,) among the owned atoms of all ranks, and the number of those."""
    of_all = np.concatenate(comm.allgather(np.array(tags[:n_owned], dtype=np.int64)))  # (n_atoms,)
    order = np.argsort(of_all)
    return order[np.searchsorted(of_all, tags, sorter=order)], len(of_all)


def _sum(comm: Any, values: NDArray[np.float64]) -> NDArray[np.float64]:
    total = np.empty_like(values)
    comm.Allreduce(values, total)
    return total
