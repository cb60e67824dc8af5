"""Inverse distances of all pairs of a molecule's atoms: what GDML models see of a geometry.

    D_p = 1 / |r_p|,      r_p = r_j - r_i,      dD_p/dr_p = -r_p / |r_p|^3

with one entry for each pair p of atoms, in the order of the lower triangle: (1, 0), (2, 0), (2, 1), (3, 0), ... In a
periodic cell r_p leads to the nearest image of j. Rotations, translations and reflections do not change D; what a
permutation of atoms does to it is a permutation of its entries.

Chmiela, Sauceda, Müller, Tkatchenko, Nat. Commun. 9, 3887 (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor


class InverseDistances:
    """The descriptor of molecules of one kind."""

    def __init__(self, n_atoms: int, cell: Tensor | None = None):
        """List the pairs.

        Parameters
        ----------
        n_atoms : int
        cell : Tensor, shape (3, 3), Å, optional
            Lattice vectors as rows, where the molecules are periodic in three directions.
        """
        self.n_atoms = n_atoms
        self.cell = cell
        self.pair_i, self.pair_j = torch.tril_indices(n_atoms, n_atoms, offset=-1)  # (n_pairs,) each
        incidence = torch.zeros(n_atoms, len(self.pair_i), dtype=torch.float64)  # (n_atoms, n_pairs)
        pairs = torch.arange(len(self.pair_i))
        incidence[self.pair_i, pairs] = 1.0
        incidence[self.pair_j, pairs] = -1.0
        self._incidence = incidence

    @property
    def n_pairs(self) -> int:
        """Number of entries of the descriptor."""
        return len(self.pair_i)

    @property
    def n_internal(self) -> int:
        """Number of directions in which a geometry can change D: 3 n_atoms less translations and rotations."""
        rigid = 3 if self.cell is not None else 6
        return min(self.n_pairs, max(3 * self.n_atoms - rigid, 1))

    def vectors(self, positions: Tensor) -> Tensor:
        """r_p of every pair.

        Parameters
        ----------
        positions : Tensor, shape (n_molecules, n_atoms, 3), Å

        Returns
        -------
        Tensor, shape (n_molecules, n_pairs, 3), Å
        """
        vectors = positions.index_select(1, self.pair_j) - positions.index_select(1, self.pair_i)
        if self.cell is None:
            return vectors
        return vectors - torch.round(vectors @ torch.linalg.inv(self.cell)) @ self.cell

    def values(self, vectors: Tensor) -> Tensor:
        """D (n_molecules, n_pairs), 1/Å, of the pair vectors (n_molecules, n_pairs, 3), Å."""
        return vectors.square().sum(-1).rsqrt()

    def gradients(self, vectors: Tensor, values: Tensor) -> Tensor:
        """dD_p/dr_p (n_molecules, n_pairs, 3), 1/Å^2, of the pair vectors and their `values`."""
        return vectors * (-(values**3))[..., None]

    def forces(self, pair_gradients: Tensor) -> Tensor:
        """Forces that belong to dE/dr_p: each pair pulls i and j with opposite forces.

        Parameters
        ----------
        pair_gradients : Tensor, shape (n_molecules, n_pairs, 3), eV/Å

        Returns
        -------
        Tensor, shape (n_molecules, n_atoms, 3), eV/Å
        """
        return self._incidence @ pair_gradients

    def jacobians(self, vectors: Tensor, values: Tensor) -> Tensor:
        """dD_p/dr of every atom.

        Returns
        -------
        Tensor, shape (n_molecules, n_pairs, 3 * n_atoms), 1/Å^2
        """
        gradients = self.gradients(vectors, values)  # (n_molecules, n_pairs, 3)
        by_atom = -self._incidence.T[:, :, None] * gradients[:, :, None, :]  # (n_molecules, n_pairs, n_atoms, 3)
        return by_atom.flatten(2)

    def permuted_pairs(self, permutations: Tensor) -> Tensor:
        """What permutations of atoms do to the entries of D.

        Parameters
        ----------
        permutations : Tensor, shape (n_permutations, n_atoms), int64
            ``positions[permutation]`` is the permuted geometry.

        Returns
        -------
        Tensor, shape (n_permutations, n_pairs), int64
            ``D[row]`` is the descriptor of the permuted geometry.
        """
        place = torch.empty(self.n_atoms, self.n_atoms, dtype=torch.int64)  # (n_atoms, n_atoms) pair of two atoms
        place[self.pair_i, self.pair_j] = torch.arange(self.n_pairs)
        place[self.pair_j, self.pair_i] = torch.arange(self.n_pairs)
        return place[permutations[:, self.pair_i], permutations[:, self.pair_j]]
