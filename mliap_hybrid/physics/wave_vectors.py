"""The wave vectors of a lattice that matter to Gaussian charges, and their weights in the Coulomb energy."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mliap_hybrid.units import COULOMB_CONSTANT

TOLERANCE = 1e-14
"""Wave vectors with exp(-sigma^2 k^2 / 2) below this are left out: their set is complete to rounding."""


def longest_wave_vector(smearing: float, tolerance: float = TOLERANCE) -> float:
    """Length in 1/Å below which wave vectors matter to Gaussians of width `smearing` (Å)."""
    return math.sqrt(-2.0 * math.log(tolerance)) / smearing


def largest_indices(cells: Tensor, longest: float) -> Tensor:
    """Largest |n| on each axis of wave vectors up to a length.

    Parameters
    ----------
    cells : Tensor, shape (..., 3, 3), Å
    longest : float, 1/Å

    Returns
    -------
    Tensor of int64, shape (..., 3)
    """
    return torch.floor(longest * cells.norm(dim=-1) / (2.0 * math.pi)).to(torch.int64)


def wave_vectors(cell: Tensor, longest: float) -> tuple[Tensor, Tensor]:
    """Half of the wave vectors up to a length (k and -k count once).

    Parameters
    ----------
    cell : Tensor, shape (3, 3), Å
        Lattice vectors as rows.
    longest : float, 1/Å

    Returns
    -------
    indices : Tensor, shape (n_k, 3)
        Integers n with k = 2 pi n inv(cell)^T.
    vectors : Tensor, shape (n_k, 3), 1/Å
    """
    largest = largest_indices(cell, longest).tolist()  # 3 integers
    axes = [torch.arange(-n, n + 1, device=cell.device) for n in largest]
    indices = torch.cartesian_prod(*axes)  # (n_all, 3)
    n1, n2, n3 = indices.unbind(1)
    upper_half = (n1 > 0) | ((n1 == 0) & ((n2 > 0) | ((n2 == 0) & (n3 > 0))))
    indices = indices[upper_half].to(cell.dtype)  # (n_half, 3)
    vectors = 2.0 * math.pi * indices @ torch.linalg.inv(cell).T  # (n_half, 3)
    inside = vectors.norm(dim=1) < longest
    return indices[inside], vectors[inside]


def wave_vector_columns(reciprocal: Tensor, longest: float, n1_max: int, n2_max: int) -> tuple[Tensor, Tensor]:
    """Half of the wave vectors of several cells up to a length, as columns along their third reciprocal vector.

    Parameters
    ----------
    reciprocal : Tensor, shape (n_structures, 3, 3), 1/Å
        Reciprocal lattice vectors as rows, 2 pi included.
    longest : float, 1/Å
    n1_max, n2_max : int
        Largest indices on the first two axes.

    Returns
    -------
    columns : Tensor of int64, shape (n_columns, 2)
        (n1, n2) with n1 > 0, or n1 = 0 and n2 >= 0; the longest columns last.
    extents : Tensor of int64, shape (n_columns,)
        Largest |n3| in each column.
    """
    device = reciprocal.device
    n1, n2 = torch.arange(n1_max + 1, device=device), torch.arange(-n2_max, n2_max + 1, device=device)
    columns = torch.cartesian_prod(n1, n2)  # (n_all, 2)
    columns = columns[(columns[:, 0] > 0) | (columns[:, 1] >= 0)]  # (n_half, 2)
    in_plane = columns.to(reciprocal.dtype) @ reciprocal[:, :2]  # (b, n_half, 3)
    third = reciprocal[:, None, 2]  # (b, 1, 3)
    third_squared = third.square().sum(2)  # (b, 1)
    middle = -(in_plane * third).sum(2) / third_squared  # (b, n_half): n3 of the point nearest to the origin
    closest = in_plane + middle[..., None] * third  # (b, n_half, 3)
    half_squared = longest**2 - closest.square().sum(2)  # (b, n_half)
    half_length = (half_squared.clamp(min=0.0) / third_squared).sqrt()  # (b, n_half)
    extents = torch.where(half_squared > 0.0, torch.floor(middle.abs() + half_length), -1.0).amax(0)  # (n_half,)
    order = torch.argsort(extents, stable=True)  # (n_half,)
    order = order[extents[order] >= 0.0]
    return columns[order], extents[order].to(torch.int64)


def coulomb_weights(k_squared: Tensor, volume: Tensor, smearing: float) -> Tensor:
    """w_k of E = sum over half of the wave vectors of w_k |S(k)|^2.

    Parameters
    ----------
    k_squared : Tensor, shape (..., n_k), 1/Å^2
        Greater than zero.
    volume : Tensor, broadcastable to (..., n_k), Å^3
    smearing : float, Å

    Returns
    -------
    Tensor, shape (..., n_k), eV/e^2
        (4 pi k_e / V) exp(-sigma^2 k^2 / 2) / k^2: twice the weight of a single k, as -k counts too.
    """
    return (4.0 * math.pi * COULOMB_CONSTANT / volume) * torch.exp(-0.5 * smearing**2 * k_squared) / k_squared


def background_weight(volume: Tensor, smearing: float) -> Tensor:
    """b of E = b Q^2, the uniform background that makes a cell of total charge Q neutral: eV/e^2, shape of `volume`.

    b = -pi k_e sigma^2 / V; with it, smeared and point charges differ by pair and self terms alone.
    """
    return -math.pi * COULOMB_CONSTANT * smearing**2 / volume
