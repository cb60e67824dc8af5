"""The compiled kernels against the torch definition, finite differences and automatic differentiation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.kernels.autograd import differentiable_features
from mliap_hybrid.kernels.library import instruction_sets
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.backend_tests import BackendTests
from mliap_hybrid.testing.contractions import ContractedBackendTests
from mliap_hybrid.testing.surroundings import random_like
from mliap_hybrid.testing.surroundings import surroundings as surroundings_of

ELEMENTS = (1, 6, 8, 26, 79)


def make_features(**settings) -> GaussianMultipoles:
    defaults = dict(orders=(0, 1, 2, 3), widths=(0.3, 0.6, 1.1), cutoff=5.0, elements=ELEMENTS)
    return GaussianMultipoles(**(defaults | settings))


DEFAULT_SET = dict(channels=("valence", "count"), products="all", third_order="diagonal")
SETTINGS = {
    "power spectrum": {},
    "default": DEFAULT_SET,
    "three channels, mixed third order": DEFAULT_SET
    | {"channels": ("valence", "count", "core"), "third_order": "channels"},
    "orders to 6": DEFAULT_SET | {"orders": (0, 1, 2, 3, 4, 5, 6)},
    "some orders": {"orders": (1, 4, 6), "products": "all"},
    "one order": {"orders": (2,), "widths": (0.8,)},
    "hard cutoff, paper's norm": {"taper_width": 0.0, "normalization": "paper"},
}


def surroundings(counts: list[int], seed: int = 0, elements=ELEMENTS, closest: float = 0.7) -> Geometry:
    return surroundings_of(counts, elements, seed, closest)


def assert_close(found: torch.Tensor, expected: torch.Tensor, relative: float) -> None:
    """Within `relative` of the largest entry of each column."""
    scale = expected.abs().amax(0).clamp(min=1e-30)
    assert ((found.double() - expected).abs() / scale).max() < relative


COUNTS = [20, 0, 3, 41, 1, 17, 16, 33, 64, 5]


@pytest.fixture(params=SETTINGS, scope="module")
def features(request) -> GaussianMultipoles:
    return make_features(**SETTINGS[request.param])


@pytest.fixture(params=instruction_sets(), scope="module")
def instruction_set(request) -> str:
    return request.param


class TestNativeBackend(BackendTests):
    """Whatever every back end has to pass, with every instruction set of this processor."""

    @pytest.fixture(autouse=True, params=instruction_sets())
    def _choose(self, request):
        self.instruction_set = request.param

    def backend(self, features, heads=(), dtype=torch.float64):
        return NativeBackend(features, heads, self.device, dtype, instruction_set=self.instruction_set)


class TestNativeBackendOnMoments(TestNativeBackend, ContractedBackendTests):
    """The same with learned contractions."""


class TestNativeBackendOnMomentsByDensities(ContractedBackendTests):
    """And with density channels in place of elements."""

    n_inputs = 4

    def features(self):
        return NeighbourMoments((0.5, 1.0), 5.0, self.elements, channels=("valence", "count"))

    def backend(self, features, heads=(), dtype=torch.float64):
        return NativeBackend(features, heads, self.device, dtype)


class TestAgainstTorch:
    """Every instruction set of this processor gives the numbers of features/gmp.py."""

    def test_features(self, features, instruction_set):
        geometry = surroundings(COUNTS)
        native = NativeBackend(features, instruction_set=instruction_set)
        assert_close(native.forward(geometry), features(geometry), 1e-12)

    def test_gradient(self, features, instruction_set):
        geometry = surroundings(COUNTS)
        values, state = features.forward_with_state(geometry)
        weights = random_like(values) / values.abs().amax(0)
        expected = features.vjp(geometry, weights, state)
        native = NativeBackend(features, instruction_set=instruction_set)
        _, of_native = native.forward_with_state(geometry)
        assert_close(native.vjp(geometry, weights, of_native), expected, 1e-11)
        assert_close(native.vjp(geometry, weights), expected, 1e-11)

    def test_change_of_features(self, features, instruction_set):
        geometry = surroundings(COUNTS)
        moved = random_like(geometry.pair_vectors)
        by_pair = torch.einsum("pc,pcf->pf", moved, features.jacobian(geometry))
        expected = torch.zeros(len(COUNTS), features.n_features, dtype=torch.float64)
        expected.index_add_(0, geometry.pair_i, by_pair)
        native = NativeBackend(features, instruction_set=instruction_set)
        assert_close(native.jvp(geometry, moved), expected, 1e-11)

    def test_change_of_gradient(self, features, instruction_set):
        geometry = surroundings([7, 2, 12])
        vectors = geometry.pair_vectors.clone().requires_grad_()
        values = features(replace(geometry, pair_vectors=vectors))
        weights = random_like(values) / values.detach().abs().amax(0)
        (gradient,) = torch.autograd.grad((values * weights).sum(), vectors, create_graph=True)
        moved = random_like(vectors)
        (expected,) = torch.autograd.grad((gradient * moved).sum(), vectors)
        native = NativeBackend(features, instruction_set=instruction_set)
        assert_close(native.hvp(geometry, weights, moved), expected, 1e-10)

    def test_single_precision(self, features, instruction_set):
        geometry = surroundings(COUNTS)
        values, state = features.forward_with_state(geometry)
        weights = random_like(values) / values.abs().amax(0)
        native = NativeBackend(features, dtype=torch.float32, instruction_set=instruction_set)
        assert native.forward(geometry).dtype == torch.float32
        assert_close(native.forward(geometry), values, 2e-5)
        expected = features.vjp(geometry, weights, state)
        assert (native.vjp(geometry, weights) - expected).abs().max() < 2e-4 * expected.abs().max()
        assert (native.vjp(geometry, weights) - expected).square().mean() < (1e-5 * expected.abs().max()) ** 2

    @settings(max_examples=40, deadline=None)
    @given(
        orders=st.sets(st.integers(0, 6), min_size=1),
        widths=st.sets(st.sampled_from([0.25, 0.4, 0.7, 1.0, 1.3, 1.9, 2.4]), min_size=1),
        channels=st.permutations(["valence", "count", "core"]).flatmap(
            lambda names: st.integers(1, 3).map(lambda n: names[:n])
        ),
        products=st.sampled_from(["diagonal", "all"]),
        third_order=st.sampled_from(["none", "diagonal"]),
        elements=st.sets(st.integers(1, 86), min_size=1, max_size=8),
        counts=st.lists(st.integers(0, 40), max_size=20),
        seed=st.integers(0, 1000),
    )
    def test_any_settings(self, orders, widths, channels, products, third_order, elements, counts, seed):
        if third_order != "none" and not {1, 2} <= orders:
            third_order = "none"
        features = make_features(
            orders=sorted(orders),
            widths=sorted(widths),
            channels=channels,
            products=products,
            third_order=third_order,
            elements=sorted(elements),
        )
        geometry = surroundings(counts, seed, tuple(elements), closest=1.5)
        native = NativeBackend(features)
        values, state = features.forward_with_state(geometry)
        if not counts:
            assert native.forward(geometry).shape == (0, features.n_features)
            return
        # Where an element has no density of a channel, its features are zero to rounding.
        size = values.abs().amax(0).clamp(min=1e-12)
        assert ((native.forward(geometry) - values).abs() / size).max() < 1e-10
        weights = random_like(values, seed) / size
        expected = features.vjp(geometry, weights, state)
        found = native.vjp(geometry, weights)
        assert torch.allclose(found, expected, rtol=0, atol=1e-9 * max([1e-3, *expected.abs().flatten().tolist()]))


class TestRadialTable:
    """Splined radial functions: right to 1e-8, and forces exact for the tabulated energy."""

    def test_error_of_the_table(self):
        exact = make_features(**DEFAULT_SET, radial="exact", widths=(0.25, 0.5, 1.0, 2.0))
        native = NativeBackend(make_features(**DEFAULT_SET, widths=(0.25, 0.5, 1.0, 2.0)))
        geometry = surroundings([30] * 20)
        assert_close(native.forward(geometry), exact(geometry), 1e-8)

    def test_gradient_is_that_of_the_table(self, features):
        geometry = surroundings([9, 4])
        native = NativeBackend(features)
        weights = random_like(native.forward(geometry))
        weights = weights / native.forward(geometry).abs().amax(0)
        found = native.vjp(geometry, weights)
        step = 1e-5
        for p in range(len(found)):
            for c in range(3):
                ends = []
                for sign in (1.0, -1.0):
                    vectors = geometry.pair_vectors.clone()
                    vectors[p, c] += sign * step
                    ends.append((native.forward(replace(geometry, pair_vectors=vectors)) * weights).sum())
                assert abs((ends[0] - ends[1]) / (2 * step) - found[p, c]) < 1e-7 * found.abs().max()


class TestAutograd:
    """Training on forces through the kernels."""

    def test_gradient_of_a_loss_on_forces(self):
        features = make_features(**DEFAULT_SET)
        geometry = surroundings(COUNTS)
        size = features(geometry).std(0)
        target = random_like(geometry.pair_vectors)
        gradients = {}
        for name, evaluate in {
            "torch": features,
            "native": lambda e: differentiable_features(NativeBackend(features), e),
        }.items():
            torch.manual_seed(0)
            network = torch.nn.Sequential(
                torch.nn.Linear(features.n_features, 7), torch.nn.SiLU(), torch.nn.Linear(7, 1)
            ).double()
            vectors = geometry.pair_vectors.clone().requires_grad_()
            energy = network(evaluate(replace(geometry, pair_vectors=vectors)) / size).sum()
            (forces,) = torch.autograd.grad(energy, vectors, create_graph=True)
            (forces - target).square().mean().backward()
            gradients[name] = [*(p.grad for p in network.parameters() if p.grad is not None), vectors.grad]
        for native, by_torch in zip(gradients["native"], gradients["torch"], strict=True):
            assert torch.allclose(native, by_torch, rtol=1e-9, atol=1e-9 * float(by_torch.abs().max()))


class TestArrangement:
    """The answer does not depend on how atoms are laid out."""

    def test_an_atom_alone_or_among_others_is_the_same_to_the_last_bit(self, instruction_set):
        native = NativeBackend(make_features(**DEFAULT_SET), instruction_set=instruction_set)
        geometry = surroundings(COUNTS)
        together = native.forward(geometry)
        for i, n in enumerate(COUNTS):
            pairs = geometry.pair_i == i
            alone = Geometry(
                geometry.centre_numbers[i : i + 1],
                geometry.neighbour_numbers[pairs],
                torch.zeros(n, dtype=torch.int64),
                geometry.pair_vectors[pairs],
            )
            assert torch.equal(native.forward(alone)[0], together[i])

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_threads(self, dtype):
        features = make_features(**DEFAULT_SET)
        geometry = surroundings(COUNTS * 40)
        one, three = (NativeBackend(features, dtype=dtype, n_threads=n) for n in (1, 3))
        values = one.forward(geometry)
        assert torch.equal(values, three.forward(geometry))
        assert torch.equal(one.vjp(geometry, values), three.vjp(geometry, values))

    def test_nothing_beyond_the_cutoff_counts(self):
        native = NativeBackend(make_features(**DEFAULT_SET))
        geometry = surroundings([6])
        far = torch.tensor([[0.0, 0.0, 5.0], [4.0, 4.0, 4.0]], dtype=torch.float64)
        more = Geometry(
            geometry.centre_numbers,
            torch.cat([geometry.neighbour_numbers, torch.tensor([6, 8])]),
            torch.zeros(8, dtype=torch.int64),
            torch.cat([geometry.pair_vectors, far]),
        )
        assert torch.equal(native.forward(geometry), native.forward(more))
        assert native.vjp(more, native.forward(more))[-2:].abs().max() == 0.0


class TestMistakes:
    """Every mistake is one sentence."""

    @pytest.mark.parametrize(
        "settings", [{"orders": (0, 7)}, {"orders": (-1, 0)}, {"root_offset": 0.1}, {"radial": "exact"}]
    )
    def test_features_that_the_kernels_do_not_know(self, settings):
        features = make_features(**settings)
        assert not NativeBackend.supports(features, (), torch.device("cpu"), torch.float64)
        with pytest.raises(InputError, match="torch features"):
            NativeBackend(features)

    def test_unknown_instruction_set(self):
        with pytest.raises(InputError, match="instruction set 'avx9'"):
            NativeBackend(make_features(), instruction_set="avx9")

    def test_other_devices_and_precisions(self):
        for wrong in ({"device": "meta"}, {"dtype": torch.float16}):
            with pytest.raises(InputError, match=r"in float32 or float64 on the cpu; found .*: use the torch features"):
                NativeBackend(make_features(), **wrong)
        geometry = surroundings([2, 3])
        on_meta = replace(geometry, **{f: getattr(geometry, f).to("meta") for f in ("pair_i", "centre_numbers")})
        with pytest.raises(ValueError, match=r"expected a contiguous tensor of torch.int64 on the cpu"):
            NativeBackend(make_features()).forward(on_meta)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda g: {"pair_vectors": g.pair_vectors.int()}, "expected pair_vectors in floating point"),
            (lambda g: {"pair_vectors": g.pair_vectors[:, :2]}, "expected centre_numbers"),
            (lambda g: {"neighbour_numbers": g.neighbour_numbers[1:]}, "expected centre_numbers"),
            (lambda g: {"pair_i": g.pair_i + 2}, "expected centres of pairs from 0 to 1, got 2 to 3"),
        ],
    )
    def test_arrays_of_another_shape(self, change, message):
        geometry = surroundings([2, 3])
        with pytest.raises(ValueError, match=message):
            NativeBackend(make_features()).forward(replace(geometry, **change(geometry)))
