"""Normalisation N_ns of the square of a probe's moment, with the 4 pi/(2n + 1) of the addition theorem."""

from __future__ import annotations

import math

from mliap_hybrid.errors import InputError

NORMALIZATIONS = ("probe", "paper")
"""Names: see `square_norm`."""


def square_norm(n: int, width: float, normalization: str) -> float:
    """Factor of sum_m M_nm^2 in a feature.

    Parameters
    ----------
    n : int
        Order; -1 is the bare density, whose square is the feature.
    width : float, Å
    normalization : {"probe", "paper"}
        "probe": probes of unit norm, integral of sum_m |probe_nsm|^2 = 1, so that features of all orders and widths
        are of like size. "paper": probes that integrate to one, and the factor K_n = n! (2n - 1)!! of the
        Maxwell-Cartesian harmonics (Lei & Medford 2022).

    Raises
    ------
    InputError
        If the width is so small or large that its powers leave the range of numbers.
    """
    try:
        factor = _square_norm(n, width, normalization)
    except (OverflowError, ZeroDivisionError):
        factor = math.inf
    if not 0.0 < factor < math.inf:
        raise InputError(
            f"features.widths: {width:g} Å has no normalisation at order {n}; expected widths of about an Å"
        )
    return factor


def _square_norm(n: int, width: float, normalization: str) -> float:
    if n < 0:
        return 4.0 * math.pi
    angular = 4.0 * math.pi / (2 * n + 1)
    if normalization == "paper":
        return angular * math.factorial(n) * math.prod(range(2 * n - 1, 0, -2))
    amplitude = (width * math.sqrt(2.0 * math.pi)) ** -3
    # integral of r^(2n) exp(-r^2/s^2) over space: the squared norm of the probe without its amplitude
    squared = 2.0 * math.pi * math.gamma(n + 1.5) * width ** (2 * n + 3)
    return angular / (squared * amplitude**2)
