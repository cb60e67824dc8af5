"""Permanent dipoles of atoms: the first moments of their close neighbours, each with a strength of its own.

    mu_i = sum_j w(r_ij) s_j r_ij,      w(r) = (1 - r^2 / R^2)^3 for r < R, r_ij = r_j - r_i

A dipole turns with the atoms as it must, since it is a sum of vectors between them, and needs no frame. An atom between
two like neighbours has none.
"""

from __future__ import annotations

import torch
from torch import Tensor


def bond_dipoles(vectors: Tensor, pair_i: Tensor, strengths: Tensor, n_centres: int, reach: float) -> Tensor:
    """mu of each centre, differentiable twice in vectors and strengths.

    Parameters
    ----------
    vectors : Tensor, shape (n_pairs, 3), Å
        r_ij.
    pair_i : Tensor, shape (n_pairs,), int64
        Centre of each pair.
    strengths : Tensor, shape (n_pairs,), e
        s_j of the neighbour of each pair.
    n_centres : int
    reach : float, Å
        R.

    Returns
    -------
    Tensor, shape (n_centres, 3), e Å
    """
    close = (vectors.detach().square().sum(1) < reach**2).nonzero()[:, 0]  # few pairs: those of bonds
    near = vectors.index_select(0, close)  # (n_close, 3)
    window = (1.0 - near.square().sum(1) / reach**2) ** 3  # (n_close,)
    of_pairs = (window * strengths.index_select(0, close))[:, None] * near  # (n_close, 3)
    zeros = torch.zeros((n_centres, 3), dtype=of_pairs.dtype, device=of_pairs.device)
    return zeros.index_add(0, pair_i.index_select(0, close), of_pairs)
