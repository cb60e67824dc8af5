"""Long-range energy of smeared charges: the sum over wave vectors, its potential, forces and virial.

One definition for training and for runs (smearing sigma, see coulomb.py; neutralising background):

    E = (2 pi k_e / V) sum_{k != 0} exp(-sigma^2 k^2 / 2) / k^2 |S(k)|^2 - pi k_e sigma^2 Q^2 / V,
    S(k) = sum_i q_i exp(i k.r_i)

It equals the Ewald or PPPM energy of point charges, minus k_e q_i q_j erfc(r / (sqrt(2) sigma)) / r for each pair,
plus the self energies of the Gaussians (Ewald, Ann. Phys. 369, 253 (1921), with the splitting width as a physical
one). The last term is what keeps the two forms equal in a charged cell. Without periodicity the pair sum is direct.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.coulomb import self_energies, smeared_kernel
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import COULOMB_CONSTANT

TOLERANCE = 1e-14
"""Wave vectors with exp(-sigma^2 k^2 / 2) below this are left out: their set is complete to rounding."""

CHUNK_ELEMENTS = 4_000_000
"""Largest number of (atom, wave vector) phases held at a time."""


@dataclass(frozen=True)
class GaussianChargeResult:
    """Energy of smeared charges and all its first derivatives."""

    energies: Tensor
    """(n_structures,) float64, eV."""
    potentials: Tensor
    """(n_atoms,) float64, V: phi_i = dE/dq_i at fixed positions."""
    forces: Tensor
    """(n_atoms, 3) float64, eV/Å: -dE/dr_i at fixed charges."""
    virials: Tensor
    """(n_structures, 3, 3) float64, eV: -dE/d(strain) at fixed charges."""


def gaussian_charge_energy(batch: Batch, charges: Tensor, smearing: float) -> GaussianChargeResult:
    """Energy, potential, forces and virial of Gaussian charges in each structure of a batch.

    Parameters
    ----------
    batch : Batch
        Structures periodic in three directions or in none.
    charges : Tensor, shape (n_atoms,), e
    smearing : float, Å
        Width sigma of the Gaussians.

    Returns
    -------
    GaussianChargeResult

    Raises
    ------
    InputError
        If a structure is periodic in one or two directions.
    ValueError
        If the shape of `charges` is wrong.
    """
    if charges.shape != (batch.n_atoms,):
        raise ValueError(f"expected charges of shape ({batch.n_atoms},), got {tuple(charges.shape)}")
    charges = charges.to(batch.positions.dtype)
    results = []
    for b in range(batch.n_structures):
        atoms = batch.structure_of_atom == b
        positions, q = batch.positions[atoms], charges[atoms]
        n_periodic = int(batch.periodic[b].sum())
        if n_periodic == 3:
            results.append(_periodic(positions, q, batch.cells[b], smearing))
        elif n_periodic == 0:
            results.append(_isolated(positions, q, smearing))
        else:
            raise InputError(
                f"structure {b} is periodic in {n_periodic} directions; the long-range term expects 3 or 0: "
                "add vacuum and make it periodic in three"
            )
    return GaussianChargeResult(
        energies=torch.stack([r.energies for r in results]),
        potentials=torch.cat([r.potentials for r in results]),
        forces=torch.cat([r.forces for r in results]),
        virials=torch.stack([r.virials for r in results]),
    )


def wave_vectors(cell: Tensor, smearing: float) -> tuple[Tensor, Tensor]:
    """Half of the wave vectors that matter (k and -k count once).

    Parameters
    ----------
    cell : Tensor, shape (3, 3), Å
        Lattice vectors as rows.
    smearing : float, Å

    Returns
    -------
    indices : Tensor, shape (n_k, 3)
        Integers n with k = 2 pi n inv(cell)^T.
    vectors : Tensor, shape (n_k, 3), 1/Å
    """
    cutoff = math.sqrt(-2.0 * math.log(TOLERANCE)) / smearing
    largest = torch.ceil(cutoff * cell.norm(dim=1) / (2.0 * math.pi)).to(torch.int64).tolist()  # 3 integers
    axes = [torch.arange(-n, n + 1) for n in largest]
    indices = torch.cartesian_prod(*axes)  # (n_all, 3)
    n1, n2, n3 = indices.unbind(1)
    upper_half = (n1 > 0) | ((n1 == 0) & ((n2 > 0) | ((n2 == 0) & (n3 > 0))))
    indices = indices[upper_half].to(cell.dtype)  # (n_half, 3)
    vectors = 2.0 * math.pi * indices @ torch.linalg.inv(cell).T  # (n_half, 3)
    inside = vectors.norm(dim=1) < cutoff
    return indices[inside], vectors[inside]


def _periodic(positions: Tensor, charges: Tensor, cell: Tensor, smearing: float) -> GaussianChargeResult:
    indices, vectors = wave_vectors(cell, smearing)  # (n_k, 3) each
    volume = torch.linalg.det(cell).abs()
    fractional = positions @ torch.linalg.inv(cell)  # (n_atoms, 3); exact phases also far from the origin
    k_squared = vectors.square().sum(1)  # (n_k,)
    # The factor 2 counts -k, which the half set leaves out.
    weights = 2.0 * (2.0 * math.pi * COULOMB_CONSTANT / volume) * torch.exp(-0.5 * smearing**2 * k_squared) / k_squared

    energy = positions.new_zeros(())
    potentials = torch.zeros_like(charges)  # (n_atoms,)
    forces = torch.zeros_like(positions)  # (n_atoms, 3)
    virial = torch.zeros_like(cell)  # (3, 3)
    identity = torch.eye(3, dtype=cell.dtype)
    chunk = max(1, CHUNK_ELEMENTS // max(1, len(charges)))
    for start in range(0, len(weights), chunk):
        part = slice(start, start + chunk)
        w, k = weights[part], vectors[part]  # (n_chunk,), (n_chunk, 3)
        phases = 2.0 * math.pi * fractional @ indices[part].T  # (n_atoms, n_chunk)
        cos, sin = torch.cos(phases), torch.sin(phases)
        s_real, s_imag = charges @ cos, charges @ sin  # (n_chunk,): S(k)
        energies = w * (s_real**2 + s_imag**2)  # (n_chunk,)
        energy = energy + energies.sum()
        potentials += 2.0 * (cos @ (w * s_real) + sin @ (w * s_imag))
        # -d|S|^2/dr_i = 2 q_i k [ sin(k.r_i) Re S - cos(k.r_i) Im S ]
        forces += 2.0 * charges[:, None] * (sin @ ((w * s_real)[:, None] * k) - cos @ ((w * s_imag)[:, None] * k))
        stretch = (smearing**2 + 2.0 / k_squared[part]) * energies  # (n_chunk,)
        virial += energies.sum() * identity - (stretch[:, None] * k).T @ k

    background = -math.pi * COULOMB_CONSTANT * smearing**2 * charges.sum() / volume  # half of dE/dq
    return GaussianChargeResult(
        energies=energy + background * charges.sum(),
        potentials=potentials + 2.0 * background,
        forces=forces,
        virials=virial + background * charges.sum() * identity,
    )


def _isolated(positions: Tensor, charges: Tensor, smearing: float) -> GaussianChargeResult:
    with torch.enable_grad():
        i, j = torch.triu_indices(len(charges), len(charges), offset=1)  # (n_pairs,) each
        vectors = (positions[j] - positions[i]).detach().requires_grad_()  # (n_pairs, 3)
        kernel = COULOMB_CONSTANT * smeared_kernel(vectors.norm(dim=1), smearing)  # (n_pairs,)
        pair_energies = charges[i] * charges[j] * kernel.detach()
        (gradients,) = torch.autograd.grad((charges[i] * charges[j] * kernel).sum(), vectors)  # (n_pairs, 3)
    energies = self_energies(charges, smearing)  # (n_atoms,)
    potentials = 2.0 * COULOMB_CONSTANT * charges / (math.sqrt(2.0 * math.pi) * smearing)
    potentials = potentials.index_add(0, i, charges[j] * kernel.detach()).index_add(0, j, charges[i] * kernel.detach())
    return GaussianChargeResult(
        energies=energies.sum() + pair_energies.sum(),
        potentials=potentials,
        forces=torch.zeros_like(positions).index_add(0, i, gradients).index_add(0, j, -gradients),
        virials=-vectors.detach().T @ gradients,
    )
