"""Work of forces round a closed loop: zero if and only if they are the gradient of an energy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

Forces = Callable[[Tensor], Tensor]
"""Positions (n_atoms, 3), Å -> forces (n_atoms, 3), eV/Å."""


@dataclass(frozen=True)
class LoopWork:
    """Work round one polygon in the space of all positions."""

    work: float
    """eV: sum over the edges of the integral of F . dr."""
    perimeter: float
    """Å: length of the polygon, that of an edge being sqrt(sum_i |d_i|^2)."""

    @property
    def force(self) -> float:
        """|work| / perimeter, eV/Å: the mean force along the loop that no energy accounts for."""
        return abs(self.work) / self.perimeter


def loop_work(forces: Forces, corners: Sequence[Tensor], n_nodes: int = 4) -> LoopWork:
    """Work round the polygon through the corners and back to the first.

    Parameters
    ----------
    forces : callable
    corners : sequence of Tensor, shape (n_atoms, 3), Å
        At least three sets of positions.
    n_nodes : int
        Gauss-Legendre nodes on each edge; of edges of length h, their error falls as h^(2 n_nodes + 1).

    Returns
    -------
    LoopWork
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)  # on [-1, 1]
    work = perimeter = 0.0
    for start, end in zip(corners, [*corners[1:], corners[0]], strict=True):
        displacement = end - start  # (n_atoms, 3)
        perimeter += float(torch.linalg.vector_norm(displacement))
        for node, weight in zip(nodes.tolist(), weights.tolist(), strict=True):
            force = forces(start + 0.5 * (1.0 + node) * displacement)  # (n_atoms, 3)
            work += 0.5 * weight * float((force * displacement).sum())
    return LoopWork(work, perimeter)
