"""Damping of dispersion between atoms that overlap (Tang and Toennies, J. Chem. Phys. 80, 3726 (1984)).

f_n(x) = 1 - exp(-x) sum_{k <= n} x^k / k!
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def tang_toennies(x: Tensor) -> tuple[Tensor, Tensor]:
    """f_6 and f_8 (n,) of x (n,): b r where repulsion falls as exp(-b r)."""
    exponential = torch.exp(-x)
    polynomial = torch.ones_like(x)  # sum of x^k / k! to the order of the loop, by Horner's scheme
    for k in range(6, 0, -1):
        polynomial = 1.0 + polynomial * x / k
    f6 = 1.0 - exponential * polynomial
    x7 = x**7 / math.factorial(7)
    return f6, f6 - exponential * x7 * (1.0 + x / 8.0)
