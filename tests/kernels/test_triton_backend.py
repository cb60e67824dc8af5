"""The back end on Triton's kernels: in the interpreter, compiled for devices, and when it is chosen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.kernels.backend import backend_class
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.kernels.triton_backend import TritonBackend
from mliap_hybrid.testing.backend_tests import BackendTests
from mliap_hybrid.testing.surroundings import surroundings

HAS_TRITON = find_spec("triton") is not None

needs_triton = pytest.mark.skipif(not HAS_TRITON, reason="triton is not installed: pip install 'mliap_hybrid[gpu]'")

ROOT = Path(__file__).resolve().parents[2]

ELEMENTS = (1, 8)

ALL_PRODUCTS = {"channels": ("valence", "count"), "products": "all", "third_order": "diagonal"}


LONG = "float32 or pairs_in_any_order"
"""Those of the tests in the interpreter that take most of the time."""


def multipoles(orders=(0, 1, 2, 3), widths=(0.25, 0.5, 1.0, 2.0), **settings) -> GaussianMultipoles:
    """The set gmp-2c3 by default."""
    return GaussianMultipoles(orders, widths, 6.0, ELEMENTS, **(ALL_PRODUCTS | settings))


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    """Another process of this interpreter."""
    command, variables = [sys.executable, *arguments], os.environ | environment
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=variables, check=False)


@needs_triton
@pytest.mark.parametrize("which", [f"not ({LONG})", pytest.param(LONG, marks=pytest.mark.slow)])
def test_in_the_interpreter(which):
    """All that a back end has to pass, see `triton_interpreter.py`."""
    path = Path(__file__).with_name("triton_interpreter.py")
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", which]
    done = run_python("-m", "pytest", *options, str(path), TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@needs_triton
class TestOnADevice(BackendTests):
    device = "cuda"

    def backend(self, features, heads=(), dtype=torch.float64):
        return TritonBackend(features, heads, self.device, dtype)


@needs_triton
class TestCompiled:
    """Ahead of time, for devices of two generations."""

    @pytest.mark.parametrize(
        ("features", "targets"),
        [
            pytest.param(multipoles(), (80, 90), marks=pytest.mark.slow),
            pytest.param(multipoles(range(7), (0.5, 1.0)), (80, 90), marks=pytest.mark.slow),
            (NeighbourMoments((0.3, 0.6, 1.0, 1.5, 2.0), 6.0, ELEMENTS), (90,)),
        ],
        ids=["gmp-2c3", "orders to 6", "moments"],
    )
    def test_registers(self, features, targets):
        from mliap_hybrid.testing.ahead_of_time import compiled_kernels

        kernels = compiled_kernels(features, torch.float32, surroundings([3, 0, 4], ELEMENTS), targets)
        names = {"moments_kernel", "pair_gradients_kernel", "moment_changes_kernel"}
        names |= {"polynomials_kernel"} if isinstance(features, GaussianMultipoles) else set()
        found = {(kernel.kernel, kernel.target) for kernel in kernels}
        assert found == {(name, f"sm_{capability}") for name in names for capability in targets}
        for kernel in kernels:
            assert kernel.registers <= 255, kernel
            assert kernel.spills == 0, kernel
            assert kernel.shared < 48 * 1024, kernel

    def test_double_precision_throughout(self):
        from mliap_hybrid.testing.ahead_of_time import compiled_kernels

        kernels = compiled_kernels(multipoles(), torch.float64, surroundings([3, 0, 4], ELEMENTS), (90,))
        for kernel in kernels:
            assert "f32" not in kernel.ttir
            assert kernel.spills == 0, kernel
            # Triton rounds numbers of Python that a variable holds to single precision, even if all else is double.
            constants = re.findall(r"arith\.constant (?:dense<)?([-+.e\d]+)>? : \S*f64", kernel.ttir)
            singles = [value for value in map(float, constants) if torch.tensor(value).item() == value]
            assert constants
            assert set(singles) <= {0.0, 1.0, 2.0, 3.0, 6.0}

    def test_one_of_everything(self):
        """Numbers that are one are constants when a kernel is compiled, which the interpreter does not do."""
        from mliap_hybrid.testing.ahead_of_time import compiled_kernels

        features, geometry = GaussianMultipoles((0,), (0.5,), 5.0, (1,)), surroundings([3], (1,))
        assert len(compiled_kernels(features, torch.float32, geometry, (90,))) >= 4


class TestChoice:
    """Who asks for a CUDA device gets it where Triton is there; the processor never does."""

    features = multipoles((0, 1, 2), (0.6,))

    @needs_triton
    @pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
    def test_devices(self, dtype):
        assert backend_class(self.features, (), "cuda:1", dtype) is TritonBackend
        assert backend_class(NeighbourMoments((0.5,), 5.0, ELEMENTS), (), "cuda", dtype) is TritonBackend
        assert backend_class(None, (), "cuda", dtype) is TritonBackend
        assert backend_class(self.features, (), "cpu", dtype) is NativeBackend
        assert backend_class(self.features, (), "meta", dtype) is TorchBackend

    def test_features_that_the_kernels_do_not_know(self):
        roots = multipoles((0, 1), (0.6,), root_offset=0.1, products="diagonal", third_order="none", channels=["count"])
        assert backend_class(roots, (), "cuda") is TorchBackend
        assert backend_class(self.features, (), "cuda", torch.bfloat16) is TorchBackend
        for features, device in ((roots, "cuda"), (self.features, "cpu")):
            with pytest.raises(InputError, match=r"on a CUDA device; found .*: use the torch features"):
                TritonBackend(features, (), device)

    def test_without_triton_it_is_torch(self, monkeypatch):
        monkeypatch.setattr("mliap_hybrid.kernels.triton_backend.find_spec", lambda name: None)
        assert backend_class(self.features, (), "cuda") is TorchBackend

    def test_runs_on_the_processor_do_not_import_it(self):
        code = (
            "import sys; from mliap_hybrid.features.gmp import GaussianMultipoles as G; "
            "from mliap_hybrid.kernels.backend import backend_for; "
            "from mliap_hybrid.testing.surroundings import surroundings; "
            "backend_for(G((0, 1), (0.6,), 5.0, (1, 8))).forward(surroundings([2, 3], (1, 8))); "
            "assert 'triton' not in sys.modules"
        )
        done = run_python("-c", code)
        assert done.returncode == 0, done.stderr
