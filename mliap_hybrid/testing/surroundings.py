"""Atoms with neighbours at random places, for tests of features: no structure that anybody would recognise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.structure import Geometry


def surroundings(
    counts: Sequence[int], elements: Sequence[int], seed: int = 0, closest: float = 0.7, width: float = 5.0
) -> Geometry:
    """Centres with so many neighbours each.

    Parameters
    ----------
    counts : sequence of int
        Neighbours of each centre; may be zero.
    elements : sequence of int
        Atomic numbers, taken at random.
    seed : int
    closest : float, Å
        Least distance of a neighbour.
    width : float, Å
        Distances go up to the least one and this.
    """
    random = torch.Generator().manual_seed(seed)
    n_pairs = sum(counts)
    directions = torch.nn.functional.normalize(torch.randn(n_pairs, 3, generator=random, dtype=torch.float64), dim=1)
    distances = closest + width * torch.rand(n_pairs, 1, generator=random, dtype=torch.float64)
    numbers = torch.tensor(elements)
    return Geometry(
        centre_numbers=numbers[torch.randint(len(elements), (len(counts),), generator=random)],
        neighbour_numbers=numbers[torch.randint(len(elements), (n_pairs,), generator=random)],
        pair_i=torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts, dtype=torch.int64)),
        pair_vectors=directions * distances,
    )


def random_like(tensor: Tensor, seed: int = 1) -> Tensor:
    """Normal deviates of the shape of a tensor, float64."""
    return torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
