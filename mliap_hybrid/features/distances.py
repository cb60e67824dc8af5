"""Distances that features cannot be computed from."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.structure import Geometry

CLOSEST = 1e-3
"""Å: two atoms nearer than this are one atom given twice."""


class BadDistance(InputError):
    """Two atoms at one place, or positions that are not numbers; says which pair of the geometry it is."""

    def __init__(self, message: str, pair: int, distance: float):
        super().__init__(message)
        self.pair = pair
        """Row of the geometry's pairs."""
        self.distance = distance
        """Å."""


def check_distances(distances: Tensor, geometry: Geometry) -> None:
    """Refuse positions that are not numbers, and two atoms at one place.

    Parameters
    ----------
    distances : Tensor, any shape, Å
        Of the pairs of `geometry`, in any order; others beside them do no harm.
    geometry : Geometry
        To say which atoms they are.

    Raises
    ------
    BadDistance
    """
    if distances.numel() == 0:
        return
    shortest, longest = distances.detach().aminmax()  # NaN if any is
    if not (float(shortest) >= CLOSEST and math.isfinite(float(longest))):
        vectors = geometry.pair_vectors.detach()  # (n_pairs, 3)
        lengths = torch.linalg.vector_norm(vectors, dim=1)  # (n_pairs,)
        p = int((~(lengths.isfinite() & (lengths >= CLOSEST))).nonzero()[0])
        raise BadDistance(
            f"atom {int(geometry.pair_i[p])} has a neighbour at {vectors[p].tolist()} Å from it; expected three "
            f"finite numbers and a distance of at least {CLOSEST} Å; look for a wrong position or a duplicate atom",
            p,
            float(lengths[p]),
        )
