"""Second derivatives along a direction, by forward differentiation alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def curvature(energy: Callable[[Tensor], Tensor], positions: Tensor, displacements: Tensor) -> Tensor:
    """Second derivative of energies along displacements, d . H d.

    Parameters
    ----------
    energy : callable
        Positions, or features, (n_atoms, n) -> energies (m,), eV.
    positions, displacements : Tensor, shape (n_atoms, n)

    Returns
    -------
    Tensor, shape (m,), eV
    """

    def gradient(r: Tensor) -> Tensor:
        return torch.func.jvp(energy, (r,), (displacements,))[1]

    return torch.func.jvp(gradient, (positions,), (displacements,))[1]


def curvature_of_path(energy: Callable[[Tensor], Tensor], start: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Second derivative of energies on a path x(t), x' . H x' + dE/dx . x''.

    Parameters
    ----------
    energy : callable
        Features (n_atoms, n) -> energies (m,), eV.
    start, first, second : Tensor, shape (n_atoms, n)
        x, x' and x'' at t = 0.

    Returns
    -------
    Tensor, shape (m,), eV
    """
    return curvature(energy, start, first) + torch.func.jvp(energy, (start,), (second,))[1]
