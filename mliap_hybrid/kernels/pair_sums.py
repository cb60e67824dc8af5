"""Forces and virials from pair gradients by the native kernels, differentiable in these.

f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.kernels.library import FramePairs, open_library


class PairSums:
    """Pairs of frames laid end to end, and the sums over them."""

    def __init__(self, pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, frame_of_atom: Tensor, n_frames: int):
        """Take the pairs.

        Parameters
        ----------
        pair_i, pair_j : Tensor, shape (n_pairs,), int64
            Atoms, in [0, n_atoms): not checked.
        pair_vectors : Tensor, shape (n_pairs, 3), float64, Å
            r_p = r_j - r_i.
        frame_of_atom : Tensor, shape (n_atoms,), int64
        n_frames : int
        """
        self.n_atoms, self.n_frames = len(frame_of_atom), n_frames
        self._kept = tuple(tensor.contiguous() for tensor in (pair_i, pair_j, frame_of_atom, pair_vectors.double()))
        self.pairs = FramePairs(self.n_atoms, len(pair_i), n_frames, *(tensor.data_ptr() for tensor in self._kept))

    def __call__(self, gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Forces and virials, in the precision of the gradients.

        Parameters
        ----------
        gradients : Tensor, shape (n_pairs, 3), float32 or float64, eV/Å
            g_p = dE/dr_p.

        Returns
        -------
        forces : Tensor, shape (n_atoms, 3), eV/Å
        virials : Tensor, shape (n_frames, 3, 3), eV
        """
        return _PairSums.apply(gradients, self)


class _PairSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gradients, sums: PairSums):
        ctx.sums = sums
        forces = gradients.new_empty(sums.n_atoms, 3)
        virials = gradients.new_empty(sums.n_frames, 3, 3)
        _call("mliap_pair_sums", sums, gradients.contiguous(), forces, virials)
        return forces, virials

    @staticmethod
    def backward(ctx, by_forces, by_virials):
        return _by_pairs(by_forces, by_virials, ctx.sums), None


@one_by_one
def _by_pairs(by_forces: Tensor, by_virials: Tensor, sums: PairSums) -> Tensor:
    """Derivatives (n_pairs, 3) of a loss by the pair gradients from those by forces and virials."""
    by_gradients = by_forces.new_empty(sums.pairs.n_pairs, 3)
    _call("mliap_pair_sums_back", sums, by_forces.contiguous(), by_virials.contiguous(), by_gradients)
    return by_gradients


def _call(name: str, sums: PairSums, *arguments: Tensor) -> None:
    is_single = arguments[0].dtype == torch.float32
    pointers = (argument.data_ptr() for argument in arguments)
    getattr(open_library(), name)(is_single, ctypes.byref(sums.pairs), *pointers)
