"""What a slab, periodic in two directions, adds to the three-dimensional Ewald sum.

The slab is repeated along its normal with vacuum between the copies, and the interaction between the copies' net
dipoles and charges is taken out (Yeh and Berkowitz, J. Chem. Phys. 111, 3155 (1999); charged slabs: Ballenegger,
Arnold and Cerda, J. Chem. Phys. 131, 094107 (2009), eq. 28):

    E_slab = (2 pi k_e / V) [ M^2 - Q sum_i q_i z_i^2 - Q^2 L^2 / 12 ],    M = sum_i q_i z_i,  Q = sum_i q_i,

z along the normal, L the period along it and V the volume, vacuum included. This is the energy of LAMMPS'
`kspace_modify slab`. What remains dies off as exp(-2 pi gap / a), with the gap between copies and the period a in
the plane, so the result does not depend on L: it is the energy of a lone slab, for charged slabs too.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mliap_hybrid.physics.ewald_result import GaussianChargeResult
from mliap_hybrid.units import COULOMB_CONSTANT

GAP_TOLERANCE = 1e-11
"""The vacuum makes exp(-2 pi gap / a) as small as this."""


def add_vacuum(cell: Tensor, periodic: Tensor, positions: Tensor, smearing: float) -> Tensor:
    """The cell in which copies of the slab along its normal no longer feel each other.

    Parameters
    ----------
    cell : Tensor, shape (3, 3), Å
        Two lattice vectors span the plane; the third row is not read.
    periodic : Tensor of bool, shape (3,)
        True in two directions.
    positions : Tensor, shape (n_atoms, 3), Å
    smearing : float, Å

    Returns
    -------
    Tensor, shape (3, 3), Å
        The same two vectors; the third is perpendicular to them and as long as slab and vacuum together.
    """
    a, b = cell[periodic]  # (3,) each
    normal = torch.linalg.cross(a, b)  # (3,)
    normal = normal / normal.norm()
    longest = float(cell[periodic].norm(dim=1).max())  # no harmonic in the plane has a longer period
    heights = positions @ normal  # (n_atoms,)
    thickness = float(heights.max() - heights.min()) if len(heights) else 0.0
    gap = longest * -math.log(GAP_TOLERANCE) / (2.0 * math.pi) + 10.0 * smearing
    extended = cell.clone()
    extended[~periodic] = (thickness + gap) * normal
    return extended


def slab_kernel(heights: Tensor, period: Tensor, volume: Tensor) -> Tensor:
    """A_ij of the slab term E = 1/2 sum_ij q_i q_j A_ij, with the differences z_i - z_j alone.

    Parameters
    ----------
    heights : Tensor, any shape, Å
        z_i - z_j.
    period : Tensor, shape (), Å
        L, along the normal.
    volume : Tensor, shape (), Å^3

    Returns
    -------
    Tensor, shape of `heights`, eV/e^2
        -(2 pi k_e / V) [ (z_i - z_j)^2 + L^2 / 6 ].
    """
    return -2.0 * math.pi * COULOMB_CONSTANT / volume * (heights.square() + period**2 / 6.0)


def slab_term(
    positions: Tensor, charges: Tensor, structure_of_atom: Tensor, cells: Tensor, vacuum: Tensor
) -> GaussianChargeResult:
    """The slab term of several slabs and its derivatives.

    Parameters
    ----------
    positions : Tensor, shape (n_atoms, 3), Å
    charges : Tensor, shape (n_atoms,), e
    structure_of_atom : Tensor of int64, shape (n_atoms,)
        In [0, n_structures).
    cells : Tensor, shape (n_structures, 3, 3), Å
        With vacuum, as from `add_vacuum`.
    vacuum : Tensor, shape (n_structures, 3), Å
        Of each cell the lattice vector along the normal, with length L.

    Returns
    -------
    GaussianChargeResult
        The virial is the true strain derivative; LAMMPS leaves it out of its pressure.
    """

    def summed(values: Tensor) -> Tensor:  # (n_atoms,) -> (n_structures,)
        return values.new_zeros(len(cells)).index_add(0, structure_of_atom, values)

    periods = vacuum.norm(dim=1)  # (n_structures,): L
    normals = vacuum / periods[:, None]  # (n_structures, 3)
    factor = 2.0 * math.pi * COULOMB_CONSTANT / torch.linalg.det(cells).abs()  # (n_structures,)
    heights = (positions * normals[structure_of_atom]).sum(1)  # (n_atoms,)
    middles = summed(heights) / summed(torch.ones_like(heights)).clamp(min=1.0)  # (n_structures,)
    z = heights - middles[structure_of_atom]  # (n_atoms,): the energy does not depend on the origin
    total, dipole, second = summed(charges), summed(charges * z), summed(charges * z.square())  # (n_structures,) each

    energies = factor * (dipole.square() - total * second - total.square() * periods.square() / 12.0)
    own_total, own_dipole, own_factor = total[structure_of_atom], dipole[structure_of_atom], factor[structure_of_atom]
    constant = (second + total * periods.square() / 6.0)[structure_of_atom]  # (n_atoms,)
    potentials = own_factor * (2.0 * z * own_dipole - own_total * z.square() - constant)  # (n_atoms,)
    normal_forces = -2.0 * own_factor * charges * (own_dipole - own_total * z)  # (n_atoms,)
    # Strain changes 1/V, and z and L by (1 + strain_zz).
    shape = torch.eye(3, dtype=cells.dtype, device=cells.device) - 2.0 * normals[:, :, None] * normals[:, None, :]
    return GaussianChargeResult(
        energies, potentials, normal_forces[:, None] * normals[structure_of_atom], energies[:, None, None] * shape
    )
