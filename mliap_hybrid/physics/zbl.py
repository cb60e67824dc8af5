"""Screened nuclear repulsion of Ziegler, Biersack and Littmark (The Stopping and Range of Ions in Solids, 1985)."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.units import BOHR, COULOMB_CONSTANT

SCREENING_AMPLITUDES = (0.18175, 0.50986, 0.28022, 0.02817)
"""Universal screening function: phi(x) = sum_t amplitude_t exp(-decay_t x), phi(0) = 1 within 1e-5."""

SCREENING_DECAYS = (3.19980, 0.94229, 0.40290, 0.20162)
"""Decay constants of the four terms, in units of the inverse screening length."""


def zbl_energy(distances: Tensor, z_i: Tensor, z_j: Tensor) -> Tensor:
    """Universal ZBL energy of bare pairs, k_e Z_i Z_j / r phi(r / a), a = 0.8854 a_0 / (Z_i^0.23 + Z_j^0.23).

    Parameters
    ----------
    distances : Tensor, shape (n_pairs,), Å
    z_i, z_j : Tensor, shape (n_pairs,)
        Atomic numbers, in the floating type of `distances`.

    Returns
    -------
    Tensor, shape (n_pairs,), eV
    """
    x = distances / screening_length(z_i, z_j)  # (n_pairs,)
    screening = torch.zeros_like(x)
    for amplitude, decay in zip(SCREENING_AMPLITUDES, SCREENING_DECAYS, strict=True):
        screening = screening + amplitude * torch.exp(-decay * x)
    return COULOMB_CONSTANT * z_i * z_j / distances * screening


def screening_length(z_i: Tensor, z_j: Tensor) -> Tensor:
    """0.8854 a_0 / (Z_i^0.23 + Z_j^0.23), Å, of atomic numbers of any shape, in a floating type."""
    return 0.8854 * BOHR / (z_i**0.23 + z_j**0.23)


def envelope(x: Tensor) -> Tensor:
    """1 at x = 0, 0 from x = 1 on, with two continuous derivatives at 1: 1 - 28 x^6 + 48 x^7 - 21 x^8.

    Source: Gasteiger, Groß, Günnemann, arXiv 2003.03123, eq. 8 with p = 6.
    """
    inside = 1.0 - x**6 * (28.0 - 48.0 * x + 21.0 * x**2)
    return torch.where(x < 1.0, inside, torch.zeros_like(x))
