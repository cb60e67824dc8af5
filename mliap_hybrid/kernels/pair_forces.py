"""Forces on atoms from the gradients of their pairs, on the compiled kernels."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.kernels.library import open_library
from mliap_hybrid.structure import Batch


def pair_forces(batch: Batch, pair_gradients: Tensor) -> Tensor:
    """f_i = sum over pairs of i of g_p - sum over pairs to i of g_p.

    Parameters
    ----------
    batch : Batch
        On the CPU; its pairs are sorted by centre.
    pair_gradients : Tensor, shape (n_pairs, 3), float64, eV/Å
        g_p = dE/dr_p with r_p = r_j - r_i; without gradient of its own.

    Returns
    -------
    Tensor, shape (n_atoms, 3), float64, eV/Å
    """
    offsets = torch.zeros(batch.n_atoms + 1, dtype=torch.int64)
    torch.cumsum(torch.bincount(batch.pair_i, minlength=batch.n_atoms), 0, out=offsets[1:])
    neighbours, gradients = batch.pair_j.contiguous(), pair_gradients.contiguous()
    forces = torch.empty((batch.n_atoms, 3), dtype=torch.float64)
    open_library().mliap_pair_forces(
        offsets.data_ptr(), neighbours.data_ptr(), gradients.data_ptr(), batch.n_atoms, forces.data_ptr()
    )
    return forces
