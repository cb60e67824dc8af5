"""Random learned contractions, and the part of `BackendTests` that they add: inherit `ContractedBackendTests`, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mliap_hybrid.features.channel_invariants import N_COMPONENTS, ChannelInvariants
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.kernels.network_weights import ContractionWeights, NetworkWeights
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.backend_tests import BackendTests
from mliap_hybrid.testing.training_kernel_tests import (
    PRECISIONS,
    assert_rows_together,
    make_network,
    value_by_definition,
)


def make_contracted_network(
    n_inputs: int,
    n_channels: int,
    body_order: int,
    hidden: Sequence[int],
    n_elements: int = 3,
    n_others: int = 0,
    seed: int = 0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> NetworkWeights:
    """A network on a contraction of 16 n_inputs moments, with random weights, whose gradients can be asked for."""
    random = torch.Generator().manual_seed(seed)

    def weight(*shape: int) -> Tensor:
        return (0.4 * torch.randn(shape, generator=random, dtype=torch.float64)).to(device, dtype).requires_grad_()

    contraction = ContractionWeights(
        weight(n_elements, 4, n_channels, n_inputs), weight(n_elements, n_channels), body_order
    )
    n = contraction.n_invariants + n_others
    return replace(make_network(n, hidden, n_elements, seed, device, dtype), contraction=contraction)


def contracted_value(features: Tensor, species: Tensor, network: NetworkWeights) -> Tensor:
    """Values (n_atoms,) by definition, atom by atom."""
    contraction = network.contraction
    assert contraction is not None
    invariants = []
    for x, e in zip(features[:, : contraction.n_moments], species.tolist(), strict=True):
        components = []
        for n, weights in enumerate(contraction.weights[e]):  # (n_channels, n_inputs)
            of_order = x.view(N_COMPONENTS, -1)[n * n : (n + 1) ** 2] @ weights.T  # (2n + 1, n_channels)
            components.append(of_order + contraction.own[e] if n == 0 else of_order)
        invariants.append(ChannelInvariants(contraction.body_order)(torch.cat(components)[None]).flatten())
    of_atoms = torch.stack(invariants) if invariants else features.new_zeros(0, contraction.n_invariants)
    inputs = torch.cat([of_atoms, features[:, contraction.n_moments :]], dim=1)
    return value_by_definition(inputs, species, network)


class ContractedBackendTests(BackendTests):
    """The tests of a `Backend` with heads on learned contractions, and of these in training."""

    n_inputs: ClassVar[int] = 6
    """Moments of each component."""

    def features(self) -> Featuriser:
        """Moments."""
        return NeighbourMoments((0.5, 1.0), 5.0, self.elements)

    def value(self, features: Tensor, species: Tensor, network: NetworkWeights) -> Tensor:
        """As in `BackendTests`."""
        has_none = network.contraction is None
        return (
            value_by_definition(features, species, network)
            if has_none
            else contracted_value(features, species, network)
        )

    def _heads(self, features: Featuriser, geometry: Geometry, is_shifted: bool = True) -> list[NetworkWeights]:
        size = self._size(features, geometry).view(N_COMPONENTS, -1)
        of_orders = torch.stack([size[n * n : (n + 1) ** 2].amax(0) for n in range(4)])  # (n_orders, n_inputs)
        heads = []
        for seed, (n_channels, body_order, hidden) in enumerate(((5, 5, (6, 4)), (3, 4, ()), (16, 3, (5,)))):
            sizes = n_channels, body_order, hidden, len(self.elements)
            head = make_contracted_network(self.n_inputs, *sizes, seed=seed)
            assert head.contraction is not None
            scaled = replace(head.contraction, weights=head.contraction.weights / of_orders[:, None])
            shift = torch.full((head.linear.shape[1],), 0.3, dtype=torch.float64) if is_shifted else None
            heads.append(replace(head, contraction=scaled, shift=shift))
        return heads

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    @pytest.mark.parametrize("n_atoms", [0, 1, 23])
    @pytest.mark.parametrize("shape", [(5, 3, ()), (16, 4, (7,)), (33, 5, (12, 6))], ids=str)
    @pytest.mark.parametrize("n_others", [0, 1])
    def test_contraction_in_training(
        self, shape: tuple[int, int, tuple[int, ...]], n_others: int, n_atoms: int, dtype: torch.dtype, tolerance: float
    ) -> None:
        """Values, gradients by the moments, and the gradient of a loss on both by all weights."""
        network = make_contracted_network(3, *shape, n_others=n_others, device=self.device, dtype=dtype)
        network = replace(network, shift=torch.full_like(network.linear[0].detach(), 0.2))
        inputs, species, by_values, by_gradients = self._atoms(n_atoms, dtype, 3 * N_COMPONENTS + n_others)
        inputs = 0.5 * inputs
        found = self.training_kernels().values_and_gradients(inputs, species, network)
        features = inputs.double().requires_grad_()
        exact = network.to(torch.device(self.device), torch.float64)
        assert exact.contraction is not None
        leaves = [p.requires_grad_() for p in (*exact.parameters, exact.contraction.weights, exact.contraction.own)]
        values = contracted_value(features, species, exact)
        (gradients,) = torch.autograd.grad(values.sum(), features, create_graph=True)
        derivatives = []
        assert network.contraction is not None
        given = [*network.parameters, network.contraction.weights, network.contraction.own]
        for of_atoms, of_features, parameters in ((*found, given), (values, gradients, leaves)):
            loss = (of_atoms * by_values).sum() + (of_features * by_gradients).sum()
            derivatives.append(torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True))
        for one, other in zip((*found, *derivatives[0]), (values, gradients, *derivatives[1]), strict=True):
            assert one.dtype == dtype
            size = float(other.detach().abs().max()) if other.numel() else 0.0
            torch.testing.assert_close(one.double(), other, rtol=0, atol=10 * tolerance * max(1.0, size))

    def test_many_gradients_of_a_contraction_at_a_time(self) -> None:
        """Rows of a Jacobian by vmap are those asked for one by one."""
        network = make_contracted_network(1, 2, 5, (3,), device=self.device)
        inputs, species, *_ = self._atoms(2, torch.float64, N_COMPONENTS)
        assert network.contraction is not None
        leaves = [*network.parameters, network.contraction.weights, network.contraction.own]
        results = self.training_kernels().values_and_gradients(inputs, species, network)
        assert_rows_together(results, leaves, 1e-12)

    def test_shapes_of_a_contraction_are_checked(self) -> None:
        """Before anything is computed."""
        network = make_contracted_network(2, 3, 4, (5,), device=self.device)
        inputs, species, *_ = self._atoms(6, torch.float64, 2 * N_COMPONENTS)
        for wrong in ((inputs[:, :9], species), (inputs, species[:5])):
            with pytest.raises(ValueError, match="species of as many atoms"):
                self.training_kernels().values_and_gradients(*wrong, network)
