"""The Triton back end's kernels compiled for devices that are not there, and what they need of one.

The compiler and the assembler that come with Triton take any target. A back end on the processor's tensors starts its
kernels as it would on a device, so that each is compiled for the arguments that it would get, but nothing is run.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.runtime import driver
from triton.runtime.jit import JITFunction

from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.triton_backend import TritonBackend
from mliap_hybrid.structure import Geometry

TARGETS = (80, 90)
"""Compute capabilities: A100 and H100."""


@dataclass(frozen=True)
class CompiledKernel:
    """One kernel for one target, and what it takes."""

    kernel: str
    target: str
    dtype: str
    warps: int
    registers: int
    """Of 32 bits, for each thread; 255 at most."""
    spills: int
    """Bytes of registers that are stored to memory, for each thread."""
    shared: int
    """Bytes of shared memory of a program."""
    instructions: int
    ttir: str
    """Triton's intermediate code."""


class BackendOnTheProcessor(TritonBackend):
    """On tensors of the processor, for Triton's interpreter, or for kernels that are compiled and not run."""

    @staticmethod
    def supports(
        features: Featuriser | None, heads: Sequence[NetworkWeights], device: torch.device, dtype: torch.dtype
    ) -> bool:
        """As on a CUDA device."""
        return TritonBackend.supports(features, heads, torch.device("cuda"), dtype)


class _Absent:
    """What Triton asks of the driver of a device."""

    def __init__(self, capability: int):
        self._target = GPUTarget("cuda", capability, 32)

    def get_current_target(self) -> GPUTarget:
        return self._target

    def get_current_device(self) -> str:
        return f"absent {self._target.arch}"  # under which Triton keeps what it has compiled

    def get_current_stream(self, device: str) -> int:
        return 0


@contextmanager
def compiled_only(capability: int) -> Iterator[list[Any]]:
    """Within this, kernels that are started are compiled for a target and not run; they gather in the list."""
    compiled: list[Any] = []
    run = JITFunction.run

    def compile_alone(kernel: Any, *arguments: Any, **options: Any) -> None:
        compiled.append(run(kernel, *arguments, **(options | {"warmup": True})))

    with patch.object(driver, "_active", _Absent(capability)), patch.object(JITFunction, "run", compile_alone):
        yield compiled


def compiled_kernels(
    features: Featuriser, dtype: torch.dtype, geometry: Geometry, targets: Sequence[int] = TARGETS
) -> list[CompiledKernel]:
    """All kernels that the back end starts for features, their vjp and their jvp, for each target.

    Parameters
    ----------
    features : GaussianMultipoles or NeighbourMoments
    dtype : {torch.float32, torch.float64}
    geometry : Geometry
        On the processor; which kernels there are depends on whether its pairs are sorted, and on numbers that are one.
    targets : sequence of int
        Compute capabilities, 80 for 8.0.
    """
    backend = BackendOnTheProcessor(features, (), "cpu", dtype)
    found: dict[tuple[str, int, str], CompiledKernel] = {}
    for capability in targets:
        with compiled_only(capability) as compiled:
            _, state = backend.forward_with_state(geometry)
            backend.vjp(geometry, torch.zeros(geometry.n_centres, features.n_features), state)
            backend.jvp(geometry, geometry.pair_vectors)
        for kernel in compiled:
            found.setdefault((kernel.name, capability, kernel.hash), _described(kernel, capability, dtype))
    return list(found.values())


def _described(kernel: Any, capability: int, dtype: torch.dtype) -> CompiledKernel:
    said = _assembler(kernel.asm["ptx"], capability)
    return CompiledKernel(
        kernel.name,
        f"sm_{capability}",
        str(dtype).removeprefix("torch."),
        kernel.metadata.num_warps,
        registers=_number(r"Used (\d+) registers", said),
        spills=_number(r"(\d+) bytes spill stores", said),
        shared=kernel.metadata.shared,
        instructions=len(re.findall(r";\s*$", kernel.asm["sass"], re.MULTILINE)),
        ttir=kernel.asm["ttir"],
    )


def _assembler(code: str, capability: int) -> str:
    """What the assembler says of the code of a kernel, called as Triton calls it."""
    (target,) = re.findall(r"^\.target (\w+)", code, re.MULTILINE)
    options = ["-v", "-lineinfo", "--regAllocOptLevel=2", f"--gpu-name={target}"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ptx"
        path.write_text(code)
        command = [get_ptxas(capability).path, *options, str(path), "-o", f"{path}.cubin"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stderr


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    assert found is not None, f"expected '{pattern}' in: {text}"
    return int(found[1])
