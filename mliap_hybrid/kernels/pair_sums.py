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
        """Take the pairs; arguments as `Backend.pair_sums`.

        Raises
        ------
        ValueError
            If shapes do not belong together, or an index is none of an atom or structure.
        """
        self.n_atoms, self.n_structures = len(structure_of_atom), n_structures
        if not pair_i.shape == pair_j.shape == pair_vectors.shape[:1] or pair_vectors.shape[1:] != (3,):
            raise ValueError(
                "expected pair_i and pair_j (n_pairs,) and pair_vectors (n_pairs, 3), got "
                f"{tuple(pair_i.shape)}, {tuple(pair_j.shape)} and {tuple(pair_vectors.shape)}"
            )
        _check_indices(pair_i, self.n_atoms, "pair_i")
        _check_indices(pair_j, self.n_atoms, "pair_j")
        _check_indices(structure_of_atom, n_structures, "structure_of_atom")
        indices = [tensor.contiguous() for tensor in (pair_i, pair_j, structure_of_atom)]
        vectors = pair_vectors.detach().double().contiguous()
        addresses = [*(pointer(tensor, torch.int64) for tensor in indices), pointer(vectors, torch.float64)]
        self.pairs = FramePairs(self.n_atoms, len(pair_i), n_structures, *addresses)
        self._kept = (*indices, vectors)

    def __call__(self, gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Forces (n_atoms, 3) and virials (n_structures, 3, 3) from pair gradients (n_pairs, 3).

        Raises
        ------
        ValueError
            If they have another shape.
        """
        if gradients.shape != (self.pairs.n_pairs, 3):
            raise ValueError(f"expected gradients of shape ({self.pairs.n_pairs}, 3), got {tuple(gradients.shape)}")
        return _PairSums.apply(gradients, self)


def _check_indices(index: Tensor, end: int, name: str) -> None:
    """Refuse what the kernel would take for a place in memory."""
    if index.is_meta or index.numel() == 0:  # of other devices the pointers say so
        return
    least, most = (int(each) for each in torch.aminmax(index))
    if index.ndim != 1 or least < 0 or most >= end:
        raise ValueError(
            f"expected {name} of shape (n,) from 0 to {end - 1}, got {tuple(index.shape)}, {least} to {most}"
        )


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
