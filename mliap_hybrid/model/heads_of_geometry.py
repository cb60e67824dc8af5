"""What the heads of a model say of a geometry: by a back end in one pass, or by torch on its features."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.model.heads import Heads, Network
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.structure import Geometry


class FusedHeads:
    """Features, networks and gradients of all heads in one pass of a back end."""

    def __init__(self, heads: Heads, backend: Backend, geometry: Geometry):
        """Compute.

        Parameters
        ----------
        heads : Heads
        backend : Backend
            With the networks of the heads, in order.
        geometry : Geometry
        """
        self._pair_i = geometry.pair_i
        sizes = [len(head.members) for head in heads]
        if len(sizes) == 1:  # the derivative of the mean costs one, whatever the number of members
            values, gradients = backend.heads_and_mean_gradient(geometry)  # (n_members, n_centres), (n_pairs, 3)
            self._gradients = [gradients]
        else:
            values, each = backend.heads_and_gradients(geometry)  # (n_networks, n_centres), (n_networks, n_pairs, 3)
            self._gradients = [of_head[0] if len(of_head) == 1 else of_head.mean(0) for of_head in each.split(sizes)]
        names = [head.name for head in heads]
        self.values: Mapping[str, Tensor] = {
            name: of_head[0] if len(of_head) == 1 else of_head.mean(0)
            for name, of_head in zip(names, values.split(sizes), strict=True)
        }

    def pair_gradients(self, weights: Mapping[str, Tensor]) -> Tensor:
        """As in `HeadsOfGeometry`. Where all weights are one, as those of energies are, no time is lost on them."""
        total = None
        for name, gradients in zip(self.values, self._gradients, strict=True):
            if name not in weights:
                continue
            if not (weights[name] == 1.0).all():
                of_pairs = weights[name].to(gradients.dtype).index_select(0, self._pair_i)  # (n_pairs,)
                gradients = of_pairs[:, None] * gradients
            total = gradients if total is None else total + gradients
        return torch.zeros_like(self._gradients[0]) if total is None else total


class TorchHeads:
    """Networks by torch on features that a featuriser or a back end gives; derivatives go back through these."""

    def __init__(self, model: HybridModel, geometry: Geometry, totals: Tensor, backend: Backend | None = None):
        """Compute the values.

        Parameters
        ----------
        model : HybridModel
        geometry : Geometry
        totals : Tensor, shape (n_centres,), e
            Total charge of the structure of each centre.
        backend : Backend, optional
            For the features; the model's own by default.
        """
        self._model, self._geometry, self._backend = model, geometry, backend
        if backend is None:
            features, self._state = model.features.forward_with_state(geometry)  # (n_centres, n_features)
        else:
            self._prepared_geometry = backend.prepare(geometry)
            features, self._state = backend.forward_with_state(self._prepared_geometry)
        features = features.detach().to(geometry.pair_vectors.dtype)
        species = model.species(geometry.centre_numbers)
        self._each = {
            head.name: [_value_and_gradient(model, member, features, species, totals) for member in head.networks]
            for head in model.heads
        }
        self.values: Mapping[str, Tensor] = {
            name: torch.stack([values for values, _ in each]).mean(0) for name, each in self._each.items()
        }

    def pair_gradients(self, weights: Mapping[str, Tensor]) -> Tensor:
        """As in `HeadsOfGeometry`."""
        weighted = [
            weights[name][:, None] * torch.stack([gradients for _, gradients in each]).mean(0)
            for name, each in self._each.items()
            if name in weights
        ]  # (n_centres, n_features) each
        if not weighted:
            return torch.zeros_like(self._geometry.pair_vectors)
        return self._back(sum(weighted[1:], weighted[0]))

    def each_network(self) -> list[tuple[Tensor, Tensor]]:
        """Values (n_centres,) and their gradient (n_pairs, 3) of each network, in order."""
        return [(values, self._back(gradients)) for each in self._each.values() for values, gradients in each]

    def _back(self, feature_gradients: Tensor) -> Tensor:
        """dE/dr_p (n_pairs, 3) from dE/dF (n_centres, n_features)."""
        if self._backend is not None:
            return self._backend.vjp(self._prepared_geometry, feature_gradients, self._state)
        return self._model.features.vjp(self._geometry, feature_gradients, self._state)


def _value_and_gradient(
    model: HybridModel, network: Network, features: Tensor, species: Tensor, totals: Tensor
) -> tuple[Tensor, Tensor]:
    """Values (n_centres,) of a network, and their derivatives by the features (n_centres, n_features)."""
    with torch.enable_grad():
        bare = features.detach().requires_grad_()
        inputs = model.network_inputs(bare, totals)  # (n_centres, n_inputs)
        values, of_inputs = network.values_and_gradients(inputs.detach(), species)
        (gradients,) = torch.autograd.grad(inputs, bare, of_inputs.detach())  # (n_centres, n_features)
    return values.detach(), gradients
