"""Radial parts of the interaction of multipoles: derivatives of the kernel of two charges.

A kernel g(r) between charges gives that between dipoles by B_0 = g, B_n = -B_{n-1}' / r, since

    d/dr_a B_n(r) = -r_a B_{n+1}(r)

for any vector r (Smith, CCP5 Newsletter 46, 18 (1998)). Three kernels:

    points     g = 1 / r,  B_n = (2n - 1)!! / r^(2n + 1)
    Gaussians  g = erf(r / (sqrt(2) sigma)) / r,
               r^2 B_n = (2n - 1) B_{n-1} - sqrt(2/pi) sigma^(1 - 2n) exp(-r^2 / (2 sigma^2))
    Thole's    B_1 = l_3 / r^3,  B_2 = 3 l_5 / r^5,
               l_3 = 1 - exp(-v),  l_5 = 1 - (1 + v) exp(-v),  v = a r^3 / sqrt(alpha_i alpha_j)

The last is that of a point in a charge of the density exp(-v), as AMOEBA has it (Thole, Chem. Phys. 59, 341 (1981); Ren
and Ponder, J. Phys. Chem. B 107, 5933 (2003)). l_5 = l_3 - r l_3' / 3: it belongs to the same kernel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def smeared_radial(distances: Tensor, smearing: float | Tensor, highest: int) -> list[Tensor]:
    """B_0 to B_highest of Gaussians.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Greater than zero. Rounding grows as (sigma / r)^(2 highest) where atoms are close.
    smearing : float or Tensor, shape (n_pairs,), Å
        sigma.
    highest : int

    Returns
    -------
    list of Tensor, shape (n_pairs,), 1/Å^(2n + 1)
    """
    squared = distances.square()  # (n_pairs,)
    gaussian = math.sqrt(2.0 / math.pi) / smearing * torch.exp(-0.5 * squared / smearing**2)  # (n_pairs,)
    radial = [torch.erf(distances / (math.sqrt(2.0) * smearing)) / distances]
    for n in range(1, highest + 1):
        radial.append(((2 * n - 1) * radial[-1] - gaussian / smearing ** (2 * n - 2)) / squared)
    return radial


def smeared_radial_at_zero(smearing: float, n: int) -> float:
    """B_n of Gaussians at r = 0, sqrt(2/pi) sigma^(-2n - 1) / (2n + 1): what one has of its own Gaussian.

    Parameters
    ----------
    smearing : float, Å
    n : int
    """
    return math.sqrt(2.0 / math.pi) / smearing ** (2 * n + 1) / (2 * n + 1)


def point_radial(distances: Tensor) -> tuple[Tensor, Tensor]:
    """B_1 and B_2 of points (n_pairs,), from distances (n_pairs,) in Å."""
    cubed = distances**3  # (n_pairs,)
    return 1.0 / cubed, 3.0 / (cubed * distances.square())


def thole_radial(distances: Tensor, volumes: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """B_1 and B_2 of Thole's damping, finite for all distances.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
        Greater than zero.
    volumes : Tensor, shape (n_pairs,), Å^3
        sqrt(alpha_i alpha_j).
    damping : float
        a.

    Returns
    -------
    tuple of Tensor, shape (n_pairs,), 1/Å^3 and 1/Å^5
    """
    cubed = distances**3  # (n_pairs,)
    v = damping * cubed / volumes  # (n_pairs,)
    l3 = -torch.expm1(-v)  # (n_pairs,)
    l5 = l3 - v * torch.exp(-v)  # (n_pairs,)
    return l3 / cubed, 3.0 * l5 / (cubed * distances.square())
