"""The Triton kernels compiled for devices that are not there, and what they need of one: registers, spills, memory.

The compiler and the assembler that come with Triton take any target; what they say is what a device would run. Launch
arguments are those of features: what `PairKernels` and `SparsePolynomials` would give.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.kernels.gpu import moments, pair_gradients, sparse_polynomials
from mliap_hybrid.kernels.gpu.launch import FUSE_MULTIPLY_ADDS
from mliap_hybrid.kernels.gpu.pair_kernels import PairKernels

TARGETS = (80, 90)
"""Compute capabilities: A100 and H100."""

TYPES = {torch.float32: "fp32", torch.float64: "fp64"}

OF_ARGUMENTS = {
    "vectors": "*fp64",
    "species": "*i32",
    "order": "*i64",
    "offsets": "*i64",
    "own_species": "*i32",
    "gradients": "*fp64",
    "starts": "*i32",
    "factors": "*i32",
    "n_places": "i32",
    "n_probes": "i32",
    "n_rows": "i32",
    "n_centres": "i32",
}
"""Types of arguments; those that are not here are pointers to numbers of the back end's precision."""


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
    """Bytes of shared memory of a program, those that the system takes included."""
    instructions: int
    ttir: str
    """Triton's intermediate code."""


def compiled_kernels(
    features: GaussianMultipoles | NeighbourMoments,
    dtype: torch.dtype,
    targets: Sequence[int] = TARGETS,
    is_sorted: bool = True,
    ones: Sequence[str] = (),
) -> list[CompiledKernel]:
    """All kernels that the back end starts for these features, for each target.

    Parameters
    ----------
    features : GaussianMultipoles or NeighbourMoments
    dtype : {torch.float32, torch.float64}
    targets : sequence of int
        Compute capabilities, 80 for 8.0.
    is_sorted : bool
        Pairs are given place after place.
    ones : sequence of str
        Numbers among the arguments that are one: Triton makes constants of them, as it would in a call.
    """
    constants = PairKernels(features, torch.device("cpu"), dtype).constants(is_sorted) | dict.fromkeys(ones, 1)
    kernels = [(moments.moments_kernel, constants), (pair_gradients.pair_gradients_kernel, constants)]
    if isinstance(features, GaussianMultipoles):
        constants = sparse_polynomials.CONSTANTS | dict.fromkeys(ones, 1)
        kernels.append((sparse_polynomials.polynomials_kernel, constants))
    return [_compile(kernel, of_kernel, dtype, target) for target in targets for kernel, of_kernel in kernels]


def _compile(kernel: Any, constants: Mapping[str, Any], dtype: torch.dtype, capability: int) -> CompiledKernel:
    values = {name: value for name, value in constants.items() if name in kernel.arg_names}
    types = {name: OF_ARGUMENTS.get(name, f"*{TYPES[dtype]}") for name in kernel.arg_names}
    types |= dict.fromkeys(values, "constexpr")
    # torch's memory begins at multiples of 16 bytes, which Triton is told when it compiles for a call.
    aligned = [[k] for k, name in enumerate(kernel.arg_names) if types[name].startswith("*")]
    attributes = {tuple(path): [["tt.divisibility", 16]] for path in aligned}
    options = {"num_warps": constants["num_warps"], "enable_fp_fusion": FUSE_MULTIPLY_ADDS}
    source = ASTSource(kernel, types, values, attributes)
    made = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    said = _assembler(made.asm["ptx"], capability)
    return CompiledKernel(
        kernel.__name__,
        f"sm_{capability}",
        TYPES[dtype],
        constants["num_warps"],
        registers=_number(r"Used (\d+) registers", said),
        spills=_number(r"(\d+) bytes spill stores", said),
        shared=made.metadata.shared + _number(r"(\d+) bytes smem", said, 0),
        instructions=len(re.findall(r";\s*$", made.asm["sass"], re.MULTILINE)),
        ttir=made.asm["ttir"],
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


def _number(pattern: str, text: str, default: int | None = None) -> int:
    found = re.search(pattern, text)
    if found is None and default is not None:
        return default
    assert found is not None, f"expected '{pattern}' in: {text}"
    return int(found[1])
