"""Long-range energy of smeared charges, its potential, forces and virial.

One definition for training and for runs (smearing sigma, see coulomb.py; neutralising background):

    E = (2 pi k_e / V) sum_{k != 0} exp(-sigma^2 k^2 / 2) / k^2 |S(k)|^2 - pi k_e sigma^2 Q^2 / V,
    S(k) = sum_i q_i exp(i k.r_i)

It equals the Ewald or PPPM energy of point charges, minus k_e q_i q_j erfc(r / (sqrt(2) sigma)) / r for each pair,
plus the self energies of the Gaussians (Ewald, Ann. Phys. 369, 253 (1921), with the splitting width as a physical
one). The last term is what keeps the two forms equal in a charged cell. A slab is repeated with vacuum and a slab
term (slab.py); without periodicity the pair sum is direct.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.ewald_isolated import isolated_sum
from mliap_hybrid.physics.ewald_reciprocal import lattice_sum
from mliap_hybrid.physics.ewald_result import GaussianChargeResult
from mliap_hybrid.physics.slab import add_vacuum, slab_term
from mliap_hybrid.physics.wave_vectors import TOLERANCE, largest_indices, longest_wave_vector
from mliap_hybrid.structure import Batch

CALL_OVERHEAD = 1e5
"""Cost of one more call, in (atom, wave vector) pairs: structures are stacked where filling up costs less."""

MOST_STACKED_ATOMS = 2000
"""Larger stacks gain nothing: the tables of all their atoms should fit in the cache."""


def gaussian_charge_energy(
    batch: Batch, charges: Tensor, smearing: float, tolerance: float = TOLERANCE
) -> GaussianChargeResult:
    """Energy, potential, forces and virial of Gaussian charges in each structure of a batch.

    Nothing here carries gradients: potentials, forces and virials are those that they would lead to.

    Parameters
    ----------
    batch : Batch
        Structures periodic in three directions, in two (slabs) or in none.
    charges : Tensor, shape (n_atoms,), e
    smearing : float, Å
        Width sigma of the Gaussians.
    tolerance : float
        Wave vectors with exp(-sigma^2 k^2 / 2) below it are left out. The default is exact to rounding.

    Returns
    -------
    GaussianChargeResult

    Raises
    ------
    InputError
        If a structure is periodic in one direction.
    ValueError
        If the shape of `charges` is wrong.
    """
    if charges.shape != (batch.n_atoms,):
        raise ValueError(f"expected charges of shape ({batch.n_atoms},), got {tuple(charges.shape)}")
    n_periodic = batch.periodic.sum(1).tolist()  # n_structures integers
    if 1 in n_periodic:
        raise InputError(
            f"structure {n_periodic.index(1)} is periodic in 1 direction; the long-range term expects 3, 2 (a slab) "
            "or 0: add vacuum and make it periodic in more"
        )
    isolated, slabs = ([b for b, n in enumerate(n_periodic) if n == wanted] for wanted in (0, 2))
    lattices = [b for b, n in enumerate(n_periodic) if n >= 2]
    with torch.no_grad():
        charges = charges.to(batch.positions.dtype)
        result = GaussianChargeResult.zeros(batch)
        if isolated:
            structures, atoms, counts = _atoms_of(batch, isolated)
            part = isolated_sum(batch.positions[atoms], charges[atoms], counts, smearing)
            result.add_(part, structures, atoms)
        cells = batch.cells
        if slabs:
            structures, atoms, counts = _atoms_of(batch, slabs)
            cells = _with_vacuum(batch, slabs, smearing)  # (n_structures, 3, 3)
            vacuum = cells[structures][~batch.periodic[structures]]  # (n_slabs, 3): perpendicular to each slab
            part = slab_term(
                batch.positions[atoms], charges[atoms], torch.repeat_interleave(counts), cells[structures], vacuum
            )
            result.add_(part, structures, atoms)
        if lattices:
            _add_lattice_sums(result, batch, charges, cells, lattices, smearing, tolerance)
    return result


def _atoms_of(batch: Batch, structures: list[int]) -> tuple[Tensor, Tensor, Tensor]:
    """The structures as a tensor, the indices of their atoms, ascending, and the number of atoms of each."""
    indices = torch.tensor(structures, device=batch.positions.device)
    chosen = torch.zeros(batch.n_structures, dtype=torch.bool, device=indices.device)
    chosen[indices] = True
    return indices, torch.nonzero(chosen[batch.structure_of_atom])[:, 0], batch.atoms_per_structure()[indices]


def _with_vacuum(batch: Batch, slabs: list[int], smearing: float) -> Tensor:
    """The cells of the batch, those of the slabs with vacuum: (n_structures, 3, 3)."""
    cells = batch.cells.clone()
    for b in slabs:
        positions = batch.positions[batch.structure_of_atom == b]  # (n_atoms of b, 3)
        cells[b] = add_vacuum(batch.cells[b], batch.periodic[b], positions, smearing)
    return cells


def _add_lattice_sums(
    result: GaussianChargeResult,
    batch: Batch,
    charges: Tensor,
    cells: Tensor,
    structures: list[int],
    smearing: float,
    tolerance: float,
) -> None:
    counts = batch.atoms_per_structure()  # (n_structures,)
    starts = counts.cumsum(0) - counts  # (n_structures,)
    largest = largest_indices(cells, longest_wave_vector(smearing, tolerance))  # (n_structures, 3)
    for stack in stacks_of_like_size(structures, counts, largest):
        n_atoms = counts[stack]  # (b,)
        slots = torch.arange(int(n_atoms.max()), device=counts.device)  # (n,)
        filled = slots < n_atoms[:, None]  # (b, n)
        atoms = (starts[stack][:, None] + slots).clamp(max=batch.n_atoms - 1)  # (b, n)
        part = lattice_sum(batch.positions[atoms], charges[atoms] * filled, cells[stack], smearing, tolerance)
        potentials, forces = part.potentials[filled], part.forces[filled]  # (n_atoms of the stack,), (..., 3)
        result.add_(GaussianChargeResult(part.energies, potentials, forces, part.virials), stack, atoms[filled])


def stacks_of_like_size(structures: list[int], n_atoms: Tensor, largest: Tensor) -> list[Tensor]:
    """Structures to be summed together: of like sizes, so that filling them up to the largest costs little.

    Parameters
    ----------
    structures : list of int
        The periodic ones.
    n_atoms : Tensor of int64, shape (n_structures,)
    largest : Tensor of int64, shape (n_structures, 3)
        Largest indices of the wave vectors on each axis.

    Returns
    -------
    list of Tensor of int64
        Indices of the structures of each stack.
    """
    sizes = [(int(n), *n123) for n, n123 in zip(n_atoms.tolist(), largest.tolist(), strict=True)]
    groups: list[list[int]] = []
    work_apart, box = 0.0, (0, 0, 0, 0)  # of the last group
    for b in sorted(structures, key=lambda b: (math.prod(sizes[b]), sizes[b])):
        alone = 4.0 * math.prod(sizes[b]) + CALL_OVERHEAD
        together = tuple(map(max, box, sizes[b]))
        n_stacked = len(groups[-1]) + 1 if groups else 1
        few = n_stacked * together[0] <= MOST_STACKED_ATOMS
        if groups and few and 4.0 * math.prod(together) * n_stacked < work_apart + alone:
            groups[-1].append(b)
            work_apart, box = work_apart + alone, together
        else:
            groups.append([b])
            work_apart, box = alone, sizes[b]
    return [torch.tensor(group, device=n_atoms.device) for group in groups]
