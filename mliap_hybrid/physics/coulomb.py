"""Pair kernels of the Coulomb interaction between point charges and between smeared charges.

Two charges, each a Gaussian of width sigma / sqrt(2), see each other through erf(r / (sqrt(2) sigma)) / r, as a point
charge sees a Gaussian of width sigma. `sigma` is called the smearing everywhere.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

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


def smeared_kernel_at_zero(smearing: float) -> float:
    """sqrt(2/pi) / sigma, 1/Å: what the smeared kernel tends to at r = 0, that is between a charge and itself.

    Parameters
    ----------
    smearing : float, Å
        sigma.
    """
    return math.sqrt(2.0 / math.pi) / smearing


def smeared_kernel_derivative(distances: Tensor, smearing: float) -> Tensor:
    """d/dr of the smeared kernel.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Greater than zero.
    smearing : float, Å
        sigma.

    Returns
    -------
    Tensor, shape (n_pairs,), 1/Å^2
        sqrt(2/pi) exp(-r^2 / (2 sigma^2)) / (sigma r) - erf(r / (sqrt(2) sigma)) / r^2.
    """
    scaled = distances / (math.sqrt(2.0) * smearing)
    gaussian = smeared_kernel_at_zero(smearing) * torch.exp(-scaled.square())
    return (gaussian - torch.erf(scaled) / distances) / distances


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


def smearing_correction_derivative(distances: Tensor, smearing: float) -> Tensor:
    """d/dr of the correction kernel: erfc(r / (sqrt(2) sigma)) / r^2 + sqrt(2/pi) exp(-r^2 / (2 sigma^2)) / (sigma r).

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Greater than zero.
    smearing : float, Å
        sigma.

    Returns
    -------
    Tensor, shape (n_pairs,), 1/Å^2
    """
    scaled = distances / (math.sqrt(2.0) * smearing)
    gaussian = smeared_kernel_at_zero(smearing) * torch.exp(-scaled.square())
    return (torch.erfc(scaled) / distances + gaussian) / distances


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
    return 0.5 * COULOMB_CONSTANT * smeared_kernel_at_zero(smearing) * charges**2


def smearing_correction_energies(distances: Tensor, charge_products: Tensor, smearing: float) -> Tensor:
    """The pairs' part of what turns LAMMPS' point-charge energy into that of smeared charges, half on each centre.

    sum over i of [ -1/2 k_e sum_j q_i q_j erfc(r_ij / (sqrt(2) sigma)) / r_ij + k_e q_i^2 / (sqrt(2 pi) sigma) ]

    is the whole of it, with the self energies as the second term.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Full list of pairs up to a cutoff of at least 5.5 sigma, where erfc has died out.
    charge_products : Tensor, shape (n_pairs,), e^2
        q_i q_j.
    smearing : float, Å

    Returns
    -------
    Tensor, shape (n_pairs,), eV
    """
    return 0.5 * COULOMB_CONSTANT * charge_products * smearing_correction_kernel(distances, smearing)


def smearing_correction_energy_derivatives(distances: Tensor, charge_products: Tensor, smearing: float) -> Tensor:
    """d/dr (n_pairs,), eV/Å, of `smearing_correction_energies`, which has the arguments."""
    return 0.5 * COULOMB_CONSTANT * charge_products * smearing_correction_derivative(distances, smearing)
