"""How the whitened features of frames change with the pair vectors: a linear map that training applies in each step.

With the feature gradients s_i = dE_i/dx_i of the network,

    dE/dr_p = s_i . dx_i/dr_p,      i the centre of p.

Either a back end applies the map, where this costs less than reading dx/dr from the memory and stores nothing, or dx/dr
is stored.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels.autograd import differentiable_vjp
from mliap_hybrid.kernels.backend import Backend, backend_class, backend_for
from mliap_hybrid.model.hybrid import Environment
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.structure import Geometry, within_molecules


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

    @property
    def is_between_molecules(self) -> Tensor:
        """(n_pairs,) bool: whether the atoms of each pair are in different molecules."""


class FeatureDerivatives(Protocol):
    """dx/dr of one or more frames."""

    @property
    def n_bytes(self) -> int:
        """Memory that they take."""

    def pair_gradients(self, frames: FramePairs, feature_gradients: Tensor) -> Tensor:
        """dE/dr_p of each pair, differentiable once in the feature gradients.

        Parameters
        ----------
        frames : FramePairs
            Those that the derivatives are of.
        feature_gradients : Tensor, shape (n_atoms, n_kept), eV
            dE_i/dx_i.

        Returns
        -------
        Tensor, shape (n_pairs, 3), eV/Å
            In the precision of the feature gradients.
        """

    def followed_by(self, others: Sequence[FeatureDerivatives]) -> FeatureDerivatives:
        """The derivatives of these frames and others, laid end to end; all of one kind."""


def stores_derivatives(features: Featuriser) -> bool:
    """Whether a training stores the derivatives of these features, since no back end applies them as fast."""
    return not backend_class(features).applies_derivatives


class KernelDerivatives:
    """Applied by a back end, in the precision of the feature gradients and on their device."""

    n_bytes = 0

    def __init__(
        self,
        features: Featuriser,
        whitening: Whitening,
        elements: Sequence[int],
        environment: Environment = "all",
    ):
        """Serve all frames of a training.

        Parameters
        ----------
        features : Featuriser
        whitening : Whitening
        elements : sequence of int
            Atomic numbers of the model, ascending: those of `FramePairs.species`.
        environment : {"all", "molecule"}
            What features see.
        """
        self.features = features
        self.environment = environment
        # (n_kept, n_features), or (n_features,) of a diagonal one
        self._matrix = whitening.matrix.T if whitening.diagonal is None else whitening.diagonal
        self._numbers = torch.tensor(elements)
        self._of: dict[tuple[torch.device, torch.dtype], tuple[Backend, Tensor, Tensor]] = {}

    def pair_gradients(self, frames: FramePairs, feature_gradients: Tensor) -> Tensor:
        """dE/dr_p (n_pairs, 3), eV/Å, from dE_i/dx_i (n_atoms, n_kept)."""
        backend, matrix, elements = self._for(feature_gradients)
        numbers = elements.index_select(0, frames.species)  # (n_atoms,)
        of_neighbours = numbers.index_select(0, frames.pair_j)  # (n_pairs,)
        vectors = frames.pair_vectors
        if self.environment == "molecule":
            vectors = within_molecules(vectors, frames.is_between_molecules)
        geometry = backend.prepare(Geometry(numbers, of_neighbours, frames.pair_i, vectors))
        gradients = (
            feature_gradients @ matrix if matrix.ndim == 2 else feature_gradients * matrix
        )  # (n_atoms, n_features)
        return differentiable_vjp(backend, geometry, gradients)

    def followed_by(self, others: Sequence[FeatureDerivatives]) -> KernelDerivatives:
        """Themselves: they are those of all frames."""
        return self

    def _for(self, feature_gradients: Tensor) -> tuple[Backend, Tensor, Tensor]:
        """Back end, matrix (n_kept, n_features) and atomic numbers (n_elements,) for gradients like these."""
        key = (feature_gradients.device, feature_gradients.dtype)
        if key not in self._of:
            backend = backend_for(self.features, (), *key)
            self._of[key] = (
                backend,
                self._matrix.to(feature_gradients).contiguous(),
                self._numbers.to(feature_gradients.device),
            )
        return self._of[key]


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

    def pair_gradients(self, frames: FramePairs, feature_gradients: Tensor) -> Tensor:
        """dE/dr_p (n_pairs, 3), eV/Å, from dE_i/dx_i (n_atoms, n_kept)."""
        pair_i = frames.pair_i.split([len(jacobian) for jacobian in self.jacobians])
        # Row times matrix: several times faster than matrix times column, here and in the backward pass.
        gradients = [
            torch.bmm(
                feature_gradients.index_select(0, of_frame)[:, None],
                jacobian.to(feature_gradients.dtype).transpose(1, 2),
            )
            for of_frame, jacobian in zip(pair_i, self.jacobians, strict=True)
        ]  # (n_pairs of the frame, 1, 3) each
        return torch.cat(gradients).squeeze(1)

    def followed_by(self, others: Sequence[FeatureDerivatives]) -> StoredDerivatives:
        """The derivatives of these frames and others, in their order."""
        stored = [other for other in others if isinstance(other, StoredDerivatives)]
        if len(stored) < len(others):
            raise ValueError("expected derivatives that are stored, like the first; found others")
        return StoredDerivatives(tuple(itertools.chain(self.jacobians, *(other.jacobians for other in stored))))
