"""The back end in plain torch, the reference for the others: all features, devices and precisions that torch knows."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels import torch_network
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.torch_pair_sums import TorchPairSums
from mliap_hybrid.structure import Geometry


class TorchBackend:
    """A `Backend` for everything: the featuriser's own `vjp`, and automatic differentiation where it has no method.

    Parameters
    ----------
    features : Featuriser
        Used as it is where it is on the device, else copied.
    heads : sequence of NetworkWeights
    device : torch.device or str
    dtype : torch.dtype
        Precision of the arithmetic. Pair gradients and values of heads are float64 at any.
    """

    applies_derivatives: ClassVar[bool] = False
    fuses_heads: ClassVar[bool] = False

    def __init__(
        self,
        features: Featuriser,
        heads: Sequence[NetworkWeights] = (),
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float64,
    ):
        self.device, self.dtype = torch.device(device), dtype
        self.features = _on_device(features, self.device)
        self.n_features, self.n_heads = features.n_features, len(heads)
        self._heads = [head.to(self.device, dtype) for head in heads]
        self._elements = torch.tensor(features.elements, device=self.device)  # (n_elements,)

    @staticmethod
    def supports(
        features: Featuriser | None, heads: Sequence[NetworkWeights], device: torch.device, dtype: torch.dtype
    ) -> bool:
        """As `Backend`."""
        return dtype.is_floating_point

    def prepare(self, geometry: Geometry) -> Geometry:
        """As `Backend`: constants, in the precision of the back end."""
        return replace(geometry, pair_vectors=geometry.pair_vectors.detach().to(self.dtype))

    def forward(self, geometry: Geometry) -> Tensor:
        """As `Backend`: (n_centres, n_features)."""
        return self.forward_with_state(geometry)[0]

    @torch.no_grad()
    def forward_with_state(self, geometry: Geometry) -> tuple[Tensor, Any]:
        """As `Backend`: (n_centres, n_features), and the state of the featuriser."""
        return self.features.forward_with_state(self.prepare(geometry))

    @torch.no_grad()
    def vjp(self, geometry: Geometry, feature_gradient: Tensor, state: Any = None) -> Tensor:
        """As `Backend`: (n_pairs, 3) float64."""
        weights = self._of_centres(feature_gradient, geometry)
        return self.features.vjp(self.prepare(geometry), weights, state).double()

    @torch.enable_grad()
    def jvp(self, geometry: Geometry, displacements: Tensor) -> Tensor:
        """As `Backend`: (n_centres, n_features); the transpose of the vjp, by differentiation of what is linear."""
        moved = self._of_pairs(displacements, geometry)
        weights = moved.new_zeros((geometry.n_centres, self.n_features)).requires_grad_()
        product = (self.features.vjp(self.prepare(geometry), weights) * moved).sum()
        return _derivative(product, weights)

    @torch.enable_grad()
    def hvp(self, geometry: Geometry, feature_gradient: Tensor, displacements: Tensor) -> Tensor:
        """As `Backend`: (n_pairs, 3) float64; by differentiation twice."""
        weights, moved = self._of_centres(feature_gradient, geometry), self._of_pairs(displacements, geometry)
        constants = self.prepare(geometry)
        vectors = constants.pair_vectors.clone().requires_grad_()
        total = (self.features(replace(constants, pair_vectors=vectors)) * weights).sum()
        product = (_derivative(total, vectors, create_graph=True) * moved).sum()
        return _derivative(product, vectors).double()

    def heads_and_gradients(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """As `Backend`: (n_heads, n_centres) and (n_heads, n_pairs, 3), float64."""
        values, by_features, state = self._heads_on_features(geometry)
        return values, torch.stack([self.vjp(geometry, of_head, state) for of_head in by_features])

    def heads_and_mean_gradient(self, geometry: Geometry) -> tuple[Tensor, Tensor]:
        """As `Backend`: (n_heads, n_centres) and (n_pairs, 3), float64."""
        values, by_features, state = self._heads_on_features(geometry)
        return values, self.vjp(geometry, by_features.mean(0), state)

    @staticmethod
    def pair_sums(
        pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, structure_of_atom: Tensor, n_structures: int
    ) -> TorchPairSums:
        """As `Backend`."""
        return TorchPairSums(pair_i, pair_j, pair_vectors, structure_of_atom, n_structures)

    @staticmethod
    def values_and_gradients(features: Tensor, species: Tensor, network: NetworkWeights) -> tuple[Tensor, Tensor]:
        """As `Backend`."""
        return torch_network.values_and_gradients(features, species, network)

    def check_heads(self) -> None:
        """Refuse to evaluate heads where there are none.

        Raises
        ------
        InputError
        """
        if not self._heads:
            raise InputError("the back end was made without a network: give it heads")

    @torch.no_grad()
    def heads_of(self, features: Tensor, species: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n_heads, n_centres) float64 and gradients (n_heads, n_centres, n_features) by given features.

        Parameters
        ----------
        features : Tensor, shape (n_centres, n_features)
        species : Tensor, shape (n_centres,), int64
            Index of each centre's element.
        """
        found = [torch_network.values_and_gradients(features, species, head) for head in self._heads]
        values, by_features = zip(*found, strict=True)
        return torch.stack(values).double(), torch.stack(by_features)

    def _heads_on_features(self, geometry: Geometry) -> tuple[Tensor, Tensor, Any]:
        """Values (n_heads, n_centres), gradients by the features (n_heads, n_centres, n_features), and the state."""
        self.check_heads()
        features, state = self.forward_with_state(geometry)
        species = torch.searchsorted(self._elements, geometry.centre_numbers)  # (n_centres,)
        return *self.heads_of(features, species), state

    def _of_centres(self, feature_gradient: Tensor, geometry: Geometry) -> Tensor:
        expected = (geometry.n_centres, self.n_features)
        if feature_gradient.shape != expected:
            raise ValueError(f"expected dE/dF of shape {expected}, got {tuple(feature_gradient.shape)}")
        return feature_gradient.detach().to(self.dtype)

    def _of_pairs(self, displacements: Tensor, geometry: Geometry) -> Tensor:
        expected = geometry.pair_vectors.shape
        if displacements.shape != expected:
            raise ValueError(f"expected displacements of shape {tuple(expected)}, got {tuple(displacements.shape)}")
        return displacements.detach().to(self.dtype)


def _derivative(value: Tensor, by: Tensor, create_graph: bool = False) -> Tensor:
    """Derivative of a number; zeros where it does not depend on the tensor."""
    if not value.requires_grad:
        return torch.zeros_like(by)
    (result,) = torch.autograd.grad(value, by, create_graph=create_graph, allow_unused=True, materialize_grads=True)
    return result


def _on_device(features: Featuriser, device: torch.device) -> Featuriser:
    """The features themselves where their tables are on the device, or else a copy of them."""
    if not isinstance(features, torch.nn.Module):
        return features
    if all(buffer.device == device for buffer in features.buffers()):
        return features
    return copy.deepcopy(features).to(device)
