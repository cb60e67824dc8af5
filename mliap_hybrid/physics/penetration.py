"""Charge penetration: what atoms with spread-out valence electrons lack of the Coulomb energy of point charges.

An atom is a core of charge Z at its centre and N valence electrons of density a^2 exp(-a r) / (4 pi r) each, together
q = Z - N. Cores see valence electrons through 1 - exp(-a r), valence electrons see each other through 1 - D:

    E - k_e q_i q_j / r = k_e [ Z_i N_j exp(-a_j r) + Z_j N_i exp(-a_i r) - N_i N_j D_ij(r) ] / r,
    D_ij = [ a_j^2 exp(-a_i r) - a_i^2 exp(-a_j r) ] / (a_j^2 - a_i^2),      (1 + a r / 2) exp(-a r) where a_i = a_j

(the second model of Slipchenko and Gordon, J. Comput. Chem. 28, 276 (2007), GORDON2 in Tinker; in AMOEBA+: Liu,
Piquemal and Ren, J. Chem. Theory Comput. 15, 4122 (2019)). It vanishes exponentially.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.units import COULOMB_CONSTANT

SMALL = 0.1
"""Below it, sinh(x) / x is taken from its series, whose next term is below 1e-13."""


def penetration_energy(
    distances: Tensor,
    charges: tuple[Tensor, Tensor],
    valences: tuple[Tensor, Tensor],
    exponents: tuple[Tensor, Tensor],
) -> Tensor:
    """Energy of pairs beyond that of their point charges.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
    charges : pair of Tensor, shape (n_pairs,), e
        q of both atoms.
    valences : pair of Tensor, shape (n_pairs,), e
        N of both atoms, positive.
    exponents : pair of Tensor, shape (n_pairs,), 1/Å
        a of both atoms, positive.

    Returns
    -------
    Tensor, shape (n_pairs,), eV
    """
    (q_i, q_j), (n_i, n_j), (a_i, a_j) = charges, valences, exponents
    cores_and_valences = (q_i + n_i) * n_j * torch.exp(-a_j * distances)  # (n_pairs,)
    cores_and_valences = cores_and_valences + (q_j + n_j) * n_i * torch.exp(-a_i * distances)
    of_valences = n_i * n_j * valence_damping(distances, a_i, a_j)  # (n_pairs,)
    return COULOMB_CONSTANT * (cores_and_valences - of_valences) / distances


def valence_damping(distances: Tensor, a_i: Tensor, a_j: Tensor) -> Tensor:
    """D (n_pairs,) of distances (n_pairs,), Å, and exponents (n_pairs,), 1/Å.

    With the mean a and half the difference d of the exponents, exp(-a r) [cosh(d r) + r (a^2 + d^2) / (2 a)
    sinh(d r) / (d r)]: the same, and without a difference of large numbers where the exponents are alike.
    """
    mean, half = 0.5 * (a_i + a_j), 0.5 * (a_j - a_i)  # (n_pairs,) each
    x = half * distances
    slope = distances * (mean.square() + half.square()) / (2.0 * mean)
    return torch.exp(-mean * distances) * (torch.cosh(x) + slope * _sinh_over_x(x))


def _sinh_over_x(x: Tensor) -> Tensor:
    """sinh(x) / x (n,), 1 at zero, with derivatives of any order."""
    is_small = x.abs() < SMALL
    square = x.square()
    series = 1.0 + square / 6.0 * (1.0 + square / 20.0 * (1.0 + square / 42.0))
    away = torch.where(is_small, torch.ones_like(x), x)  # the other branch would give 0 / 0 to the gradient
    return torch.where(is_small, series, torch.sinh(away) / away)
