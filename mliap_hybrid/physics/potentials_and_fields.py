"""Potentials and fields of smeared charges and dipoles: what induced moments respond to.

A dipole mu_j is the limit of two charges, so that it is found by d/dr_j where a charge is found by 1. With the kernel
g(r) = erf(r / (sqrt(2) sigma)) / r of coulomb.py, r = r_i - r_j and its direction n,

    phi_i = k_e sum_j [ q_j g - g' mu_j.n ],
    E_i = -dphi_i/dr_i = k_e sum_j [ (g'' - g'/r) (mu_j.n) n + g'/r mu_j - q_j g' n ],

each atom's own Gaussians included: g(0) = sqrt(2/pi) / sigma, and g''(0) = -sqrt(2/pi) / (3 sigma^3) in all directions.
In a crystal, with the sum over wave vectors of ewald.py,

    S(k) = sum_j (q_j + i k.mu_j) exp(i k.r_j),
    phi_i = (4 pi k_e / V) sum_{k != 0} exp(-sigma^2 k^2 / 2) / k^2 Re[ S exp(-i k.r_i) ] + background.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mliap_hybrid.physics.coulomb import smeared_kernel, smeared_kernel_at_zero, smeared_kernel_derivative
from mliap_hybrid.physics.wave_vectors import (
    TOLERANCE,
    background_weight,
    coulomb_weights,
    longest_wave_vector,
    wave_vectors,
)
from mliap_hybrid.units import COULOMB_CONSTANT

CHUNK_ELEMENTS = 2_000_000
"""Number of (atom, wave vector) phases held at a time."""


def isolated_potentials_and_fields(
    positions: Tensor, charges: Tensor, dipoles: Tensor, smearing: float
) -> tuple[Tensor, Tensor]:
    """Of one molecule.

    Parameters
    ----------
    positions : Tensor, shape (n_atoms, 3), Å
    charges : Tensor, shape (n_atoms,), e
    dipoles : Tensor, shape (n_atoms, 3), e Å
    smearing : float, Å

    Returns
    -------
    potentials : Tensor, shape (n_atoms,), V
    fields : Tensor, shape (n_atoms, 3), V/Å
    """
    n_atoms = len(positions)
    i, j = (~torch.eye(n_atoms, dtype=torch.bool, device=positions.device)).nonzero().unbind(1)  # (n_pairs,) each
    vectors = positions[i] - positions[j]  # (n_pairs, 3)
    distances = vectors.norm(dim=1)  # (n_pairs,)
    directions = vectors / distances[:, None]  # (n_pairs, 3)
    kernel, derivative = smeared_kernel(distances, smearing), smeared_kernel_derivative(distances, smearing)
    at_centre = smeared_kernel_at_zero(smearing)
    gaussian = at_centre * torch.exp(-0.5 * (distances / smearing).square())
    curvature = -gaussian / smearing**2 - 2.0 * derivative / distances  # (n_pairs,): g''
    along = (dipoles[j] * directions).sum(1)  # (n_pairs,)

    of_pairs = charges[j] * kernel - derivative * along
    potentials = (at_centre * charges).index_add(0, i, of_pairs)
    transverse = derivative / distances  # (n_pairs,)
    radial = (curvature - transverse) * along - charges[j] * derivative  # (n_pairs,)
    fields = (-at_centre / (3.0 * smearing**2) * dipoles).index_add(
        0, i, radial[:, None] * directions + transverse[:, None] * dipoles[j]
    )
    return COULOMB_CONSTANT * potentials, COULOMB_CONSTANT * fields


def lattice_potentials_and_fields(
    positions: Tensor,
    charges: Tensor,
    dipoles: Tensor,
    cell: Tensor,
    smearing: float,
    reduce: Callable[[Tensor], Tensor] = lambda of_own_atoms: of_own_atoms,
) -> tuple[Tensor, Tensor]:
    """Of one structure that is periodic in three directions, the neutralising background included.

    Parameters
    ----------
    positions : Tensor, shape (n_atoms, 3), Å
    charges : Tensor, shape (n_atoms,), e
    dipoles : Tensor, shape (n_atoms, 3), e Å
    cell : Tensor, shape (3, 3), Å
        Lattice vectors as rows.
    smearing : float, Å
    reduce : callable
        Sum of a tensor over all processors that hold atoms of the structure. Each calls it equally often.

    Returns
    -------
    potentials : Tensor, shape (n_atoms,), V
    fields : Tensor, shape (n_atoms, 3), V/Å
    """
    longest = longest_wave_vector(smearing, TOLERANCE)  # 1/Å
    volume = torch.linalg.det(cell).abs()
    _, vectors = wave_vectors(cell, longest)  # (n_k, 3): one of each pair k, -k
    potentials, fields = torch.zeros_like(charges), torch.zeros_like(positions)
    n_atoms = max(1, int(reduce(torch.tensor([float(len(charges))]))))  # of all processors: so all have the same chunks
    for k in vectors.split(max(1, CHUNK_ELEMENTS // n_atoms)):
        phases = positions @ k.T  # (n_atoms, c)
        cos, sin = phases.cos(), phases.sin()
        moments = dipoles @ k.T  # (n_atoms, c)
        real = reduce((charges[:, None] * cos - moments * sin).sum(0))  # (c,)
        imaginary = reduce((charges[:, None] * sin + moments * cos).sum(0))  # (c,)
        weights = 2.0 * coulomb_weights(k.square().sum(1), volume, smearing)  # (c,)
        potentials += (cos * real + sin * imaginary) @ weights
        fields -= ((cos * imaginary - sin * real) * weights) @ k
    total = reduce(charges.sum()[None])[0]
    return potentials + 2.0 * background_weight(volume, smearing) * total, fields
