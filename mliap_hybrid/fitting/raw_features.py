"""Features as the featuriser gives them, before whitening: what training needs of a frame and no parameter changes.

The derivatives are kept in float32. They are whitened in float64, so the rounding of a force is that of float32 times
the spread of the whitening's matrix: below 1e-6 of the force at the usual dampings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.whitening import Whitening
from mliap_hybrid.structure import Batch


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

    def raw(self, batch: Batch) -> RawFeatures:
        """Features and derivatives of one structure."""


class ComputedFeatures:
    """Features computed whenever they are asked for."""

    def __init__(self, featuriser: Featuriser):
        self.featuriser = featuriser

    def features(self, batch: Batch) -> Tensor:
        """Features (n_atoms, n_features), float64, of one structure."""
        with torch.no_grad():
            return self.featuriser(batch.environments())

    def raw(self, batch: Batch) -> RawFeatures:
        """Features and derivatives of one structure."""
        with torch.no_grad():
            return RawFeatures(self.features(batch), self.featuriser.jacobian(batch.environments()).float())


def whitened_jacobian(raw: RawFeatures, whitening: Whitening) -> Tensor:
    """Derivatives (n_pairs, 3, n_kept), float32, of whitened features: the map is linear, so its matrix is applied."""
    return (raw.jacobian.double() @ whitening.matrix).float()


def size_of_raw_features(batches: Sequence[Batch], n_features: int) -> int:
    """Bytes of the raw features of all batches; the derivatives are nearly all of it."""
    return sum(8 * n_features * batch.n_atoms + 12 * n_features * batch.n_pairs for batch in batches)
