"""Overlap of two exponential electron densities, which short-range forces follow.

    S(x) = (1 + x + x^2 / 3) exp(-x),      x = B r:

the integral over space of exp(-B |r|) exp(-B |r - r'|) in units of its value pi / B^3 at r' = 0 (Van Vleet, Misquitta,
Stone and Schmidt, J. Chem. Theory Comput. 12, 3851 (2016)).
"""

from __future__ import annotations

import torch
from torch import Tensor


def slater_overlap(x: Tensor) -> Tensor:
    """S (n,) of x = B r (n,)."""
    return (1.0 + x * (1.0 + x / 3.0)) * torch.exp(-x)


def slater_damping_argument(x: Tensor) -> Tensor:
    """-d log S / d log x (n,) of x = B r (n,): x - (2 x^2 + 3 x) / (x^2 + 3 x + 3).

    Tang and Toennies damp dispersion by the logarithmic slope of the repulsion; b r is that of exp(-b r), this that of
    the overlap (Van Vleet et al. 2016).
    """
    return x - x * (2.0 * x + 3.0) / (x * (x + 3.0) + 3.0)
