"""No features at all: for models whose energy has no network, but explicit terms alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.features.distances import check_distances
from mliap_hybrid.features.elements import SpeciesIndex
from mliap_hybrid.structure import Geometry


class NoFeatures:
    """Elements and a cutoff, with nothing computed from them."""

    n_features = 0

    def __init__(self, elements: Sequence[int], cutoff: float):
        """Take the atomic numbers that may occur, and the cutoff in Å."""
        self.elements = tuple(sorted(elements))
        self.cutoff = float(cutoff)
        self._species_of = SpeciesIndex(self.elements)

    @property
    def feature_labels(self) -> list[str]:
        """No labels."""
        return []

    def __call__(self, geometry: Geometry) -> Tensor:
        """Nothing for each centre: (n_centres, 0).

        Raises
        ------
        InputError
            As `Featuriser`.
        """
        self._species_of(geometry.centre_numbers.cpu())
        self._species_of(geometry.neighbour_numbers.cpu())
        check_distances(geometry.distances, geometry)
        return geometry.pair_vectors.new_zeros(geometry.n_centres, 0)

    def forward_with_state(self, geometry: Geometry) -> tuple[Tensor, None]:
        """Nothing for each centre (n_centres, 0), and no state."""
        return self(geometry), None

    def vjp(self, geometry: Geometry, feature_gradient: Tensor, state: Any = None) -> Tensor:
        """Zeros (n_pairs, 3)."""
        return torch.zeros_like(geometry.pair_vectors)

    def jacobian(self, geometry: Geometry) -> Tensor:
        """Nothing for each pair: (n_pairs, 3, 0)."""
        return geometry.pair_vectors.new_zeros(len(geometry.pair_vectors), 3, 0)
