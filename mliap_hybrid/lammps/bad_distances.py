"""Distances that no model can be computed from, told by the atom IDs of LAMMPS."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.distances import CLOSEST, BadDistance
from mliap_hybrid.lammps.exchange import as_tensor


def told_by_ids(error: BadDistance, data: Any, rows: Tensor | None) -> InputError:
    """The error in the words of the native step, which names both atoms.

    Parameters
    ----------
    error : BadDistance
        What the model says, by its own numbers of atoms and pairs.
    data : object
        The data object of LAMMPS; LAMMPS' own ones have no `tag`, and the error stays as it is.
    rows : Tensor, shape (n_pairs,), int64, or None
        Row in `data` of each pair that the model was given; None for all rows.

    Returns
    -------
    InputError
    """
    if getattr(data, "tag", None) is None:
        return error
    row = error.pair if rows is None else int(rows[error.pair])
    tags = as_tensor(data.tag)
    i, j = (int(tags[int(as_tensor(atoms)[row])]) for atoms in (data.pair_i, data.pair_j))
    return InputError(
        f"atom {i} has atom {j} as a neighbor at {error.distance:.6g} Å from it; expected finite positions and a "
        f"distance of at least {CLOSEST} Å; look for a wrong position or a duplicate atom"
    )
