"""Smeared charges without periodicity: the direct sum over pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.physics.coulomb import smeared_kernel, smeared_kernel_at_zero, smeared_kernel_derivative
from mliap_hybrid.physics.ewald_result import GaussianChargeResult
from mliap_hybrid.units import COULOMB_CONSTANT

CHUNK_PAIRS = 500_000
"""Largest number of pairs held at a time; the rows of one atom are never split."""


def isolated_sum(positions: Tensor, charges: Tensor, counts: Tensor, smearing: float) -> GaussianChargeResult:
    """E = k_e sum_{i<j} q_i q_j erf(r / (sqrt(2) sigma)) / r + k_e sum_i q_i^2 / (sqrt(2 pi) sigma).

    Parameters
    ----------
    positions : Tensor, shape (n_atoms, 3), Å
        Molecules laid end to end.
    charges : Tensor, shape (n_atoms,), e
    counts : Tensor of int64, shape (n_structures,)
        Number of atoms of each molecule.
    smearing : float, Å

    Returns
    -------
    GaussianChargeResult
    """
    n_structures = len(counts)
    structure_of_atom = torch.repeat_interleave(counts)  # (n_atoms,)
    neighbours = counts[structure_of_atom] - 1  # (n_atoms,)
    first = (counts.cumsum(0) - counts)[structure_of_atom]  # (n_atoms,): first atom of each atom's molecule

    potentials = COULOMB_CONSTANT * smeared_kernel_at_zero(smearing) * charges  # (n_atoms,)
    forces = torch.zeros_like(positions)  # (n_atoms, 3)
    moments = positions.new_zeros(n_structures, 3, 3)
    for rows in _blocks(neighbours):
        i = torch.repeat_interleave(rows, neighbours[rows])  # (n_pairs,): full list
        starts = neighbours[rows].cumsum(0) - neighbours[rows]  # (n_rows,)
        rank = torch.arange(len(i), device=i.device) - torch.repeat_interleave(starts, neighbours[rows])  # (n_pairs,)
        j = first[i] + rank
        j = j + (j >= i)  # the atom itself is left out
        vectors = positions[i] - positions[j]  # (n_pairs, 3)
        distances = vectors.norm(dim=1)  # (n_pairs,)
        potentials.index_add_(0, i, COULOMB_CONSTANT * charges[j] * smeared_kernel(distances, smearing))
        derivatives_over_r = COULOMB_CONSTANT * smeared_kernel_derivative(distances, smearing) / distances  # (n_pairs,)
        pair_forces = -(charges[i] * charges[j] * derivatives_over_r)[:, None] * vectors  # (n_pairs, 3): on i, from j
        forces.index_add_(0, i, pair_forces)
    # W = sum_{i<j} F_ij r_ij = sum_i F_i r_i, from each molecule's middle for the sake of rounding.
    middles = positions.new_zeros(n_structures, 3).index_add_(0, structure_of_atom, positions)
    middles = middles / counts.clamp(min=1)[:, None]  # (n_structures, 3)
    arms = positions - middles[structure_of_atom]  # (n_atoms, 3)
    moments.index_add_(0, structure_of_atom, forces[:, :, None] * arms[:, None, :])
    energies = positions.new_zeros(n_structures).index_add_(0, structure_of_atom, 0.5 * charges * potentials)
    return GaussianChargeResult(energies, potentials, forces, moments)


def _blocks(neighbours: Tensor) -> list[Tensor]:
    """Consecutive atoms in blocks of about CHUNK_PAIRS pairs."""
    atoms = torch.arange(len(neighbours), device=neighbours.device)
    block_of_atom = torch.div(neighbours.cumsum(0) - neighbours, CHUNK_PAIRS, rounding_mode="floor")
    return list(atoms.split(torch.unique_consecutive(block_of_atom, return_counts=True)[1].tolist()))
