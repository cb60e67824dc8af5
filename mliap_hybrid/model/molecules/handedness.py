"""Handedness of atoms with four bonds: what tells orders of the atoms apart that have the same bonds.

The sign of the volume that the four neighbours span changes when two of them are exchanged. Distances do not tell a
molecule from its mirror image, so that the signs of all centres together may be turned; between two centres they are
fixed, since no centre turns inside out without breaking a bond.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.model.molecules.graph import Bonds

N_BONDS = 4
"""Of the atoms that have a handedness."""

FLAT = 0.1
"""A volume smaller than this, over the product of three edges, has no sign; a tetrahedron has 0.71."""

AGREEMENT = 0.98
"""A centre counts whose sign relative to the first one is the same in so much of the training geometries."""


class Handedness:
    """The signs of a molecule's centres in its training geometries."""

    def __init__(self, bonds: Bonds, training: Tensor, cell: Tensor | None = None):
        """Find the centres and their signs.

        Parameters
        ----------
        bonds : array, shape (n_atoms, n_atoms)
        training : Tensor, shape (n_train, n_atoms, 3), Å
            Positions in the training geometries, up to motions and reflections.
        cell : Tensor, shape (3, 3), Å, optional
            Lattice vectors as rows, where the molecules are periodic in three directions.
        """
        self._cell = cell
        self._centres = np.flatnonzero(bonds.sum(1) == N_BONDS)  # (n_centres,)
        self._neighbours = np.array([np.flatnonzero(bonds[k]) for k in self._centres])  # (n_centres, 4)
        signs = self.signs(training)  # (n_train, n_centres)
        relative = (signs * signs[:, :1]).double().mean(0)  # (n_centres,)
        self.expected = torch.where(relative.abs() >= AGREEMENT, relative.sign(), 0.0).to(torch.int64)
        """(n_centres,) int64: sign relative to that of the first centre; 0 where it is not always the same."""

    def signs(self, positions: Tensor) -> Tensor:
        """Signs (n_molecules, n_centres), int64, of molecules at positions (n_molecules, n_atoms, 3), Å; 0: none."""
        corners = positions[:, torch.from_numpy(self._neighbours)]  # (n_molecules, n_centres, 4, 3)
        edges = corners[:, :, :3] - corners[:, :, 3:]  # (n_molecules, n_centres, 3, 3)
        if self._cell is not None:
            edges = edges - torch.round(edges @ torch.linalg.inv(self._cell)) @ self._cell
        volumes = torch.linalg.det(edges / edges.norm(dim=3, keepdim=True))  # (n_molecules, n_centres)
        return torch.where(volumes.abs() < FLAT, 0.0, volumes.sign()).to(torch.int64)

    def compatible(self, signs: Tensor, orders: NDArray[np.int64]) -> Tensor:
        """Which orders of the atoms give a molecule the signs of the training geometries, or all their opposites.

        Parameters
        ----------
        signs : Tensor, shape (n_molecules, n_centres), int64
            Of the molecules as their atoms come.
        orders : array, shape (n_orders, n_atoms), int64
            The atom at each place; they keep the bonds.

        Returns
        -------
        Tensor, shape (n_molecules, n_orders), bool
        """
        index = np.searchsorted(self._centres, orders[:, self._centres])  # (n_orders, n_centres)
        parities = _parities(orders[:, self._neighbours])  # (n_orders, n_centres)
        turned = signs[:, torch.from_numpy(index)] * torch.from_numpy(parities) * self.expected
        return ~((turned > 0).any(2) & (turned < 0).any(2))


def coordinates(distances: Tensor) -> Tensor:
    """Positions (n, n_atoms, 3) that have these distances (n, n_atoms, n_atoms), up to motions and reflections."""
    squares = distances.square()
    centred = (
        squares - squares.mean(1, keepdim=True) - squares.mean(2, keepdim=True) + squares.mean((1, 2))[:, None, None]
    )
    values, vectors = torch.linalg.eigh(-0.5 * centred)  # Gram matrices: the three largest eigenvalues are the space
    return vectors[:, :, -3:] * values[:, None, -3:].clamp(min=0.0).sqrt()


def _parities(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 where a row (..., 4) of different numbers is an even permutation of the ascending one, -1 where it is odd."""
    first, second = np.triu_indices(rows.shape[-1], k=1)
    inversions = (rows[..., first] > rows[..., second]).sum(axis=-1)
    return np.where(inversions % 2 == 0, 1, -1)
