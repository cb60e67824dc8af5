"""Combining rules: parameters of a pair of atoms from those of both; all of them give back a where a_i = a_j = a.

The signs do not matter for geometric means of what has one sign, which bounded parameters have.
"""

from __future__ import annotations

from torch import Tensor


def geometric_mean(a_i: Tensor, a_j: Tensor) -> Tensor:
    """sqrt(a_i a_j) (n_pairs,): of strengths that are products, and of exponents (Van Vleet et al. 2016)."""
    return (a_i * a_j).sqrt()


def arithmetic_mean(a_i: Tensor, a_j: Tensor) -> Tensor:
    """(a_i + a_j) / 2 (n_pairs,)."""
    return 0.5 * (a_i + a_j)


def cubic_mean(r_i: Tensor, r_j: Tensor) -> Tensor:
    """(r_i^3 + r_j^3) / (r_i^2 + r_j^2) (n_pairs,): of radii (Halgren 1992)."""
    return (r_i**3 + r_j**3) / (r_i.square() + r_j.square())


def harmonic_mean_of_means(eps_i: Tensor, eps_j: Tensor) -> Tensor:
    """4 eps_i eps_j / (sqrt(eps_i) + sqrt(eps_j))^2 (n_pairs,): of depths in AMOEBA (HHG; Halgren 1992)."""
    return 4.0 * eps_i * eps_j / (eps_i.sqrt() + eps_j.sqrt()).square()


def waldman_hagler(eps_i: Tensor, eps_j: Tensor, r_i: Tensor, r_j: Tensor) -> Tensor:
    """2 sqrt(eps_i eps_j) (r_i r_j)^3 / (r_i^6 + r_j^6) (n_pairs,): of depths in AMOEBA+.

    Waldman and Hagler, J. Comput. Chem. 14, 1077 (1993).
    """
    return 2.0 * geometric_mean(eps_i, eps_j) * (r_i * r_j) ** 3 / (r_i**6 + r_j**6)
