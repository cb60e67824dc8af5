"""Real Gaunt coefficients: how three multipoles couple to a number that no rotation or reflection changes.

    G_m1m2m3 = integral of Y_n1m1 Y_n2m2 Y_n3m3 over the sphere, scaled so that the sum of squares is one

with the real harmonics of harmonics.py. The scaled ones are the Wigner 3j symbols in the real basis, up to a sign, and
vanish unless n1, n2, n3 are the sides of a triangle and n1 + n2 + n3 is even.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from mliap_hybrid.features.harmonics import solid_harmonics

Coupling = tuple[int, int, int]
"""Orders n1 <= n2 <= n3 of three multipoles, none of them 0."""

COUPLINGS: tuple[Coupling, ...] = ((1, 1, 2), (1, 2, 3), (2, 2, 2), (2, 3, 3))
"""Couplings of third-order features: all that there are up to order 3."""

_ROUNDING = 1e-12
"""Coefficients below this are zeros of a selection rule in m."""


def gaunt(n1: int, n2: int, n3: int) -> np.ndarray:
    """Coefficients of the coupling of three orders.

    Parameters
    ----------
    n1, n2, n3 : int
        Not negative.

    Returns
    -------
    array, shape (2 n1 + 1, 2 n2 + 1, 2 n3 + 1), float64
        Components in the order m = -n ... n; the sum of squares is 1, or 0 where the orders do not couple.
    """
    if not couples(n1, n2, n3):
        return np.zeros((2 * n1 + 1, 2 * n2 + 1, 2 * n3 + 1))
    points, weights = _sphere_quadrature(n1 + n2 + n3)  # (3, n_points), (n_points,)
    harmonics = [h.numpy() for h in solid_harmonics(torch.from_numpy(points), max(n1, n2, n3))]
    integrals = np.einsum("ap,bp,cp,p->abc", harmonics[n1], harmonics[n2], harmonics[n3], weights, optimize=True)
    integrals /= np.linalg.norm(integrals)
    integrals[np.abs(integrals) < _ROUNDING] = 0.0
    return integrals


def couples(n1: int, n2: int, n3: int) -> bool:
    """Whether three orders are the sides of a triangle and have an even sum."""
    return abs(n1 - n2) <= n3 <= n1 + n2 and (n1 + n2 + n3) % 2 == 0


def _sphere_quadrature(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (3, n_points) and weights (n_points,) that integrate polynomials up to `degree` exactly.

    Gauss-Legendre in z, and equal steps of the angle around the axis.
    """
    nodes, node_weights = np.polynomial.legendre.leggauss(degree // 2 + 1)  # (n_nodes,)
    n_angles = degree + 1
    angles = 2.0 * math.pi * np.arange(n_angles) / n_angles  # (n_angles,)
    z, phi = (grid.ravel() for grid in np.meshgrid(nodes, angles, indexing="ij"))  # (n_points,)
    sine = np.sqrt(1.0 - z**2)
    points = np.stack([sine * np.cos(phi), sine * np.sin(phi), z])
    return points, np.repeat(node_weights, n_angles) * 2.0 * math.pi / n_angles
