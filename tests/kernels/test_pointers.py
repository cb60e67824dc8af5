"""Tensors that the native library cannot read never reach it."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import mliap_hybrid
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.pointers import pointer
from mliap_hybrid.testing.surroundings import surroundings
from mliap_hybrid.testing.training_kernel_tests import make_network

PACKAGE = Path(mliap_hybrid.__file__).parent


def test_address():
    tensor = torch.arange(6.0).view(2, 3)
    assert pointer(tensor, torch.float32) == tensor.data_ptr()
    assert pointer(tensor[1], torch.float32) == tensor.data_ptr() + 12


@pytest.mark.parametrize(
    ("tensor", "found"),
    [
        (torch.zeros(2, 3, device="meta"), r"one of torch.float32 on meta, contiguous, of shape \(2, 3\)"),
        (torch.zeros(2, 3).T, r"one of torch.float32 on cpu, not contiguous, of shape \(3, 2\)"),
        (torch.zeros(2, 3).double(), r"one of torch.float64 on cpu, contiguous, of shape \(2, 3\)"),
    ],
)
def test_others_are_refused(tensor, found):
    with pytest.raises(ValueError, match=rf"expected a contiguous tensor of torch.float32 on the cpu, found {found}"):
        pointer(tensor, torch.float32)


def test_nobody_else_takes_addresses():
    users = [
        path for path in PACKAGE.rglob("*.py") if re.search(r"\.data_ptr\(|\.ctypes\b.*\btensor", path.read_text())
    ]
    assert [path.relative_to(PACKAGE).as_posix() for path in users] == ["kernels/pointers.py"]


class TestEveryKernel:
    """With one tensor on another device, each time."""

    @pytest.mark.parametrize("name", ["centre_numbers", "neighbour_numbers", "pair_i", "pair_vectors"])
    def test_geometry(self, name):
        geometry = surroundings([2, 3], (1, 8))
        backend = NativeBackend(GaussianMultipoles((0, 1), (0.6,), 5.0, (1, 8)))
        with pytest.raises(ValueError, match="on the cpu, found"):
            backend.forward(replace(geometry, **{name: getattr(geometry, name).to("meta")}))

    def test_features(self):
        geometry = surroundings([2, 3], (1, 8))
        backend = NativeBackend(GaussianMultipoles((0, 1), (0.6,), 5.0, (1, 8)))
        weights, moved = torch.zeros(2, backend.n_features, device="meta"), torch.zeros(5, 3, device="meta")
        calls = [
            lambda: backend.vjp(geometry, weights),
            lambda: backend.jvp(geometry, moved),
            lambda: backend.hvp(geometry, weights, moved.double()),
        ]
        for call in calls:
            with pytest.raises(ValueError, match="on the cpu, found"):
                call()
        _, state = backend.forward_with_state(geometry)
        with pytest.raises(ValueError, match="on the cpu, found"):
            backend.vjp(geometry, torch.zeros(2, backend.n_features), replace(state, moments=state.moments.to("meta")))

    @pytest.mark.parametrize("which", range(6))
    def test_network(self, which):
        network = make_network(4, (3,))
        tensors = [torch.zeros(5, 4, dtype=torch.float64), torch.zeros(5, dtype=torch.int64), *network.parameters]
        tensors[which] = tensors[which].to("meta")
        features, species, first, last, first_bias, last_bias, linear, offset = tensors
        moved = replace(network, weights=[first, last], biases=[first_bias, last_bias], linear=linear, offset=offset)
        with pytest.raises(ValueError, match="on the cpu, found"):
            NativeBackend.values_and_gradients(features, species, moved)

    @pytest.mark.parametrize("which", range(5))
    def test_sums(self, which):
        index, vectors = torch.zeros(4, dtype=torch.int64), torch.zeros(4, 3, dtype=torch.float64)
        tensors = [index, index, vectors, torch.zeros(2, dtype=torch.int64), vectors]
        tensors[which] = tensors[which].to("meta")
        with pytest.raises(ValueError, match="on the cpu, found"):
            NativeBackend.pair_sums(*tensors[:4], 1)(tensors[4])


class TestOtherArrays:
    """Of the right type and place, but with numbers or shapes that would lead the kernels out of them."""

    def test_not_aligned(self):
        tensor = torch.frombuffer(bytearray(25), dtype=torch.float64, offset=1)
        with pytest.raises(ValueError, match="contiguous and not aligned"):
            pointer(tensor, torch.float64)

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("pair_i", torch.tensor([0, 0, 1, 1, 7])),
            ("pair_i", torch.tensor([0, 0, -1, 1, 1])),
            ("pair_vectors", torch.ones(4, 3, dtype=torch.float64)),
            ("neighbour_numbers", torch.ones(3, dtype=torch.int64)),
        ],
    )
    def test_geometry(self, name, value):
        backend = NativeBackend(GaussianMultipoles((0, 1), (0.6,), 5.0, (1, 8)))
        with pytest.raises(ValueError, match="expected centre"):
            backend.forward(replace(surroundings([2, 3], (1, 8)), **{name: value}))

    @pytest.mark.parametrize("which", range(3))
    @pytest.mark.parametrize("value", [-1, 2, 2**62])
    def test_indices_of_sums(self, which, value):
        index, vectors = torch.zeros(4, dtype=torch.int64), torch.zeros(4, 3, dtype=torch.float64)
        tensors = [index, index, torch.zeros(2, dtype=torch.int64)]
        tensors[which] = tensors[which].clone()
        tensors[which][1] = value
        with pytest.raises(ValueError, match=r"expected (pair_i|pair_j|structure_of_atom) of shape"):
            NativeBackend.pair_sums(tensors[0], tensors[1], vectors, tensors[2], 1)

    def test_shapes_of_sums(self):
        index, vectors = torch.zeros(4, dtype=torch.int64), torch.zeros(4, 3, dtype=torch.float64)
        with pytest.raises(ValueError, match="expected pair_i and pair_j"):
            NativeBackend.pair_sums(index, index[:3], vectors, index, 1)
        with pytest.raises(ValueError, match="expected gradients of shape"):
            NativeBackend.pair_sums(index, index, vectors, index, 1)(vectors[:3])

    @pytest.mark.parametrize("which", ["weights", "biases", "offset"])
    def test_layers_that_do_not_follow(self, which):
        network = make_network(4, (3,))
        value = getattr(network, which)
        wrong = value[:2] if which == "offset" else [value[0][:2], value[1]]
        with pytest.raises(ValueError, match="expected offset, weights and biases of the shapes"):
            NativeBackend.values_and_gradients(
                torch.zeros(5, 4, dtype=torch.float64),
                torch.zeros(5, dtype=torch.int64),
                replace(network, **{which: wrong}),
            )
