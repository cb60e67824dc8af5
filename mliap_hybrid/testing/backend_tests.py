"""What every back end has to pass: inherit `BackendTests`, and say how to make the back end.

    class TestMine(BackendTests):
        def backend(self, features, heads=(), dtype=torch.float64):
            return MyBackend(features, heads, self.device, dtype)

Features, networks in training and sums over pairs are compared with definitions that share no code with them, their
derivatives with finite differences, and adjoint maps with one another.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.feature_kernel_tests import PRECISIONS, FeatureKernelTests
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.surroundings import random_like, surroundings
from mliap_hybrid.testing.training_kernel_tests import TrainingKernelTests, make_network, value_by_definition


class BackendTests(FeatureKernelTests, TrainingKernelTests):
    """Tests of a `Backend`."""

    device: ClassVar[str] = "cpu"

    def training_kernels(self) -> type[Backend]:
        """Its class."""
        return type(self.backend(self.features()))

    def value(self, features: Tensor, species: Tensor, network: NetworkWeights) -> Tensor:
        """Values (n_atoms,) of a head by definition."""
        return value_by_definition(features, species, network)

    def test_it_supports_what_it_is_made_for(self) -> None:
        """And no numbers that are not of floating point."""
        backend, device = self.training_kernels(), torch.device(self.device)
        heads = [make_network(self.features().n_features, (3,))]
        for dtype in PRECISIONS:
            assert backend.supports(self.features(), heads, device, dtype)
            assert backend.supports(None, (), device, dtype)
        assert not backend.supports(self.features(), (), device, torch.int64)
        made = self.backend(self.features(), heads, torch.float32)
        assert (made.device.type, made.dtype, made.n_heads) == (device.type, torch.float32, 1)
        assert made.n_features == self.features().n_features

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    @pytest.mark.parametrize("is_shifted", [False, True])
    def test_heads(self, dtype: torch.dtype, tolerance: float, is_shifted: bool) -> None:
        """Values, the gradient of each, and that of the mean."""
        features, geometry = self.features(), self._geometry()
        heads = self._heads(features, geometry, is_shifted)
        vectors = geometry.pair_vectors.clone().requires_grad_()
        values = features(replace(geometry, pair_vectors=vectors))
        species = torch.searchsorted(torch.tensor(self.elements), geometry.centre_numbers)
        expected = torch.stack([self.value(values, species, head) for head in heads])  # (3, n_centres)
        by_vectors = [torch.autograd.grad(of_head.sum(), vectors, retain_graph=True)[0] for of_head in expected]
        backend = self.backend(features, heads, dtype)
        found, gradients = (part.cpu() for part in backend.heads_and_gradients(self._on(geometry)))
        again, mean = (part.cpu() for part in backend.heads_and_mean_gradient(self._on(geometry)))
        assert {part.dtype for part in (found, gradients, again, mean)} == {torch.float64}
        assert relative_difference(found, expected.detach()) < tolerance
        assert relative_difference(again, expected.detach()) < tolerance
        for of_head, by_definition in zip(gradients, by_vectors, strict=True):
            assert relative_difference(of_head, by_definition) < tolerance
        assert relative_difference(mean, torch.stack(by_vectors).mean(0)) < tolerance

    def test_gradients_of_heads_by_finite_differences(self) -> None:
        """Of one head, which has a way of its own."""
        features, geometry = self.features(), self._geometry([4, 0, 3])
        backend = self.backend(features, self._heads(features, geometry)[:1])
        found = backend.heads_and_mean_gradient(self._on(geometry))[1].cpu()
        expected = self._differences(geometry, lambda at: backend.heads_and_gradients(self._on(at))[0].cpu().sum())
        assert relative_difference(found, expected) < 1e-7

    def test_without_heads_none_is_evaluated(self) -> None:
        """Which is said."""
        backend, geometry = self.backend(self.features()), self._on(self._geometry())
        for method in (backend.heads_and_gradients, backend.heads_and_mean_gradient):
            with pytest.raises(InputError, match="without a network"):
                method(geometry)

    @pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
    @pytest.mark.parametrize("counts", [[], [0, 0, 0]], ids=["no centres", "no pairs"])
    def test_nothing(self, dtype: torch.dtype, counts: list[int]) -> None:
        """Empty tensors of the right shapes."""
        features, geometry = self.features(), self._on(surroundings(counts, self.elements))
        backend = self.backend(features, [make_network(features.n_features, (3,), len(self.elements))], dtype)
        n, weights = len(counts), torch.ones(len(counts), features.n_features, device=self.device)
        assert backend.forward(geometry).shape == (n, features.n_features)
        assert backend.vjp(geometry, weights).shape == (0, 3)
        assert not backend.jvp(geometry, geometry.pair_vectors).any()
        assert backend.jvp(geometry, geometry.pair_vectors).shape == (n, features.n_features)
        assert backend.hvp(geometry, weights, geometry.pair_vectors).shape == (0, 3)
        values, gradients = backend.heads_and_gradients(geometry)
        assert (values.shape, gradients.shape) == ((1, n), (1, 0, 3))
        values, gradient = backend.heads_and_mean_gradient(geometry)
        assert (values.shape, gradient.shape) == ((1, n), (0, 3))
        assert values.isfinite().all()

    def test_pairs_in_any_order(self) -> None:
        """What belongs to pairs follows them."""
        geometry, features = self._geometry(), self.features()
        backend = self.backend(features, self._heads(features, geometry))
        order = torch.randperm(len(geometry.pair_i), generator=torch.Generator().manual_seed(3))
        vectors, numbers = geometry.pair_vectors[order], geometry.neighbour_numbers[order]
        mixed = replace(geometry, pair_i=geometry.pair_i[order], neighbour_numbers=numbers, pair_vectors=vectors)
        weights, moved = self._weights(features, geometry).to(self.device), random_like(geometry.pair_vectors)

        def all_of(at: Geometry, moved: Tensor) -> tuple[list[Tensor], list[Tensor]]:
            """What belongs to centres, and what belongs to pairs."""
            at, moved = self._on(at), moved.to(self.device)
            values, gradients = backend.heads_and_gradients(at)
            of_centres = [backend.forward(at), backend.jvp(at, moved), values]
            of_pairs = [backend.vjp(at, weights), backend.hvp(at, weights, moved), *gradients]
            of_pairs += [backend.heads_and_mean_gradient(at)[1]]
            return [part.cpu() for part in of_centres], [part.cpu() for part in of_pairs]

        of_centres, of_pairs = all_of(geometry, moved)
        found_of_centres, found_of_pairs = all_of(mixed, moved[order])
        for found, expected in zip(found_of_centres, of_centres, strict=True):
            assert relative_difference(found, expected) < 1e-12
        for found, expected in zip(found_of_pairs, of_pairs, strict=True):
            assert relative_difference(found, expected[order]) < 1e-11

    def test_a_copy_gives_the_same(self) -> None:
        """As other processes have it."""
        features, geometry = self.features(), self._geometry()
        backend = self.backend(features, self._heads(features, geometry))
        again = pickle.loads(pickle.dumps(backend))
        for one, other in zip(
            backend.heads_and_gradients(self._on(geometry)), again.heads_and_gradients(self._on(geometry)), strict=True
        ):
            assert torch.equal(one, other)

    def _heads(self, features: Featuriser, geometry: Geometry, is_shifted: bool = True) -> list[NetworkWeights]:
        """Three networks on features that are scaled to the size of one."""
        size, heads = self._size(features, geometry), []
        for seed, hidden in enumerate(((6, 4), (), (5,))):
            head = make_network(features.n_features, hidden, len(self.elements), seed)
            scaled = replace(head, weights=[head.weights[0] / size, *head.weights[1:]], linear=head.linear / size)
            heads.append(replace(scaled, shift=features(geometry).mean(0)) if is_shifted else scaled)
        return heads
