"""Second derivatives of the energy that any molecule or solid has, about right, without any calculation.

Model of Lindh, Bernhardsson, Karlström and Malmqvist, Chem. Phys. Lett. 241, 423 (1995): springs on the distances of
all pairs and on the angles between them,

    H = sum_b k_b (db/dr) (db/dr)^T,    k_ij = 0.45 rho_ij,    k_ijk = 0.15 rho_ij rho_jk    (Hartree, Bohr, radian),
    rho_ij = exp(alpha_ij (r0_ij^2 - r_ij^2)),

with alpha and r0 of the rows of the periodic table that the two atoms are in. Torsions, which are softer by another
factor of ten, are left out. The original is made for steps of a minimiser and too stiff: of a single bond between
carbon atoms it makes 0.45, while vibrations have 0.29 (4.5 mdyn/Å), and so it is for C-H. All is scaled by that.
Elements beyond the third row are not in the paper, and bonds of oxides are softer than it says.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.structure import Batch
from mliap_hybrid.units import BOHR, HARTREE

SCALE = 0.65
"""Measured force constants of single bonds, over those of the paper."""

STRETCH, BEND = 0.45 * SCALE, 0.15 * SCALE
"""Force constants at r0: Hartree/Bohr^2 of distances, Hartree/rad^2 of angles."""

DECAYS = ((1.0, 0.3949, 0.3949), (0.3949, 0.28, 0.28), (0.3949, 0.28, 0.28))
"""alpha in 1/Bohr^2, by the rows of both atoms; rows beyond the third count as the third."""

LENGTHS = ((1.35, 2.10, 2.53), (2.10, 2.87, 3.40), (2.53, 3.40, 3.40))
"""r0 in Bohr."""

SMALLEST = 0.01
"""Pairs with a smaller rho are left out, and angles with a smaller product of two."""

STRAIGHT = 0.98
"""Beyond this cosine, an angle of 180 degrees bends in both directions, and one of 0 is none."""


def model_hessian(batch: Batch) -> Tensor:
    """Model of the second derivatives of the energy of one structure.

    Parameters
    ----------
    batch : Batch
        One structure, with all pairs up to 3 Å at least.

    Returns
    -------
    Tensor, shape (3 n_atoms, 3 n_atoms), float64, eV/Å^2
        Without negative eigenvalues; zero along rigid motions.
    """
    rho = _stiffness(batch)  # (n_pairs,)
    near = rho > SMALLEST
    rho, i, j = rho[near], batch.pair_i[near], batch.pair_j[near]
    vectors = batch.pair_vectors()[near]  # (n_near, 3)
    distances = vectors.norm(dim=1, keepdim=True)  # (n_near, 1)
    units = vectors / distances  # (n_near, 3)
    # Each pair comes twice, as i j and as j i.
    springs = [(0.5 * STRETCH / BOHR**2 * rho, _derivatives(batch.n_atoms, [(j, units), (i, -units)]))]

    a, b = _pairs_of_one_centre(i)  # (n_angles,) each
    stiff = rho[a] * rho[b] > SMALLEST
    a, b = a[stiff], b[stiff]
    cosines = (units[a] * units[b]).sum(1, keepdim=True)  # (n_angles, 1)
    for kinds, coordinates in (
        (cosines.abs() < STRAIGHT, _angle(units[a], units[b], cosines)),
        (cosines <= -STRAIGHT, _deviations_from_straight(units[a], units[b])),
    ):
        constants = torch.where(kinds[:, 0], BEND * rho[a] * rho[b], 0.0)  # (n_angles,)
        for by_a, by_b in coordinates:
            at_a, at_b = by_a / distances[a], by_b / distances[b]  # (n_angles, 3)
            rows = _derivatives(batch.n_atoms, [(j[a], at_a), (j[b], at_b), (i[a], -at_a - at_b)])
            springs.append((constants, rows))
    hessian = batch.positions.new_zeros((3 * batch.n_atoms, 3 * batch.n_atoms))
    for k, rows in springs:
        hessian += rows.T @ (k[:, None] * rows)
    return HARTREE * hessian


def _stiffness(batch: Batch) -> Tensor:
    """rho (n_pairs,)."""
    rows = (batch.numbers > 2).long() + (batch.numbers > 10).long()  # (n_atoms,) of the periodic table, from 0
    of_pairs = rows[batch.pair_i], rows[batch.pair_j]
    decays = batch.positions.new_tensor(DECAYS)[of_pairs]  # (n_pairs,)
    lengths = batch.positions.new_tensor(LENGTHS)[of_pairs]  # (n_pairs,)
    distances = batch.pair_vectors().norm(dim=1) / BOHR  # (n_pairs,)
    return torch.exp(decays * (lengths**2 - distances**2))


def _pairs_of_one_centre(centres: Tensor) -> tuple[Tensor, Tensor]:
    """Indices (n_angles,) of two pairs that have the same centre; `centres` (n_pairs,) ascends."""
    numbers = torch.bincount(centres, minlength=1).tolist()
    starts = torch.tensor([0, *numbers]).cumsum(0).tolist()
    angles = [torch.triu_indices(n, n, offset=1) + start for n, start in zip(numbers, starts[:-1], strict=True)]
    a, b = torch.cat(angles, dim=1)
    return a, b


def _angle(u: Tensor, v: Tensor, cosines: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Derivative (n_angles, 3) of the angle between u and v by each, turning on the unit sphere."""
    sines = torch.sqrt((1.0 - cosines**2).clamp(min=1.0 - STRAIGHT**2))  # (n_angles, 1)
    return [((cosines * u - v) / sines, (cosines * v - u) / sines)]


def _deviations_from_straight(u: Tensor, v: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The same of the components of u + v, which is zero at 180 degrees and as long as the angle from there."""
    across_u, across_v = (torch.eye(3).to(w) - w[:, :, None] * w[:, None, :] for w in (u, v))  # (n_angles, 3, 3)
    return [(across_u[:, k], across_v[:, k]) for k in range(3)]


def _derivatives(n_atoms: int, parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Derivatives (n, 3 n_atoms) of coordinates by positions: at an atom (n,) of each, a vector (n, 3)."""
    n = len(parts[0][0])
    rows = parts[0][1].new_zeros((n, n_atoms, 3))
    for atoms, vectors in parts:
        rows.index_put_((torch.arange(n), atoms), vectors, accumulate=True)
    return rows.flatten(1)
