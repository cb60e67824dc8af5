"""Smeared charges and dipoles without periodicity: the direct sum over pairs.

With r = r_i - r_j and the radial parts B_n of Gaussians (radial_derivatives.py), each j makes at i

    phi = q B_0 + (mu.r) B_1
    E_a = r_a [ q B_1 + (mu.r) B_2 ] - mu_a B_1
    dE_b/dr_a = delta_ab [ q B_1 + (mu.r) B_2 ] - r_a r_b [ q B_2 + (mu.r) B_3 ] + (mu_a r_b + r_a mu_b) B_2,

all times k_e, and at itself what is left of these at r = 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.multipoles import AtomicFields
from mliap_hybrid.physics.radial_derivatives import smeared_radial, smeared_radial_at_zero
from mliap_hybrid.units import COULOMB_CONSTANT

CHUNK_PAIRS = 500_000
"""Largest number of pairs held at a time; fewer are kept for the next sum."""


@dataclass(frozen=True)
class _Pairs:
    """Some pairs of atoms, both ways."""

    i: Tensor
    """(n_pairs,) int64."""
    j: Tensor
    """(n_pairs,) int64."""
    vectors: Tensor
    """(n_pairs, 3) Å: r_i - r_j."""
    radial: list[Tensor]
    """B_0 to B_3 (n_pairs,), 1/Å^(2n + 1)."""


class IsolatedMultipoles:
    """The atoms of molecules laid end to end, which do not see each other: `Multipoles`."""

    def __init__(self, positions: Tensor, counts: Tensor, smearing: float):
        """Take the places.

        Parameters
        ----------
        positions : Tensor, shape (n_atoms, 3), Å
        counts : Tensor of int64, shape (n_structures,)
            Number of atoms of each molecule.
        smearing : float, Å
        """
        self._positions = positions
        self._smearing = smearing
        self._counts = counts
        self._structure = torch.repeat_interleave(counts)  # (n_atoms,)
        self._first = (counts.cumsum(0) - counts)[self._structure]  # (n_atoms,): first atom of each atom's molecule
        self._n_others = counts[self._structure] - 1  # (n_atoms,)
        few = int(self._n_others.sum()) <= CHUNK_PAIRS
        self._kept = list(self._blocks()) if few else None

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Multipoles`."""
        potentials, fields = self._own(charges, dipoles)
        for pairs in self._pairs():
            q, mu, r = charges[pairs.j], dipoles[pairs.j], pairs.vectors  # (n_pairs,), (n_pairs, 3) each
            b0, b1, b2, _ = pairs.radial
            along = (mu * r).sum(1)  # (n_pairs,)
            potentials = potentials.index_add(0, pairs.i, q * b0 + along * b1)
            of_pairs = (q * b1 + along * b2)[:, None] * r - b1[:, None] * mu  # (n_pairs, 3)
            fields = fields.index_add(0, pairs.i, of_pairs)
        return COULOMB_CONSTANT * potentials, COULOMB_CONSTANT * fields

    def atomic_fields(self, charges: Tensor, dipoles: Tensor) -> AtomicFields:
        """As in `Multipoles`."""
        identity = torch.eye(3, dtype=dipoles.dtype, device=dipoles.device)
        own = smeared_radial_at_zero(self._smearing, 1)
        gradients = (own * charges)[:, None, None] * identity  # (n_atoms, 3, 3)
        for pairs in self._pairs():
            q, mu, r = charges[pairs.j], dipoles[pairs.j], pairs.vectors  # (n_pairs,), (n_pairs, 3) each
            _, b1, b2, b3 = pairs.radial
            along = (mu * r).sum(1)  # (n_pairs,)
            mixed = mu[:, :, None] * r[:, None, :]  # (n_pairs, 3, 3)
            of_pairs = (
                (q * b1 + along * b2)[:, None, None] * identity
                - (q * b2 + along * b3)[:, None, None] * r[:, :, None] * r[:, None, :]
                + b2[:, None, None] * (mixed + mixed.transpose(1, 2))
            )  # (n_pairs, 3, 3)
            gradients = gradients.index_add(0, pairs.i, of_pairs)
        return AtomicFields(*self.potentials_and_fields(charges, dipoles), COULOMB_CONSTANT * gradients)

    def virials(self, charges: Tensor, dipoles: Tensor, forces: Tensor) -> Tensor:
        """As in `Multipoles`: sum_i r_i F_i, from each molecule's middle for the sake of rounding."""
        n_structures = len(self._counts)
        middles = self._positions.new_zeros(n_structures, 3).index_add(0, self._structure, self._positions)
        middles = middles / self._counts.clamp(min=1)[:, None]  # (n_structures, 3)
        arms = self._positions - middles[self._structure]  # (n_atoms, 3)
        moments = arms[:, :, None] * forces[:, None, :]  # (n_atoms, 3, 3)
        return moments.new_zeros(n_structures, 3, 3).index_add(0, self._structure, moments)

    def _own(self, charges: Tensor, dipoles: Tensor) -> tuple[Tensor, Tensor]:
        """What each Gaussian makes at its own middle, without k_e."""
        b0, b1 = (smeared_radial_at_zero(self._smearing, n) for n in (0, 1))
        return b0 * charges, -b1 * dipoles

    def _pairs(self) -> Iterator[_Pairs]:
        yield from self._blocks() if self._kept is None else self._kept

    def _blocks(self) -> Iterator[_Pairs]:
        """Pairs of consecutive atoms i with all others of their molecules, about CHUNK_PAIRS at a time."""
        n_others = self._n_others
        atoms = torch.arange(len(n_others), device=n_others.device)
        block_of_atom = torch.div(n_others.cumsum(0) - n_others, CHUNK_PAIRS, rounding_mode="floor")
        for rows in atoms.split(torch.unique_consecutive(block_of_atom, return_counts=True)[1].tolist()):
            i = torch.repeat_interleave(rows, n_others[rows])  # (n_pairs,)
            starts = n_others[rows].cumsum(0) - n_others[rows]  # (n_rows,)
            rank = torch.arange(len(i), device=i.device) - torch.repeat_interleave(starts, n_others[rows])
            j = self._first[i] + rank  # (n_pairs,)
            j = j + (j >= i)  # the atom itself is left out
            vectors = self._positions[i] - self._positions[j]  # (n_pairs, 3)
            yield _Pairs(i, j, vectors, smeared_radial(vectors.norm(dim=1), self._smearing, 3))
