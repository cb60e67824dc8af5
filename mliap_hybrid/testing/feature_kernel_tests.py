"""The part of `BackendTests` on features and their derivatives, first and second ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels.autograd import differentiable_features, differentiable_vjp
from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.surroundings import random_like, surroundings

PRECISIONS = {torch.float64: 1e-10, torch.float32: 3e-4}
"""Precision of a back end -> largest error of what it gives, relative to the largest number."""

COUNTS = [9, 0, 4, 17, 1]
"""Neighbours of the centres."""

STEP = 1e-5
"""Å, of differences."""


class FeatureKernelTests:
    """Tests of features and their derivatives by a `Backend`."""

    device: ClassVar[str] = "cpu"
    elements: ClassVar[tuple[int, ...]] = (1, 8, 26)

    def features(self) -> Featuriser:
        """Features that the back end supports, of `elements`, on the processor."""
        settings = {"channels": ("valence", "count"), "products": "all", "third_order": "diagonal"}
        return GaussianMultipoles((0, 1, 2, 3), (0.5, 1.0), 5.0, self.elements, **settings)  # type: ignore[arg-type]

    def backend(
        self, features: Featuriser, heads: Sequence[NetworkWeights] = (), dtype: torch.dtype = torch.float64
    ) -> Backend:
        """The back end."""
        raise NotImplementedError

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    def test_features_are_those_of_the_featuriser(self, dtype: torch.dtype, tolerance: float) -> None:
        """Each on its own scale."""
        features, geometry = self.features(), self._geometry()
        expected = features(geometry)
        backend = self.backend(features, dtype=dtype)
        for found in (backend.forward(self._on(geometry)), backend.forward_with_state(self._on(geometry))[0]):
            assert (found.dtype, found.device.type) == (dtype, torch.device(self.device).type)
            assert not found.requires_grad
            scale = expected.abs().amax(0).clamp(min=1e-30)
            assert ((found.cpu().double() - expected).abs() / scale).max() < tolerance

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    def test_vjp_is_the_product_with_the_jacobian(self, dtype: torch.dtype, tolerance: float) -> None:
        """With the state of a forward pass, without it, and from what was prepared."""
        features, geometry = self.features(), self._geometry()
        weights, backend = self._weights(features, geometry), self.backend(features, dtype=dtype)
        expected = torch.einsum("pxf,pf->px", features.jacobian(geometry), weights[geometry.pair_i])
        _, state = backend.forward_with_state(self._on(geometry))
        prepared_geometry = backend.prepare(self._on(geometry))
        _, of_prepared = backend.forward_with_state(prepared_geometry)
        given = weights.to(self.device)
        for found in (
            backend.vjp(self._on(geometry), given),
            backend.vjp(self._on(geometry), given, state),
            backend.vjp(prepared_geometry, given),
            backend.vjp(prepared_geometry, given, of_prepared),
        ):
            assert found.dtype == torch.float64
            assert not found.requires_grad
            assert relative_difference(found.cpu(), expected) < tolerance

    def test_vjp_by_finite_differences(self) -> None:
        """Of a weighted sum of the features."""
        geometry = self._geometry([4, 0, 3])
        backend, weights = self.backend(self.features()), self._weights(self.features(), geometry)
        found = backend.vjp(self._on(geometry), weights.to(self.device)).cpu()
        expected = self._differences(geometry, lambda at: (backend.forward(self._on(at)).cpu() * weights).sum())
        assert relative_difference(found, expected) < 1e-7

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    def test_jvp_is_the_transpose_of_vjp(self, dtype: torch.dtype, tolerance: float) -> None:
        """And the product with the Jacobian."""
        features, geometry = self.features(), self._geometry()
        backend, moved = self.backend(features, dtype=dtype), random_like(geometry.pair_vectors)
        found = backend.jvp(self._on(geometry), moved.to(self.device))
        assert found.dtype == dtype
        of_pairs = torch.einsum("px,pxf->pf", moved, features.jacobian(geometry))
        expected = torch.zeros(found.shape, dtype=torch.float64).index_add(0, geometry.pair_i, of_pairs)
        scale = expected.abs().amax(0).clamp(min=1e-30)
        assert ((found.cpu().double() - expected).abs() / scale).max() < tolerance
        weights = self._weights(features, geometry)
        back = backend.vjp(self._on(geometry), weights.to(self.device)).cpu()
        sizes = (found.cpu().double() * weights).abs().sum()
        assert abs((found.cpu().double() * weights).sum() - (back * moved).sum()) < tolerance * sizes

    def test_jvp_by_finite_differences(self) -> None:
        """Of the features, along one direction."""
        geometry = self._geometry()
        backend, moved = self.backend(self.features()), random_like(geometry.pair_vectors)
        ends = [backend.forward(self._on(self._moved(geometry, sign * STEP * moved))).cpu() for sign in (1.0, -1.0)]
        found = backend.jvp(self._on(geometry), moved.to(self.device)).cpu()
        scale = found.abs().amax(0).clamp(min=1e-30)
        assert ((found - (ends[0] - ends[1]) / (2.0 * STEP)).abs() / scale).max() < 1e-6

    @pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 3e-3)], ids=str)
    def test_hvp_by_finite_differences(self, dtype: torch.dtype, tolerance: float) -> None:
        """Of the vjp, in the better precision."""
        geometry, features = self._geometry(), self.features()
        weights, moved = self._weights(features, geometry).to(self.device), random_like(geometry.pair_vectors)
        exact = self.backend(features)
        ends = [exact.vjp(self._on(self._moved(geometry, sign * STEP * moved)), weights) for sign in (1.0, -1.0)]
        expected = (ends[0] - ends[1]).cpu() / (2.0 * STEP)
        found = self.backend(features, dtype=dtype).hvp(self._on(geometry), weights, moved.to(self.device))
        assert found.dtype == torch.float64
        assert relative_difference(found.cpu(), expected) < tolerance

    def test_hvp_is_symmetric(self) -> None:
        """As second derivatives are."""
        geometry, backend = self._geometry(), self.backend(self.features())
        weights = self._weights(self.features(), geometry).to(self.device)
        one, other = (random_like(geometry.pair_vectors, seed).to(self.device) for seed in (1, 2))
        products = [
            (backend.hvp(self._on(geometry), weights, a) * b).sum().cpu() for a, b in ((one, other), (other, one))
        ]
        sizes = (backend.hvp(self._on(geometry), weights, one) * other).abs().sum().cpu()
        assert abs(products[0] - products[1]) < 1e-12 * sizes

    def test_losses_on_forces_can_be_trained(self) -> None:
        """First and second derivatives inside torch's automatic differentiation."""
        geometry, features = self._geometry([3, 2]), self.features()
        backend, size = self.backend(features), self._size(features, geometry).to(self.device)
        inputs = self._on(geometry).pair_vectors.requires_grad_()

        def scaled(vectors: Tensor) -> Tensor:
            return differentiable_features(backend, replace(self._on(geometry), pair_vectors=vectors)) / size

        assert torch.autograd.gradcheck(scaled, inputs, atol=1e-6, rtol=1e-5)
        assert torch.autograd.gradgradcheck(scaled, inputs, atol=1e-5, rtol=1e-4)
        weights = (self._weights(features, geometry)).to(self.device).requires_grad_()
        prepared_geometry = backend.prepare(self._on(geometry))
        assert torch.autograd.gradcheck(lambda w: differentiable_vjp(backend, prepared_geometry, w), weights)

    def test_mistakes_are_told(self) -> None:
        """Unknown elements, atoms at one place or at none, and shapes that do not belong together."""
        features, geometry = self.features(), self._geometry()
        backend, n = self.backend(features), features.n_features
        unknown = replace(geometry, centre_numbers=torch.full_like(geometry.centre_numbers, 7))
        with pytest.raises(InputError, match=r"an atom of N \(Z = 7\)"):
            backend.forward(self._on(unknown))
        for place in ((0.0, 0.0, 0.0), (float("nan"), 0.0, 0.0), (0.0, float("inf"), 0.0)):
            wrong = self._moved(geometry, torch.zeros_like(geometry.pair_vectors))
            wrong.pair_vectors[10] = torch.tensor(place, dtype=torch.float64)
            with pytest.raises(InputError, match=r"atom 2 has a neighbour at .* duplicate atom"):
                backend.forward(self._on(wrong))
            with pytest.raises(InputError, match="atom 2 has a neighbour at"):
                backend.vjp(self._on(wrong), torch.zeros(len(COUNTS), n, device=self.device))
        few = torch.zeros(1, 3, device=self.device)
        with pytest.raises(ValueError, match="expected dE/dF of shape"):
            backend.vjp(self._on(geometry), few)
        with pytest.raises(ValueError, match="expected dE/dF of shape"):
            backend.hvp(self._on(geometry), few, self._on(geometry).pair_vectors)
        with pytest.raises(ValueError, match="expected displacements of shape"):
            backend.jvp(self._on(geometry), few)

    def _geometry(self, counts: Sequence[int] = COUNTS) -> Geometry:
        return surroundings(counts, self.elements, closest=1.0)

    def _on(self, geometry: Geometry) -> Geometry:
        """The geometry on the device."""
        names = ("centre_numbers", "neighbour_numbers", "pair_i", "pair_vectors")
        return replace(geometry, **{name: getattr(geometry, name).to(self.device) for name in names})

    def _size(self, features: Featuriser, geometry: Geometry) -> Tensor:
        """Largest value (n_features,) of each feature, on the processor."""
        return features(geometry).abs().amax(0).clamp(min=1e-6)

    def _weights(self, features: Featuriser, geometry: Geometry) -> Tensor:
        """dE/dF (n_centres, n_features) that gives each feature as much of a say."""
        return random_like(features(geometry)) / self._size(features, geometry)

    def _moved(self, geometry: Geometry, displacements: Tensor) -> Geometry:
        return replace(geometry, pair_vectors=geometry.pair_vectors + displacements)

    def _differences(self, geometry: Geometry, energy: Callable[[Geometry], Tensor]) -> Tensor:
        """dE/dr_p (n_pairs, 3) of a number that depends on a geometry."""
        result = torch.zeros_like(geometry.pair_vectors)
        for p, x in torch.cartesian_prod(torch.arange(len(result)), torch.arange(3)).tolist():
            ends = []
            for sign in (1.0, -1.0):
                step = torch.zeros_like(result)
                step[p, x] = sign * STEP
                ends.append(float(energy(self._moved(geometry, step))))
            result[p, x] = (ends[0] - ends[1]) / (2.0 * STEP)
        return result
