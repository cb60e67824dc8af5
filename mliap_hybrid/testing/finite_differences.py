"""Forces and virials from energies alone, by central differences: the judge of every analytic derivative."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

Energy = Callable[[np.ndarray, np.ndarray], float]
"""(positions (n_atoms, 3), cell (3, 3)) -> energy."""


def forces_by_differences(energy: Energy, positions: np.ndarray, cell: np.ndarray, step: float = 1e-4) -> np.ndarray:
    """-dE/dr of every atom.

    Parameters
    ----------
    energy : callable
        (positions, cell) -> eV.
    positions : array, shape (n_atoms, 3), Å
    cell : array, shape (3, 3), Å
    step : float, Å

    Returns
    -------
    array, shape (n_atoms, 3), eV/Å
    """
    forces = np.zeros_like(positions)
    for i, x in np.ndindex(*positions.shape):
        ends = []
        for sign in (+1.0, -1.0):
            moved = positions.copy()
            moved[i, x] += sign * step
            ends.append(energy(moved, cell))
        forces[i, x] = -(ends[0] - ends[1]) / (2.0 * step)
    return forces


def virial_by_differences(energy: Energy, positions: np.ndarray, cell: np.ndarray, step: float = 1e-5) -> np.ndarray:
    """-dE/d(strain), with atoms and cell strained together.

    Parameters
    ----------
    energy : callable
        (positions, cell) -> eV.
    positions : array, shape (n_atoms, 3), Å
    cell : array, shape (3, 3), Å
    step : float
        Strain.

    Returns
    -------
    array, shape (3, 3), eV
    """
    virial = np.zeros((3, 3))
    for a, b in np.ndindex(3, 3):
        ends = []
        for sign in (+1.0, -1.0):
            deformation = np.eye(3)
            deformation[a, b] += sign * step
            ends.append(energy(positions @ deformation.T, cell @ deformation.T))
        virial[a, b] = -(ends[0] - ends[1]) / (2.0 * step)
    return virial


def relative_difference(found: Tensor | np.ndarray, expected: Tensor | np.ndarray) -> float:
    """Largest absolute difference over the largest expected magnitude."""
    found, expected = torch.as_tensor(found), torch.as_tensor(expected)
    return float((found - expected).abs().max() / expected.abs().max())
