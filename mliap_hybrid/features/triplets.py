"""Triplets: a centre and two of its neighbours, listed from the neighbour pairs, and their geometry."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.distances import CLOSEST, check_distances
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class PairGeometry:
    """Lengths and directions of the pair vectors."""

    distances: Tensor
    """(n_pairs,) Å."""
    directions: Tensor
    """(n_pairs, 3): unit vectors from centre to neighbour."""


@dataclass(frozen=True)
class Triplets:
    """Centre i with neighbours j (pair p) and k (pair q); each two neighbours once."""

    p: Tensor
    """(n_triplets,) int64: pair i-j."""
    q: Tensor
    """(n_triplets,) int64: pair i-k."""
    r_p: Tensor
    """(n_triplets,) Å."""
    r_q: Tensor
    """(n_triplets,) Å."""
    r_jk: Tensor
    """(n_triplets,) Å."""
    u_p: Tensor
    """(n_triplets, 3): direction from i to j."""
    u_q: Tensor
    """(n_triplets, 3): direction from i to k."""
    u_jk: Tensor
    """(n_triplets, 3): direction from j to k."""

    def swapped(self) -> Triplets:
        """The same triplets with the names of the two neighbours exchanged."""
        return Triplets(self.q, self.p, self.r_q, self.r_p, self.r_jk, self.u_q, self.u_p, -self.u_jk)


def pair_geometry(geometry: Geometry) -> PairGeometry:
    """Lengths and directions of the pair vectors of `geometry`; differentiable.

    Raises
    ------
    InputError
        If a pair vector is not finite, or two atoms sit at one place.
    """
    vectors = geometry.pair_vectors
    distances = vectors.square().sum(1).sqrt()  # (n_pairs,)
    check_distances(distances, geometry)
    return PairGeometry(distances, vectors / distances[:, None])


def triplets_within(
    cutoff: float, pair_i: Tensor, pairs: PairGeometry, n_most: int, closed: bool
) -> Iterator[Triplets]:
    """Triplets of all centres whose two neighbours are within `cutoff`, in blocks that bound the memory.

    Parameters
    ----------
    cutoff : float, Å
    pair_i : Tensor, shape (n_pairs,), int64
        Centre of each pair; cheapest where sorted.
    pairs : PairGeometry
    n_most : int
        Triplets in a block, exceeded by no more than the neighbours of one centre.
    closed : bool
        Only those triplets whose neighbours are also within `cutoff` of each other.

    Yields
    ------
    Triplets

    Raises
    ------
    InputError
        If two neighbours of a centre sit at one place.
    """
    near = (pairs.distances < cutoff).nonzero()[:, 0]  # (n_near,)
    for first, second in pairs_of_pairs(pair_i[near], n_most):
        p, q = near[first], near[second]
        r_p, r_q, u_p, u_q = pairs.distances[p], pairs.distances[q], pairs.directions[p], pairs.directions[q]
        from_j_to_k = u_q * r_q[:, None] - u_p * r_p[:, None]  # (n_triplets, 3)
        r_jk = from_j_to_k.square().sum(1).sqrt()  # (n_triplets,)
        if bool((r_jk < CLOSEST).any()):
            centre = int(pair_i[p[r_jk.argmin()]])
            raise InputError(
                f"two neighbours of atom {centre} are {float(r_jk.min()):.2g} Å apart: two atoms at one place; "
                "remove the duplicate"
            )
        triplets = Triplets(p, q, r_p, r_q, r_jk, u_p, u_q, from_j_to_k / r_jk[:, None])
        yield _within(triplets, cutoff) if closed else triplets


def pairs_of_pairs(pair_i: Tensor, n_most: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Each two different pairs of the same centre, once, in blocks.

    Parameters
    ----------
    pair_i : Tensor, shape (n_pairs,), int64
    n_most : int
        Size of a block, exceeded by no more than the number of pairs of one centre.

    Yields
    ------
    first, second : Tensor, shape (n_triplets,), int64
        Indices into `pair_i`.
    """
    order = torch.argsort(pair_i, stable=True)  # (n_pairs,): pairs of one centre next to one another
    place = torch.arange(len(order), device=pair_i.device)
    end = torch.bincount(pair_i).cumsum(0)[pair_i[order]]  # (n_pairs,): one past the last pair of the same centre
    partners = end - place - 1  # (n_pairs,): later pairs of the same centre
    listed = partners.cumsum(0) - partners  # (n_pairs,): triplets listed before those of this pair
    starts = torch.arange(0, int(partners.sum()), n_most, device=pair_i.device)
    bounds = [*torch.searchsorted(listed, starts).tolist(), len(order)]
    for start, stop in itertools.pairwise(bounds):
        first = torch.repeat_interleave(place[start:stop], partners[start:stop])  # (n_triplets of the block,)
        rank = torch.arange(len(first), device=pair_i.device) - (listed[first] - listed[start])
        yield order[first], order[first + 1 + rank]


def _within(triplets: Triplets, cutoff: float) -> Triplets:
    inside = (triplets.r_jk < cutoff).nonzero()[:, 0]
    if len(inside) == len(triplets.r_jk):
        return triplets
    return Triplets(**{name: value[inside] for name, value in vars(triplets).items()})
