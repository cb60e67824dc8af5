"""The switch that ends pair energies smoothly before the cutoff."""

from __future__ import annotations

from torch import Tensor


def switch(distances: Tensor, cutoff: float, width: float) -> Tensor:
    """1 up to cutoff - width, 0 from the cutoff on; between, 1 - x^3 (10 - 15 x + 6 x^2), smooth to second order.

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
    cutoff, width : float, Å

    Returns
    -------
    Tensor, shape (n_pairs,)
    """
    x = ((distances - (cutoff - width)) / width).clamp(0.0, 1.0)
    return 1.0 - x**3 * (10.0 - x * (15.0 - 6.0 * x))
