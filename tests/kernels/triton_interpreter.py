"""The Triton back end in Triton's interpreter, on the processor: `test_triton_backend.py` runs this file by itself.

TRITON_INTERPRET must be set before Triton is first imported, so these tests have a process of their own. A program
takes tens of milliseconds here: sets of features are small, finite differences are taken of two pairs, and second
derivatives inside autograd, which are torch's, are compared with those of the torch back end.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.kernels.autograd import differentiable_features
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.testing.ahead_of_time import BackendOnTheProcessor
from mliap_hybrid.testing.backend_tests import BackendTests
from mliap_hybrid.testing.contractions import make_contracted_network
from mliap_hybrid.testing.feature_kernel_tests import COUNTS
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.surroundings import random_like, surroundings

assert os.environ.get("TRITON_INTERPRET") == "1", "expected TRITON_INTERPRET=1"

ELEMENTS = (1, 8, 26)

ALL_PRODUCTS = {"channels": ("valence", "count"), "products": "all", "third_order": "diagonal"}

TOLERANCES = {torch.float64: 1e-11, torch.float32: 1e-4}


class TestTritonBackend(BackendTests):
    def features(self):
        return GaussianMultipoles((0, 1, 2), (0.6,), 5.0, self.elements, products="all", third_order="diagonal")

    def backend(self, features, heads=(), dtype=torch.float64):
        return BackendOnTheProcessor(features, heads, self.device, dtype)

    def _geometry(self, counts=COUNTS):
        return super()._geometry(counts if counts is COUNTS else [1, 0, 1])

    def test_losses_on_forces_can_be_trained(self):
        features, geometry = self.features(), self._geometry([2])
        size, target = self._size(features, geometry), random_like(geometry.pair_vectors)
        gradients = []
        for backend in (self.backend(features), TorchBackend(features)):
            vectors = geometry.pair_vectors.clone().requires_grad_()
            values = differentiable_features(backend, replace(geometry, pair_vectors=vectors)) / size
            (forces,) = torch.autograd.grad(values.square().sum(), vectors, create_graph=True)
            gradients.append(torch.autograd.grad((forces - target).square().mean(), vectors)[0])
        assert relative_difference(*gradients) < 1e-10


def test_geometries_elsewhere():
    """Are refused before anything reads them."""
    backend, geometry = (
        BackendOnTheProcessor(NeighbourMoments((0.5,), 5.0, ELEMENTS), (), "cpu"),
        surroundings([2], (1,)),
    )
    with pytest.raises(ValueError, match="expected a geometry on cpu, got one on meta"):
        backend.forward(replace(geometry, pair_vectors=geometry.pair_vectors.to("meta")))


def assert_same_as_torch(features, dtype, heads=(), counts=(3, 0, 18), order=None):
    """Features, their derivatives and heads are those of the torch back end in double precision."""
    geometry = surroundings(counts, ELEMENTS, closest=1.0)
    if order is not None:
        of_pairs = ("pair_i", "neighbour_numbers", "pair_vectors")
        geometry = replace(geometry, **{name: getattr(geometry, name)[order] for name in of_pairs})
    backend, torch_backend = BackendOnTheProcessor(features, heads, "cpu", dtype), TorchBackend(features, heads)
    found, state = backend.forward_with_state(geometry)
    expected, state_of_torch = torch_backend.forward_with_state(geometry)
    size = expected.abs().amax(0).clamp(min=1e-6)
    assert ((found - expected).abs() / size).max() < TOLERANCES[dtype]
    weights = random_like(expected) / size
    found, expected = backend.vjp(state.pairs, weights, state), torch_backend.vjp(geometry, weights, state_of_torch)
    assert found.dtype == torch.float64
    assert relative_difference(found, expected) < TOLERANCES[dtype]
    moved = random_like(geometry.pair_vectors)
    found, expected = (one.jvp(geometry, moved) for one in (backend, torch_backend))
    assert relative_difference(found / size, expected / size) < TOLERANCES[dtype]
    if heads:
        for one, other in zip(
            backend.heads_and_mean_gradient(geometry), torch_backend.heads_and_mean_gradient(geometry), strict=True
        ):
            assert relative_difference(one, other) < 10 * TOLERANCES[dtype]


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        {"orders": (0, 1, 2, 3), "widths": (0.5, 1.0)} | ALL_PRODUCTS,
        {"orders": (0, 2), "widths": (0.4, 0.8, 1.2)},
        {"orders": (1, 4, 6), "widths": (0.8,), "products": "all"},
        {"orders": (0, 3), "widths": (0.5,), "taper_width": 0.0, "normalization": "paper"},
    ],
    ids=["gmp-2c3", "three probes in four places", "some orders", "hard cutoff, paper's norm"],
)
def test_sets_of_multipoles(settings, dtype):
    """Orders that are missing, probes that do not fill their places, and all kinds of products."""
    assert_same_as_torch(GaussianMultipoles(**settings, cutoff=5.0, elements=ELEMENTS), dtype)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("channels", [None, ("valence", "count")], ids=["by element", "by densities"])
def test_moments_of_neighbours(channels, dtype):
    """Places are centres, or centres and elements; pairs in any order, and heads on contractions."""
    features = NeighbourMoments((0.5,), 5.0, ELEMENTS, channels=channels)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(1))
    heads = [make_contracted_network(features.n_channels, 3, 4, (5,), len(ELEMENTS))]
    assert_same_as_torch(features, dtype, heads, (2, 0, 9), order)
