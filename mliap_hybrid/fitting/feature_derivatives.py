"""How the whitened features of frames change with the pair vectors: a linear map that training applies in each step.

With the slopes s_i = dE_i/dx_i of the network,

    dE/dr_p = s_i . dx_i/dr_p,      i the centre of p.

Either the native kernels apply the map, which costs less than reading dx/dr from the memory and stores nothing, or
dx/dr is stored, where the kernels do not know the features.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.autograd import differentiable_gradient
from mliap_hybrid.kernels.multipoles import NativeMultipoles
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.structure import Geometry


class FramePairs(Protocol):
    """Atoms and neighbour pairs of one or more frames, as `TrainingFrames` have them."""

    @property
    def species(self) -> Tensor:
        """(n_atoms,) int64: index of each atom's element."""

    @property
    def pair_i(self) -> Tensor:
        """(n_pairs,) int64: centre of each pair; sorted."""

    @property
    def pair_j(self) -> Tensor:
        """(n_pairs,) int64: neighbour of each pair."""

    @property
    def pair_vectors(self) -> Tensor:
        """(n_pairs, 3) float64, Å: r_p."""


class FeatureDerivatives(Protocol):
    """dx/dr of one or more frames."""

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""

    def pair_gradients(self, frames: FramePairs, slopes: Tensor) -> Tensor:
        """dE/dr_p of each pair, differentiable once in the slopes.

        Parameters
        ----------
        frames : FramePairs
            Those that the derivatives are of.
        slopes : Tensor, shape (n_atoms, n_kept), eV
            dE_i/dx_i.

        Returns
        -------
        Tensor, shape (n_pairs, 3), eV/Å
            In the precision of the slopes.
        """

    def followed_by(self, others: Sequence[FeatureDerivatives]) -> FeatureDerivatives:
        """The derivatives of these frames and others, laid end to end; all of one kind."""


class KernelDerivatives:
    """Applied by the native kernels, in the precision of the slopes."""

    n_bytes = 0

    def __init__(self, features: GaussianMultipoles, whitening: Whitening, elements: Sequence[int]):
        """Serve all frames of a training.

        Parameters
        ----------
        features : GaussianMultipoles
            Which the kernels must know (`kernels.plan.is_supported`).
        whitening : Whitening
        elements : sequence of int
            Atomic numbers of the model, ascending: those of `FramePairs.rows`.
        """
        self.features = features
        self._matrix = {dtype: whitening.matrix.T.to(dtype).contiguous() for dtype in (torch.float32, torch.float64)}
        self._numbers = torch.tensor(elements)
        self._native: dict[torch.dtype, NativeMultipoles] = {}

    def pair_gradients(self, frames: FramePairs, slopes: Tensor) -> Tensor:
        """dE/dr_p (n_pairs, 3), eV/Å, from dE_i/dx_i (n_atoms, n_kept)."""
        native = self._native_in(slopes.dtype)
        numbers = self._numbers.index_select(0, frames.species)  # (n_atoms,)
        of_neighbours = numbers.index_select(0, frames.pair_j)  # (n_pairs,)
        pairs = native.sort(Geometry(numbers, of_neighbours, frames.pair_i, frames.pair_vectors))
        return differentiable_gradient(native, pairs, slopes @ self._matrix[slopes.dtype])

    def followed_by(self, others: Sequence[FeatureDerivatives]) -> KernelDerivatives:
        """Themselves: they are those of all frames."""
        return self

    def _native_in(self, dtype: torch.dtype) -> NativeMultipoles:
        if dtype not in self._native:
            self._native[dtype] = NativeMultipoles(self.features, dtype=dtype, n_threads=torch.get_num_threads())
        return self._native[dtype]


@dataclass(frozen=True)
class StoredDerivatives:
    """Held in memory."""

    jacobians: tuple[Tensor, ...]
    """(n_pairs, 3, n_kept) of each frame, 1/Å: derivative of the whitened features of i with respect to
    r_p = r_j - r_i. Most of the memory: laying them end to end would take a good part of a step."""

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""
        return sum(jacobian.nbytes for jacobian in self.jacobians)

    def pair_gradients(self, frames: FramePairs, slopes: Tensor) -> Tensor:
        """dE/dr_p (n_pairs, 3), eV/Å, from dE_i/dx_i (n_atoms, n_kept)."""
        pair_i = frames.pair_i.split([len(jacobian) for jacobian in self.jacobians])
        # Row times matrix: several times faster than matrix times column, here and in the backward pass.
        gradients = [
            torch.bmm(slopes.index_select(0, of_frame)[:, None], jacobian.to(slopes.dtype).transpose(1, 2))
            for of_frame, jacobian in zip(pair_i, self.jacobians, strict=True)
        ]  # (n_pairs of the frame, 1, 3) each
        return torch.cat(gradients).squeeze(1)

    def followed_by(self, others: Sequence[FeatureDerivatives]) -> StoredDerivatives:
        """The derivatives of these frames and others, in their order."""
        stored = [other for other in others if isinstance(other, StoredDerivatives)]
        if len(stored) < len(others):
            raise ValueError("expected derivatives that are stored, like the first; found others")
        return StoredDerivatives(tuple(itertools.chain(self.jacobians, *(other.jacobians for other in stored))))
