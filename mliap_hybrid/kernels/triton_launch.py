"""How kernels are started, whichever they are."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor

FUSE_MULTIPLY_ADDS = True
"""Products and sums in one operation with one rounding; said at each start, for Triton's own choice will change."""

BLOCK = 16
"""Pairs that a program has in registers at a time."""

WORDS = 64
"""Registers of 32 bits that a thread may use for the numbers of the moments' components."""


def on_device_of(tensor: Tensor) -> AbstractContextManager:
    """Within this, kernels are started on the device of a tensor; Triton takes torch's current one."""
    return torch.cuda.device_of(tensor)


def warps_for(n_components: int, n_places: int, dtype: torch.dtype) -> int:
    """How many warps share a block of pairs, so that what is kept for it stays in the registers.

    Parameters
    ----------
    n_components : int
        2n + 1 of all orders together.
    n_places : int
        Probes of an order, padded.
    dtype : torch.dtype

    Returns
    -------
    int
        1, 2, 4 or 8; never more threads than there are pairs and probes.
    """
    words = n_components * n_places * BLOCK * dtype.itemsize // 4
    warps = 1
    while warps < 8 and words > 32 * warps * WORDS and 64 * warps <= n_places * BLOCK:
        warps *= 2
    return warps
