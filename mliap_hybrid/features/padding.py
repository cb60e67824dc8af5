"""Pairs laid out in rows of equal length, one row for each centre, so that sums over neighbours are matrix products."""

from __future__ import annotations

import torch
from torch import Tensor


def slots_of_pairs(pair_i: Tensor, n_centres: int) -> tuple[Tensor, int]:
    """Place of each pair among n_centres * n_slots places.

    Parameters
    ----------
    pair_i : Tensor, shape (n_pairs,), int64
        Centre of each pair; cheapest where sorted.
    n_centres : int

    Returns
    -------
    slots : Tensor, shape (n_pairs,), int64
        pair_i * n_slots + rank among the pairs of the same centre; all different.
    n_slots : int
        Largest number of pairs of one centre.
    """
    n_pairs = pair_i.shape[0]
    if n_pairs == 0:
        return pair_i, 0
    counts = torch.bincount(pair_i, minlength=n_centres)  # (n_centres,)
    n_slots = int(counts.max())
    starts = counts.cumsum(0) - counts  # (n_centres,): rank of each centre's first pair in sorted order
    ranks = torch.arange(n_pairs, device=pair_i.device)
    if not bool((pair_i[1:] >= pair_i[:-1]).all()):
        order = torch.argsort(pair_i, stable=True)  # (n_pairs,)
        ranks = torch.empty_like(order).index_copy_(0, order, ranks)
    return pair_i * n_slots + ranks - starts[pair_i], n_slots


def fill_slots(values: Tensor, slots: Tensor, n_places: int, empty: Tensor) -> Tensor:
    """Values (n_pairs, ...) at their places (n_places, ...), and `empty` (...) at all others; differentiable."""
    return empty.expand(n_places, *values.shape[1:]).clone().index_copy(0, slots, values)
