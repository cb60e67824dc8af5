"""Pair kernels of the Coulomb interaction between point charges and between smeared charges.

Two charges, each a Gaussian of width sigma / sqrt(2), see each other through erf(r / (sqrt(2) sigma)) / r, as a point
charge sees a Gaussian of width sigma. `sigma` is called the smearing everywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mliap_hybrid.structure import Environments
from mliap_hybrid.units import COULOMB_CONSTANT


def smeared_kernel(distances: Tensor, smearing: float) -> Tensor:
    """erf(r / (sqrt(2) sigma)) / r: potential of a unit smeared charge.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Greater than zero.
    smearing : float, Å
        sigma.

    Returns
    -------
    Tensor, shape (n_pairs,), 1/Å
    """
    return torch.erf(distances / (math.sqrt(2.0) * smearing)) / distances


def smearing_correction_kernel(distances: Tensor, smearing: float) -> Tensor:
    """-erfc(r / (sqrt(2) sigma)) / r: what turns point charges into smeared ones; falls off as a Gaussian.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Greater than zero.
    smearing : float, Å
        sigma.

    Returns
    -------
    Tensor, shape (n_pairs,), 1/Å
    """
    return -torch.erfc(distances / (math.sqrt(2.0) * smearing)) / distances


def self_energies(charges: Tensor, smearing: float) -> Tensor:
    """Energy k_e q^2 / (sqrt(2 pi) sigma) of each smeared charge with itself.

    Parameters
    ----------
    charges : Tensor, shape (n_atoms,), e
    smearing : float, Å

    Returns
    -------
    Tensor, shape (n_atoms,), eV
    """
    return COULOMB_CONSTANT * charges**2 / (math.sqrt(2.0 * math.pi) * smearing)


def smearing_correction_energies(
    environments: Environments, centre_charges: Tensor, neighbour_charges: Tensor, smearing: float
) -> Tensor:
    """What a model adds to LAMMPS' point-charge energy so that the sum is the energy of smeared charges.

    sum over i of [ -1/2 k_e sum_j q_i q_j erfc(r_ij / (sqrt(2) sigma)) / r_ij + k_e q_i^2 / (sqrt(2 pi) sigma) ]

    Parameters
    ----------
    environments : Environments
        Pairs up to a cutoff of at least 5.5 sigma, where erfc has died out.
    centre_charges : Tensor, shape (n_centres,), e
    neighbour_charges : Tensor, shape (n_pairs,), e
    smearing : float, Å

    Returns
    -------
    Tensor, shape (n_centres,), eV
    """
    distances = environments.pair_vectors.norm(dim=1)  # (n_pairs,)
    products = centre_charges[environments.pair_i] * neighbour_charges  # (n_pairs,)
    pair_energies = 0.5 * COULOMB_CONSTANT * products * smearing_correction_kernel(distances, smearing)
    return self_energies(centre_charges, smearing).index_add(0, environments.pair_i, pair_energies)
