"""Smeared charges and dipoles in a crystal: the sum over wave vectors of ewald.py.

    S(k) = sum_j (q_j + i k.mu_j) exp(i k.r_j),    U = sum_k w_k |S(k)|^2 + b Q^2,
    phi_i = 2 sum_k w_k Re[ S exp(-i k.r_i) ] + 2 b Q,

over half of the k != 0 with the weights of wave_vectors.py, and derivatives of the phase for the rest (Nymand and
Linse, J. Chem. Phys. 112, 6152 (2000), with the splitting width as a physical one). What
surrounds the crystal conducts. All of it are products of the tables cos(k.r_i) and sin(k.r_i) with a few columns, and
the tables are kept where they are not too large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from mliap_hybrid.multipoles import AtomicFields
from mliap_hybrid.physics.wave_vectors import (
    TOLERANCE,
    background_weight,
    coulomb_weights,
    longest_wave_vector,
    wave_vectors,
)

CHUNK_ELEMENTS = 1_000_000
"""Number of (atom, wave vector) phases in work at a time."""

KEPT_ELEMENTS = 12_000_000
"""Largest number of phases that are kept: 16 bytes each."""


class LatticeMultipoles:
    """The atoms of a structure that is periodic in three directions, or a processor's share: `Multipoles`."""

    def __init__(
        self,
        positions: Tensor,
        cell: Tensor,
        smearing: float,
        reduce: Callable[[Tensor], Tensor] = lambda of_own_atoms: of_own_atoms,
    ):
        """Take the places.

        Parameters
        ----------
        positions : Tensor, shape (n_atoms, 3), Å
        cell : Tensor, shape (3, 3), Å
            Lattice vectors as rows.
        smearing : float, Å
        reduce : callable
            Sum of a tensor over all processors that hold atoms of the structure. Each calls it equally often.
        """
        self._smearing = smearing
        self._reduce = reduce
        self._volume = torch.linalg.det(cell).abs()
        indices, vectors = wave_vectors(cell, longest_wave_vector(smearing, TOLERANCE))  # (n_k, 3) each
        self._weights = coulomb_weights(vectors.square().sum(1), self._volume, smearing)  # (n_k,): w
        fractional = positions @ torch.linalg.inv(cell)  # (n_atoms, 3)
        self._fractional = fractional - fractional.round()  # exact phases also far from the origin
        # Of all processors, so that all have the same chunks.
        n_atoms = max(1, int(reduce(torch.tensor([float(len(positions))], device=positions.device))))
        chunk = max(1, CHUNK_ELEMENTS // n_atoms)
        self._chunks = list(
            zip(indices.split(chunk), vectors.T.split(chunk, dim=1), self._weights.split(chunk), strict=True)
        )
        self._kept = [self._table(n) for n, _, _ in self._chunks] if n_atoms * len(vectors) <= KEPT_ELEMENTS else None

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Multipoles`; the neutralising background included."""
        found = self._derivatives(charges, dipoles, with_gradients=False)  # (n_atoms, 4)
        return found[:, 0], found[:, 1:]

    def atomic_fields(self, charges: Tensor, dipoles: Tensor) -> AtomicFields:
        """As in `Multipoles`."""
        found = self._derivatives(charges, dipoles, with_gradients=True)  # (n_atoms, 13)
        return AtomicFields(found[:, 0], found[:, 1:4], found[:, 4:].reshape(-1, 3, 3))

    def virials(self, charges: Tensor, dipoles: Tensor, forces: Tensor) -> Tensor:
        """As in `Multipoles`: (1, 3, 3), of all processors together; no forces are needed here.

        Strain changes the volume, the wave vectors and, with these, k.mu.
        """
        identity = torch.eye(3, dtype=charges.dtype, device=charges.device)
        virial = background_weight(self._volume, self._smearing) * self._total(charges).square() * identity  # (3, 3)
        for (_, k, weights), waves in self._waves():
            real, imaginary, of_cos, of_sin = self._structure_factors(charges, dipoles, k, waves)
            energies = weights * (real.square() + imaginary.square())  # (c,)
            stretched = (self._smearing**2 + 2.0 / k.square().sum(0)) * energies  # (c,)
            virial = virial + energies.sum() * identity - (stretched * k) @ k.T
            turned = imaginary * of_cos[1:] - real * of_sin[1:]  # (3, c)
            virial = virial + 2.0 * turned @ (weights * k).T
        return virial[None]

    def _derivatives(self, charges: Tensor, dipoles: Tensor, with_gradients: bool) -> Tensor:
        """phi, E and, where asked for, dE/dr of the atoms: (n_atoms, 4 or 13)."""
        background = 2.0 * background_weight(self._volume, self._smearing) * self._total(charges)
        found = charges.new_zeros(len(charges), 13 if with_gradients else 4)
        found[:, 0] = background
        for (_, k, weights), waves in self._waves():
            real, imaginary, _, _ = self._structure_factors(charges, dipoles, k, waves)
            real, imaginary = (2.0 * weights * real)[None], (2.0 * weights * imaginary)[None]  # (1, c) each
            by_cos, by_sin = [real, -k * imaginary], [imaginary, k * real]
            if with_gradients:
                squares = (k[:, None] * k[None]).flatten(0, 1)  # (9, c)
                by_cos, by_sin = [*by_cos, squares * real], [*by_sin, squares * imaginary]
            factors = torch.cat([torch.cat(by_cos), torch.cat(by_sin)], dim=1)  # (4 or 13, 2c)
            found = found + waves @ factors.T
        return found

    def _structure_factors(
        self, charges: Tensor, dipoles: Tensor, k: Tensor, waves: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Re S and Im S (c,), and sums of charges and dipoles with cos and with sin (4, c), over all processors."""
        moments = torch.cat([charges[None], dipoles.T])  # (4, n_atoms)
        of_cos, of_sin = self._reduce(moments @ waves).chunk(2, dim=1)  # (4, c) each
        real = of_cos[0] - (k * of_sin[1:]).sum(0)
        imaginary = of_sin[0] + (k * of_cos[1:]).sum(0)
        return real, imaginary, of_cos, of_sin

    def _total(self, charges: Tensor) -> Tensor:
        """Q, ()."""
        return self._reduce(charges.sum()[None])[0]

    def _waves(self) -> Iterator[tuple[tuple[Tensor, Tensor, Tensor], Tensor]]:
        """Indices (c, 3), vectors (3, c) and weights (c,) of some wave vectors, with their table."""
        kept = self._kept
        for number, chunk in enumerate(self._chunks):
            yield chunk, self._table(chunk[0]) if kept is None else kept[number]

    def _table(self, indices: Tensor) -> Tensor:
        """cos and sin(k.r) side by side (n_atoms, 2c), of wave vectors with indices (c, 3)."""
        phases = 2.0 * math.pi * self._fractional @ indices.T
        return torch.cat([phases.cos(), phases.sin()], dim=1)
