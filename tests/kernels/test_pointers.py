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
