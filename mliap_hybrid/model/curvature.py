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

    def slope(r: Tensor) -> Tensor:
        return torch.func.jvp(energy, (r,), (displacements,))[1]

    return torch.func.jvp(slope, (positions,), (displacements,))[1]
