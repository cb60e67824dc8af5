"""The torch back end, on all kinds of features."""

from __future__ import annotations

import pytest
import torch

from mliap_hybrid.features.acsf import default_symmetry_functions
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.kernels import backend as choice
from mliap_hybrid.kernels.backend import backend_class, backend_for
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.testing.backend_tests import BackendTests
from mliap_hybrid.testing.backends import torch_alone
from mliap_hybrid.testing.contractions import ContractedBackendTests
from mliap_hybrid.testing.feature_kernel_tests import FeatureKernelTests
from mliap_hybrid.testing.surroundings import surroundings
from mliap_hybrid.testing.training_kernel_tests import make_network


class TestTorchBackend(BackendTests):
    def backend(self, features, heads=(), dtype=torch.float64):
        return TorchBackend(features, heads, self.device, dtype)


class TestTorchBackendOnMoments(TestTorchBackend, ContractedBackendTests):
    """The same with learned contractions."""


class TestSymmetryFunctions(FeatureKernelTests):
    def features(self):
        return default_symmetry_functions(self.elements, 5.0)

    def backend(self, features, heads=(), dtype=torch.float64):
        return TorchBackend(features, heads, self.device, dtype)


class TestMultipolesThatNoKernelKnows(FeatureKernelTests):
    def features(self):
        return GaussianMultipoles((-1, 0, 1, 7), (0.6,), 5.0, self.elements, root_offset=0.1, radial="exact")

    def backend(self, features, heads=(), dtype=torch.float64):
        return TorchBackend(features, heads, self.device, dtype)


def test_no_features():
    """Nothing, of the right shapes."""
    geometry, backend = surroundings([3, 0], (1, 8)), TorchBackend(NoFeatures((1, 8), 5.0))
    nothing = torch.zeros(2, 0)
    assert backend.forward(geometry).shape == (2, 0)
    assert backend.jvp(geometry, geometry.pair_vectors).shape == (2, 0)
    for gradients in (backend.vjp(geometry, nothing), backend.hvp(geometry, nothing, geometry.pair_vectors)):
        assert torch.equal(gradients, torch.zeros(3, 3, dtype=torch.float64))


class TestChoice:
    features = GaussianMultipoles((0, 1, 2), (0.6,), 5.0, (1, 8))

    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_the_processor_has_kernels(self, dtype):
        backend = backend_for(self.features, [make_network(self.features.n_features, (3,))], "cpu", dtype)
        assert isinstance(backend, NativeBackend)
        assert (backend.dtype, backend.n_heads) == (dtype, 1)
        assert backend_class(dtype=dtype) is NativeBackend

    def test_elsewhere_is_torch(self):
        deep = make_network(self.features.n_features, (2,) * 16)
        roots = GaussianMultipoles((0, 1), (0.6,), 5.0, (1, 8), root_offset=0.1)
        assert backend_class(roots) is TorchBackend
        assert backend_class(self.features, [deep]) is TorchBackend
        assert backend_class(None, [deep]) is TorchBackend
        assert backend_class(self.features, (), "meta") is backend_class(device="meta") is TorchBackend
        assert backend_class(self.features, dtype=torch.float16) is TorchBackend

    def test_numbers_that_nobody_computes_with(self):
        with pytest.raises(ValueError, match=r"expected a floating-point precision, got torch.int64"):
            backend_class(self.features, dtype=torch.int64)

    def test_a_new_back_end_comes_first(self, monkeypatch):
        class Faster(TorchBackend):
            @staticmethod
            def supports(features, heads, device, dtype):
                return isinstance(features, GaussianMultipoles) and device.type == "cuda"

        monkeypatch.setattr(choice, "BACKENDS", (Faster, *choice.BACKENDS))
        assert backend_class(self.features, (), "cuda:1") is Faster
        assert backend_class(self.features) is NativeBackend
        assert backend_class(NoFeatures((1,), 3.0), (), "cuda:1") is TorchBackend

    def test_torch_alone(self):
        with torch_alone():
            assert isinstance(backend_for(self.features), TorchBackend)
        assert isinstance(backend_for(self.features), NativeBackend)

    def test_features_on_another_device_are_copied(self):
        copied = TorchBackend(self.features, (), "meta").features
        assert {buffer.device.type for buffer in copied.buffers()} == {"meta"}
        assert {buffer.device.type for buffer in self.features.buffers()} == {"cpu"}
        assert TorchBackend(self.features).features is self.features
