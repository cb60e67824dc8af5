"""Real solid harmonics S_nm(r) = r^n Y_nm(r / |r|) and their gradients, as polynomials in x, y, z.

Normalised so that sum_m Y_nm(a) Y_nm(b) = (2n + 1) / (4 pi) P_n(a . b). Being polynomials they are smooth
everywhere, at the poles and at the origin too. Components are ordered m = -n ... n (sine-like, zonal, cosine-like).
The axis of x, y, z and that of the components is the last but one, so that points stay neighbours in memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

MAX_ORDER = 9
"""Highest order n that the features offer; the recurrences themselves have no limit."""


def solid_harmonics(vectors: Tensor, max_order: int) -> list[Tensor]:
    """Solid harmonics of all orders up to `max_order`.

    Parameters
    ----------
    vectors : Tensor, shape (..., 3, n_points)
    max_order : int

    Returns
    -------
    list of Tensor, shape (..., 2n + 1, n_points)
        One entry for each n = 0 ... max_order.

    Notes
    -----
    S_nm = Q_nm(z, r^2) Re or Im (x + iy)^|m|. Q_nm, the normalised associated Legendre polynomial without its factor
    (sin theta)^m, follows from an upward recurrence in n (Limpanuparb & Milthorpe, arXiv:1410.1748).
    """
    x, y, z = vectors.unbind(-2)  # (..., n_points) each
    r_squared = x * x + y * y + z * z  # (..., n_points)
    components: list[dict[int, Tensor]] = [{} for _ in range(max_order + 1)]  # [n][m]: (..., n_points)
    cosine, sine = torch.ones_like(x), torch.zeros_like(x)  # Re and Im of (x + iy)^m
    for m in range(max_order + 1):
        if m > 0:
            cosine, sine = x * cosine - y * sine, x * sine + y * cosine
        before, last = None, torch.full_like(z, sectoral(m))  # Q_(n-1)m and Q_nm
        for n in range(m, max_order + 1):
            components[n][m] = last * cosine
            if m > 0:
                components[n][-m] = last * sine
            higher = recurrence(n + 1, m) * z * last
            if before is not None:
                higher = higher - (recurrence(n + 1, m) / recurrence(n, m)) * r_squared * before
            before, last = last, higher
    return [torch.stack([part[m] for m in range(-n, n + 1)], dim=-2) for n, part in enumerate(components)]


def gradient_matrix(n: int) -> np.ndarray:
    """Constant matrix D_n of the gradient, dS_nm/dx_c = sum_l D_n[c, l, m] S_(n-1)l.

    Parameters
    ----------
    n : int
        At least 1.

    Returns
    -------
    array, shape (3, 2n - 1, 2n + 1)

    Notes
    -----
    From the ladder relations of R_nm = r^n P_nm e^(i m phi) / (n + m)!: d/dz R_nm = R_(n-1)m,
    (d/dx - i d/dy) R_nm = R_(n-1)(m-1), (d/dx + i d/dy) R_nm = -R_(n-1)(m+1).
    """
    matrix = np.zeros((3, 2 * n - 1, 2 * n + 1))

    def add(axis: int, lower: int, m: int, factor: float) -> None:
        if abs(lower) < n:
            matrix[axis, lower + n - 1, m + n] += factor * _scale(n, abs(m)) / _scale(n - 1, abs(lower))

    add(0, 1, 0, -1.0)
    add(1, -1, 0, -1.0)
    add(2, 0, 0, 1.0)
    for m in range(1, n + 1):
        add(0, m + 1, m, -0.5)
        add(0, m - 1, m, 0.5)
        add(0, -(m + 1), -m, -0.5)
        add(1, -(m + 1), m, -0.5)
        add(1, m + 1, -m, 0.5)
        add(1, m - 1, -m, 0.5)
        if m > 1:
            add(0, -(m - 1), -m, 0.5)
            add(1, -(m - 1), m, -0.5)
        add(2, m, m, 1.0)
        add(2, -m, -m, 1.0)
    return matrix


def solid_harmonic_gradients(harmonics: Sequence[Tensor]) -> list[Tensor]:
    """Gradients of solid harmonics from the harmonics of one order less.

    Parameters
    ----------
    harmonics : sequence of Tensor, shape (..., 2n + 1, n_points)
        All orders from 0, as `solid_harmonics` returns them.

    Returns
    -------
    list of Tensor, shape (..., 3, 2n + 1, n_points)
        One entry for each order, zero for n = 0.
    """
    gradients = [torch.zeros_like(harmonics[0]).unsqueeze(-3).repeat_interleave(3, dim=-3)]
    for n in range(1, len(harmonics)):
        lower = harmonics[n - 1]
        matrix = torch.as_tensor(gradient_matrix(n), dtype=lower.dtype, device=lower.device)
        gradients.append(torch.einsum("...lp,clm->...cmp", lower, matrix))  # (..., 3, 2n + 1, n_points)
    return gradients


def sectoral(m: int) -> float:
    """Q_mm, which is a constant."""
    factors = (math.sqrt((2 * k + 1) / (2 * k)) for k in range(1, m + 1))
    # The sqrt(2) makes real harmonics of complex ones.
    return math.sqrt((2.0 if m > 0 else 1.0) / (4.0 * math.pi)) * math.prod(factors)


def recurrence(n: int, m: int) -> float:
    """Factor a of Q_nm = a_nm z Q_(n-1)m - (a_nm / a_(n-1)m) r^2 Q_(n-2)m."""
    return math.sqrt((4 * n * n - 1) / (n * n - m * m))


def _scale(n: int, m: int) -> float:
    """S_nm / (Re or Im of R_nm) for m >= 0."""
    scale = math.sqrt((2 * n + 1) / (4.0 * math.pi) * math.factorial(n + m) * math.factorial(n - m))
    return scale * math.sqrt(2.0) if m > 0 else scale
