"""Interaction matrices of a crystal: pair sums up to a screening width, wave vectors beyond.

The Gaussians of width sigma are seen as wider ones of width s plus a difference that dies off in real space,

    A_ij = A_ij(s) + k_e sum over images of [ erf(r / (sqrt(2) sigma)) - erf(r / (sqrt(2) s)) ] / r,

with A_ij(s) = 2 sum_k w_k(s) cos(k.r_ij) and its background. This is Ewald's method once more: s changes the cost and
not the result, and is chosen so that a matrix element takes the same time in both sums whatever the size of the cell.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.physics.coulomb import smeared_kernel, smeared_kernel_at_zero, smeared_kernel_derivative
from mliap_hybrid.physics.wave_vectors import (
    TOLERANCE,
    background_weight,
    coulomb_weights,
    longest_wave_vector,
    wave_vectors,
)
from mliap_hybrid.units import COULOMB_CONSTANT

SCREENING_FRACTION = 0.12
"""s over the cube root of the volume, where that is more than sigma."""

CHUNK_ELEMENTS = 4_000_000
"""Largest number of (atom, wave vector) phases held at a time."""

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
"""The six components of a symmetric tensor."""


def lattice_matrices(
    positions: Tensor, cell: Tensor, smearing: float, with_virial: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """A, B and V of interaction_matrices.py for a structure periodic in three directions.

    Parameters
    ----------
    positions : Tensor, shape (n_atoms, 3), Å
    cell : Tensor, shape (3, 3), Å
        Lattice vectors as rows.
    smearing : float, Å
    with_virial : bool

    Returns
    -------
    potential : Tensor, shape (n_atoms, n_atoms), eV/e^2
    field : Tensor, shape (n_atoms, n_atoms, 3), eV/(Å e^2)
    virial : Tensor, shape (n_atoms, n_atoms, 3, 3), eV/e^2, or None
    """
    volume = torch.linalg.det(cell).abs()
    screening = max(smearing, SCREENING_FRACTION * float(volume) ** (1.0 / 3.0))
    far = _far_part(positions, cell, volume, screening, with_virial)  # (4 or 10, n_atoms, n_atoms)
    if screening > smearing:
        far += _near_part(positions, cell, smearing, screening, with_virial)
    virial = None
    if with_virial:
        virial = far.new_empty(3, 3, *far.shape[1:])
        for (x, y), component in zip(VOIGT, far[4:], strict=True):
            virial[x, y] = virial[y, x] = component
        virial = virial.permute(2, 3, 0, 1).contiguous()
    return far[0].clone(), far[1:4].permute(1, 2, 0).contiguous(), virial


def _far_part(positions: Tensor, cell: Tensor, volume: Tensor, screening: float, with_virial: bool) -> Tensor:
    """A, three components of B and six of V from wave vectors: (4 or 10, n_atoms, n_atoms)."""
    n_atoms = len(positions)
    indices, vectors = wave_vectors(cell, longest_wave_vector(screening))  # (n_k, 3) each
    fractional = positions @ torch.linalg.inv(cell)  # (n_atoms, 3)
    fractional = fractional - fractional.round()
    k_squared = vectors.square().sum(1)  # (n_k,)
    weights = 2.0 * coulomb_weights(k_squared, volume, screening)  # (n_k,)

    parts = positions.new_zeros(10 if with_virial else 4, n_atoms, n_atoms)
    chunk = max(1, CHUNK_ELEMENTS // max(1, n_atoms))
    for start in range(0, len(weights), chunk):
        w, k = weights[start : start + chunk], vectors[start : start + chunk]  # (n_chunk,), (n_chunk, 3)
        phases = 2.0 * math.pi * fractional @ indices[start : start + chunk].T  # (n_atoms, n_chunk)
        cos, sin = torch.cos(phases), torch.sin(phases)
        waves = torch.cat([cos, sin], dim=1)  # (n_atoms, 2 n_chunk): cos(k.r_ij) = waves_i . waves_j
        parts[0] += (waves * w.repeat(2)) @ waves.T
        for x in range(3):
            # d cos(k.(r_i - r_j))/dr_i = -k (sin_i cos_j - cos_i sin_j)
            half = (sin * (w * k[:, x])) @ cos.T  # (n_atoms, n_atoms)
            parts[1 + x] += half.T - half
        virial_weights = w * (screening**2 + 2.0 / k_squared[start : start + chunk])  # (n_chunk,)
        for component, (x, y) in zip(parts[4:], VOIGT, strict=False):
            component -= (waves * (virial_weights * k[:, x] * k[:, y]).repeat(2)) @ waves.T
    parts[0] += 2.0 * background_weight(volume, screening)
    parts[4:7] += parts[0]  # the volume stands in the denominator of every term, the background's included
    return parts


def _near_part(positions: Tensor, cell: Tensor, smearing: float, screening: float, with_virial: bool) -> Tensor:
    """The same from pairs: (4 or 10, n_atoms, n_atoms)."""
    n_atoms = len(positions)
    cutoff = screening * math.sqrt(-2.0 * math.log(TOLERANCE))
    found = neighbor_pairs(positions.cpu().numpy(), cell.cpu().numpy(), cell.new_ones(3).bool().cpu().numpy(), cutoff)
    i, j, shifts = (part.to(positions.device) for part in found)  # (n_pairs,), (n_pairs,), (n_pairs, 3)
    once = i <= j
    i, j, shifts = i[once], j[once], shifts[once]
    vectors = positions[i] - positions[j] - shifts.to(cell.dtype) @ cell  # (n_pairs, 3): r_i - r_j
    distances = vectors.norm(dim=1)  # (n_pairs,)
    values = COULOMB_CONSTANT * (smeared_kernel(distances, smearing) - smeared_kernel(distances, screening))
    derivatives = smeared_kernel_derivative(distances, smearing) - smeared_kernel_derivative(distances, screening)
    derivatives_over_r = COULOMB_CONSTANT * derivatives / distances  # (n_pairs,)

    columns = [values, *(derivatives_over_r[:, None] * vectors).unbind(1)]  # (n_pairs,) each
    if with_virial:
        columns += [-derivatives_over_r * vectors[:, x] * vectors[:, y] for x, y in VOIGT]
    terms = torch.stack(columns, dim=1) * torch.where(i == j, 0.5, 1.0)[:, None]  # (n_pairs, 4 or 10)
    upper = positions.new_zeros(n_atoms * n_atoms, terms.shape[1]).index_add_(0, i * n_atoms + j, terms)
    upper = upper.T.reshape(-1, n_atoms, n_atoms)  # (4 or 10, n_atoms, n_atoms)
    lower = upper.transpose(1, 2).clone()
    lower[1:4] *= -1.0
    own = COULOMB_CONSTANT * (smeared_kernel_at_zero(smearing) - smeared_kernel_at_zero(screening))
    parts = upper + lower
    parts[0].diagonal().add_(own)
    return parts
