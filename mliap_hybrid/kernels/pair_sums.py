"""Forces and virials from pair gradients by the native kernels, differentiable in these.

f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.kernels.library import open_library
from mliap_hybrid.kernels.pointers import pointer
from mliap_hybrid.kernels.structs import FramePairs


class NativePairSums:
    """As `PairSums` (backend.py)."""

    def __init__(
        self, pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, structure_of_atom: Tensor, n_structures: int
    ):
        """Take the pairs; arguments as `Backend.pair_sums`."""
        self.n_atoms, self.n_structures = len(structure_of_atom), n_structures
        indices = [tensor.contiguous() for tensor in (pair_i, pair_j, structure_of_atom)]
        vectors = pair_vectors.detach().double().contiguous()
        addresses = [*(pointer(tensor, torch.int64) for tensor in indices), pointer(vectors, torch.float64)]
        self.pairs = FramePairs(self.n_atoms, len(pair_i), n_structures, *addresses)
        self._kept = (*indices, vectors)

    def __call__(self, gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Forces (n_atoms, 3) and virials (n_structures, 3, 3) from pair gradients (n_pairs, 3)."""
        return _PairSums.apply(gradients, self)


class _PairSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx, gradients, sums: NativePairSums):
        ctx.sums = sums
        forces = gradients.new_empty(sums.n_atoms, 3)
        virials = gradients.new_empty(sums.n_structures, 3, 3)
        _call("mliap_pair_sums", sums, gradients.contiguous(), forces, virials)
        return forces, virials

    @staticmethod
    def backward(ctx, by_forces, by_virials):
        return _by_pairs(by_forces, by_virials, ctx.sums), None


@one_by_one
def _by_pairs(by_forces: Tensor, by_virials: Tensor, sums: NativePairSums) -> Tensor:
    """Derivatives (n_pairs, 3) of a loss by the pair gradients from those by forces and virials."""
    by_gradients = by_forces.new_empty(sums.pairs.n_pairs, 3)
    _call("mliap_pair_sums_back", sums, by_forces.contiguous(), by_virials.contiguous(), by_gradients)
    return by_gradients


def _call(name: str, sums: NativePairSums, *arguments: Tensor) -> None:
    dtype = arguments[0].dtype if arguments[0].dtype == torch.float32 else torch.float64
    addresses = [pointer(argument, dtype) for argument in arguments]
    getattr(open_library(), name)(dtype == torch.float32, ctypes.byref(sums.pairs), *addresses)
