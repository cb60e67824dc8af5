"""Features as the featuriser gives them, before whitening: what training needs of a frame and no parameter changes.

Derivatives are needed where no back end applies them, and are kept in float32. They are whitened in float64, so
the rounding of a force is that of float32 times the spread of the whitening's matrix: below 1e-6 of the force at the
usual dampings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels.autograd import differentiable_features
from mliap_hybrid.kernels.backend import backend_for
from mliap_hybrid.model.hybrid import Environment
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.structure import Batch, Geometry


@dataclass(frozen=True)
class RawFeatures:
    """Features of one frame and their derivatives."""

    features: Tensor
    """(n_atoms, n_features) float64."""
    jacobian: Tensor
    """(n_pairs, 3, n_features) float32, 1/Å: derivative of the features of i with respect to r_p = r_j - r_i."""


class FeatureSource(Protocol):
    """Where the features of a frame come from."""

    def features(self, batch: Batch) -> Tensor:
        """Features (n_atoms, n_features), float64, of one structure."""

    def features_and_jacobian(self, batch: Batch) -> RawFeatures:
        """Features and derivatives of one structure."""


class ComputedFeatures:
    """Features computed whenever they are asked for."""

    def __init__(self, featuriser: Featuriser, environment: Environment = "all"):
        self.featuriser = featuriser
        self.environment = environment
        self._compute = FastFeatures(featuriser)

    def features(self, batch: Batch) -> Tensor:
        """Features (n_atoms, n_features), float64, of one structure."""
        with torch.no_grad():
            return self._compute(self._seen(batch))

    def features_and_jacobian(self, batch: Batch) -> RawFeatures:
        """Features and derivatives of one structure."""
        geometry = self._seen(batch)
        with torch.no_grad():
            return RawFeatures(self.featuriser(geometry), self.featuriser.jacobian(geometry).float())

    def _seen(self, batch: Batch) -> Geometry:
        """What features see of a structure."""
        geometry = batch.geometry()
        return geometry if self.environment == "all" else geometry.within_molecules()


class FeatureFunction(Protocol):
    """Features and nothing else; a `Featuriser` is one."""

    cutoff: float
    """Å."""

    def __call__(self, geometry: Geometry) -> Tensor:
        """Features (n_centres, n_features), differentiable twice by autograd."""


class FastFeatures:
    """Features by the best back end of the processor, in float64; a `FeatureFunction`."""

    def __init__(self, featuriser: Featuriser):
        self.cutoff = featuriser.cutoff
        self._backend = backend_for(featuriser)

    def __call__(self, geometry: Geometry) -> Tensor:
        """Features (n_centres, n_features), differentiable twice by autograd."""
        return differentiable_features(self._backend, geometry)


def whitened_jacobian(raw_features: RawFeatures, whitening: Whitening) -> Tensor:
    """Derivatives (n_pairs, 3, n_kept), float32, of whitened features: the map is linear, so its matrix is applied."""
    return (raw_features.jacobian.double() @ whitening.matrix).float()


def size_of_raw_features(batches: Sequence[Batch], n_features: int, with_derivatives: bool) -> int:
    """Bytes of the raw features of all batches; the derivatives, if there are any, are nearly all of it."""
    return sum(n_features * (8 * batch.n_atoms + 12 * batch.n_pairs * with_derivatives) for batch in batches)
