"""Energy, potential, forces and virial of one structure as matrices between its atoms, for charges that change.

While the charges are being learned, positions stay: everything that the charges q multiply is a constant,

    E = 1/2 q.A.q,  phi = A.q,  F_i = -q_i sum_j B_ij q_j,  W = 1/2 sum_ij q_i q_j V_ij,

with B_ij = dA_ij/dr_i and V_ij = -dA_ij/d(strain). The definition of the energy is that of ewald.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.coulomb import smeared_kernel, smeared_kernel_at_zero, smeared_kernel_derivative
from mliap_hybrid.physics.interaction_lattice import lattice_matrices
from mliap_hybrid.physics.slab import add_vacuum, slab_kernel
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import COULOMB_CONSTANT


@dataclass(frozen=True)
class InteractionMatrices:
    """What charges multiply: all of the long-range term but the charges, float64."""

    potential: Tensor
    """(n_atoms, n_atoms), eV/e^2: A, symmetric; self energies on the diagonal."""
    field: Tensor
    """(n_atoms, n_atoms, 3), eV/(Å e^2): B_ij = dA_ij/dr_i, antisymmetric."""
    virial: Tensor | None
    """(n_atoms, n_atoms, 3, 3), eV/e^2: V_ij = -dA_ij/d(strain), symmetric in i, j; None where not asked for."""


def interaction_matrices(batch: Batch, smearing: float, with_virial: bool = True) -> InteractionMatrices:
    """Interaction matrices of a single structure.

    Parameters
    ----------
    batch : Batch
        One structure, periodic in three directions, in two (a slab) or in none.
    smearing : float, Å
        Width sigma of the Gaussians.
    with_virial : bool
        Nine times the memory of the potential matrix; not needed where no virial is fitted.

    Returns
    -------
    InteractionMatrices

    Raises
    ------
    InputError
        If the structure is periodic in one direction.
    ValueError
        If the batch has more structures than one.
    """
    if batch.n_structures != 1:
        raise ValueError(f"expected a batch of one structure, got {batch.n_structures}")
    positions, cell, periodic = batch.positions, batch.cells[0], batch.periodic[0]
    n_periodic = int(periodic.sum())
    if n_periodic == 0:
        return _isolated(positions, smearing, with_virial)
    if n_periodic == 1:
        raise InputError("a structure is periodic in 1 direction; the long-range term expects 3, 2 or 0")
    if n_periodic == 3:
        return InteractionMatrices(*lattice_matrices(positions, cell, smearing, with_virial))
    extended = add_vacuum(cell, periodic, positions, smearing)
    matrices = InteractionMatrices(*lattice_matrices(positions, extended, smearing, with_virial))
    return _add_slab(matrices, positions, extended, periodic)


def _add_slab(matrices: InteractionMatrices, positions: Tensor, cell: Tensor, periodic: Tensor) -> InteractionMatrices:
    volume = torch.linalg.det(cell).abs()
    vacuum = cell[~periodic][0]  # (3,): perpendicular to the slab
    period = vacuum.norm()
    normal = vacuum / period  # (3,)
    heights = positions @ normal  # (n_atoms,)
    differences = heights[:, None] - heights  # (n_atoms, n_atoms)
    slab = slab_kernel(differences, period, volume)  # (n_atoms, n_atoms)
    derivative = -4.0 * math.pi * COULOMB_CONSTANT / volume * differences  # (n_atoms, n_atoms)
    virial = matrices.virial
    if virial is not None:
        # Strain changes 1/V, and z and L by (1 + strain_zz).
        identity = torch.eye(3, dtype=cell.dtype, device=cell.device)
        virial = virial + slab[:, :, None, None] * (identity - 2.0 * torch.outer(normal, normal))
    return InteractionMatrices(matrices.potential + slab, matrices.field + derivative[:, :, None] * normal, virial)


def _isolated(positions: Tensor, smearing: float, with_virial: bool) -> InteractionMatrices:
    n_atoms = len(positions)
    i, j = torch.triu_indices(n_atoms, n_atoms, offset=1, device=positions.device)  # (n_pairs,) each
    vectors = positions[i] - positions[j]  # (n_pairs, 3)
    distances = vectors.norm(dim=1)  # (n_pairs,)
    own = COULOMB_CONSTANT * smeared_kernel_at_zero(smearing)
    potential = torch.diag(positions.new_full((n_atoms,), own))  # (n_atoms, n_atoms)
    potential[i, j] = potential[j, i] = COULOMB_CONSTANT * smeared_kernel(distances, smearing)
    derivatives_over_r = COULOMB_CONSTANT * smeared_kernel_derivative(distances, smearing) / distances  # (n_pairs,)
    gradients = derivatives_over_r[:, None] * vectors  # (n_pairs, 3)
    field = positions.new_zeros(n_atoms, n_atoms, 3)
    field[i, j], field[j, i] = gradients, -gradients
    virial = None
    if with_virial:
        virial = positions.new_zeros(n_atoms, n_atoms, 3, 3)
        virial[i, j] = virial[j, i] = -gradients[:, :, None] * vectors[:, None, :]
    return InteractionMatrices(potential, field, virial)
