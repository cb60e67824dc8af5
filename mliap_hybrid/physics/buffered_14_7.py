"""The buffered 14-7 potential (Halgren, J. Am. Chem. Soc. 114, 7827 (1992)): van der Waals in AMOEBA.

    E = eps [ 1.07 / (rho + 0.07) ]^7 [ 1.12 / (rho^7 + 0.12) - 2 ],      rho = r / R

-eps at r = R, beside the minimum, which differs from it by 0.2 per cent.
"""

from __future__ import annotations

from torch import Tensor

DELTA, GAMMA = 0.07, 0.12
"""The two buffers."""


def buffered_14_7(distances: Tensor, radii: Tensor, depths: Tensor) -> Tensor:
    """Energy (n_pairs,), eV, of pairs with distances and radii R (n_pairs,), Å, and depths eps (n_pairs,), eV."""
    rho = distances / radii  # (n_pairs,)
    outer = ((1.0 + DELTA) / (rho + DELTA)) ** 7
    return depths * outer * ((1.0 + GAMMA) / (rho**7 + GAMMA) - 2.0)
