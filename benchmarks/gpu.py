"""Speed of the Triton back end on a CUDA device; without one, what its kernels compile to.

    python benchmarks/gpu.py [--largest N] [--rounds N] [--json FILE]
    python benchmarks/gpu.py --compile-only [--json FILE]

Water at 6 Å in single precision, from 100 atoms to a million in steps of ten: `gmp-2c3`, features and pair gradients,
and energies and forces with a network of 128-128; beside it torch on the same device, in turns, as far as its memory
goes. A step begins with pair vectors on the device and ends with its results there. Shares are of what the same device
reaches in copies and in products of matrices without TF32. At last LAMMPS' side of a step, by the stand-in of KOKKOS's
data object. The median of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import triton
from gmp_kernels import HIDDEN, Table, elements_of, fixed_model, operations, water
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.kernels.triton_backend import TritonBackend
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.native import network_weights
from mliap_hybrid.structure import Batch, Geometry
from mliap_hybrid.testing.ahead_of_time import CompiledKernel, compiled_kernels
from mliap_hybrid.testing.mliap_data import DeviceArray, KokkosData
from mliap_hybrid.testing.rank_arrays import RankArrays, rank_arrays

CUTOFF = 6.0
"""Å."""

SMALLEST = 100
"""Atoms: so few that a step costs what its start costs."""

COPIES = 4
"""Of the box along each edge, in the step of LAMMPS."""


@dataclass(frozen=True)
class System:
    """Atoms of many copies of one box, and who their neighbours are."""

    geometry: Geometry
    pair_j: Tensor
    """(n_pairs,) int64."""

    @classmethod
    def of_copies(cls, batch: Batch, n_atoms: int, device: torch.device) -> System:
        """The first atoms of as many copies as they need, with all their neighbours."""
        numbers, pair_i, pair_j, vectors = (
            part.to(device) for part in (batch.numbers, batch.pair_i, batch.pair_j, batch.pair_vectors())
        )
        n_copies = -(-n_atoms // batch.n_atoms)
        first = batch.n_atoms * torch.arange(n_copies, device=device)[:, None]  # first atom of each copy
        centres = (first + pair_i).flatten()
        kept = centres < n_atoms
        neighbours = (first + pair_j).flatten()[kept] % n_atoms
        geometry = Geometry(
            numbers.repeat(n_copies)[:n_atoms],
            numbers[pair_j].repeat(n_copies)[kept],
            centres[kept],
            vectors.repeat(n_copies, 1)[kept],
        )
        return cls(geometry, neighbours)


class DeviceData(KokkosData):
    """The stand-in with all arrays on the device before a step, as KOKKOS has them; forces stay there, too."""

    def __init__(self, arrays: RankArrays, device: str):
        super().__init__(arrays, device)
        self.forces = torch.zeros(self.ntotal, 3, dtype=torch.float64, device=self._device)
        self._on_device: dict[int, DeviceArray | None] = {}
        rows = (arrays.pair_i, arrays.pair_j)
        self._rows, self._neighbours = (torch.from_numpy(part).long().to(self._device) for part in rows)

    def _array(self, values: np.ndarray, allocated: bool = False) -> DeviceArray | None:
        if id(values) not in self._on_device:
            self._on_device[id(values)] = super()._array(values, allocated)
        return self._on_device[id(values)]

    def update_pair_forces(self, fij: Any) -> None:
        """Forces of all atoms from those of the pairs."""
        fij = torch.as_tensor(fij)
        zeros = torch.zeros_like(self.forces)
        self.forces = zeros.index_add(0, self._rows, fij).index_add(0, self._neighbours, -fij)


def main() -> None:
    """Compile or run, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile-only", action="store_true", help="no device is needed")
    parser.add_argument("--largest", type=int, default=1_000_000, help="atoms of the largest system")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    batch = frame_to_batch(water(), CUTOFF)
    if options.compile_only:
        rows = compile_table(batch)
    elif not torch.cuda.is_available():
        sys.exit("there is no CUDA device: --compile-only shows what the kernels compile to")
    else:
        device = torch.device("cuda", torch.cuda.current_device())
        rows = measure(batch, device, options.largest, options.rounds, torch.cuda.synchronize)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def compile_table(batch: Batch) -> list[dict[str, object]]:
    """Registers, spills, shared memory and instructions of all kernels."""
    features = fixed_model(tuple(elements_of(batch)), CUTOFF).features
    print(f"triton {triton.__version__}, torch {torch.__version__}; gmp-2c3 with {features.n_features} features")
    print(f"{'kernel':24s} target dtype    warps registers spilled_bytes shared_bytes instructions")
    rows: list[dict[str, object]] = []
    for dtype in (torch.float32, torch.float64):
        for kernel in compiled_kernels(features, dtype, batch.geometry()):
            if _row(kernel) in rows:
                continue  # compiled twice, for other numbers among the arguments
            rows.append(_row(kernel))
            numbers = f"{kernel.warps:5d} {kernel.registers:9d} {kernel.spills:13d} {kernel.shared:12d}"
            print(f"{kernel.kernel:24s} {kernel.target:6s} {kernel.dtype:8s} {numbers} {kernel.instructions:12d}")
    return rows


def _row(kernel: CompiledKernel) -> dict[str, object]:
    return {name: value for name, value in vars(kernel).items() if name != "ttir"}


def measure(
    batch: Batch, device: torch.device, largest: int, rounds: int, wait: Callable[[], None]
) -> list[dict[str, object]]:
    """All rows of a device; `wait` returns when it has done its work."""
    model = fixed_model(tuple(elements_of(batch)), CUTOFF)
    heads = [network_weights(model)]
    backends: dict[str, Backend] = {
        name: make(model.features, heads, device, torch.float32)
        for name, make in {"triton": TritonBackend, "torch": TorchBackend}.items()
    }
    table = Table()
    bandwidth, peak = copied_bytes(device, wait), multiplied(device, wait)
    table.add("copies in memory, read and written", 1e-9 * bandwidth, "GB/s")
    table.add("product of matrices, f32 without TF32", 1e-12 * peak, "TFLOP/s")
    n_atoms = SMALLEST
    while n_atoms <= largest:
        system = System.of_copies(batch, n_atoms, device)
        for what, step in {"forward+vjp": features_step, "energy and forces": forces_step}.items():
            seconds = in_turns({key: step(backend, system) for key, backend in backends.items()}, rounds, wait)
            for key, value in seconds.items():
                table.add(f"{what}, {key}, {n_atoms} atoms", n_atoms / value, "atoms/s")
                if n_atoms == SMALLEST:
                    table.add(f"{what}, {key}, a step of {n_atoms} atoms", 1e6 * value, "µs")
            if what == "forward+vjp" and "triton" in seconds:
                moved = moved_bytes(backends["triton"], system) / seconds["triton"]
                done = operations(model.features, system.geometry) / seconds["triton"]
                table.add(f"{what}, triton, {n_atoms} atoms, of the copies", 100.0 * moved / bandwidth, "%")
                table.add(f"{what}, triton, {n_atoms} atoms, of the products", 100.0 * done / peak, "%")
        n_atoms *= 10
    seconds_of_lammps = time_lammps(model, device, rounds, wait)
    table.add(f"energy and forces, KOKKOS's stand-in, {COPIES**3 * batch.n_atoms} atoms", *seconds_of_lammps)
    return table.rows


def features_step(backend: Backend, system: System) -> Callable[[], object]:
    """Features and pair gradients from pair vectors."""
    weights = torch.ones(system.geometry.n_centres, backend.n_features, dtype=backend.dtype, device=backend.device)

    def step() -> Tensor:
        pairs = backend.prepare(system.geometry)
        return backend.vjp(pairs, weights, backend.forward_with_state(pairs)[1])

    return step


def forces_step(backend: Backend, system: System) -> Callable[[], object]:
    """Energies, and forces of the atoms, from pair vectors."""
    geometry = system.geometry
    structures = torch.zeros_like(geometry.centre_numbers)

    def step() -> tuple[Tensor, Tensor]:
        values, gradients = backend.heads_and_mean_gradient(geometry)
        sums = backend.pair_sums(geometry.pair_i, system.pair_j, geometry.pair_vectors, structures, 1)
        return values.sum(), sums(gradients)[0]

    return step


def in_turns(
    steps: Mapping[str, Callable[[], object]], rounds: int, wait: Callable[[], None], least_seconds: float = 0.05
) -> dict[str, float]:
    """Median seconds of each step; without those that the memory is too small for."""
    found: dict[str, list[float]] = {key: [] for key in steps}
    for _ in range(rounds):
        for key in list(found):
            try:
                found[key].append(seconds_of(steps[key], wait, least_seconds))
            except torch.OutOfMemoryError:
                print(f"{key}: out of memory")
                del found[key]
                torch.cuda.empty_cache()
    return {key: statistics.median(values) for key, values in found.items()}


def seconds_of(step: Callable[[], object], wait: Callable[[], None], least_seconds: float) -> float:
    """Seconds of a step, from as many as take some time together; one goes first."""
    step()
    wait()
    n_steps, start = 0, time.perf_counter()
    while n_steps == 0 or time.perf_counter() - start < least_seconds:
        step()
        n_steps += 1
        wait()
    return (time.perf_counter() - start) / n_steps


def moved_bytes(backend: Backend, system: System) -> float:
    """What forward and vjp must read and write once, the tables in the cache: pairs, moments, features, gradients."""
    geometry = system.geometry
    vector, species, number = 24, 4, backend.dtype.itemsize
    of_pairs = len(geometry.pair_i) * (2 * (vector + species) + vector)
    n_moments = backend.forward_with_state(geometry)[1].moments.shape[0]
    return of_pairs + geometry.n_centres * number * (4 * n_moments + 2 * backend.n_features)


def copied_bytes(device: torch.device, wait: Callable[[], None], n_bytes: int = 1 << 28) -> float:
    """Bytes read and written in a second."""
    source = torch.zeros(n_bytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return 2.0 * n_bytes / seconds_of(lambda: target.copy_(source), wait, 0.2)


def multiplied(device: torch.device, wait: Callable[[], None], n: int = 4096) -> float:
    """Operations in a second of a product of matrices."""
    torch.backends.cuda.matmul.allow_tf32 = False
    one, other = torch.ones(2, n, n, device=device)
    return 2.0 * n**3 / seconds_of(lambda: one @ other, wait, 0.2)


def time_lammps(model: Any, device: torch.device, rounds: int, wait: Callable[[], None]) -> tuple[float, str]:
    """A step as LAMMPS with KOKKOS asks for it: atoms/s, and the unit."""
    atoms = water().repeat(COPIES)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt"
        export_model(model, path, dtype="float32")
        unified = open_unified(str(path))
    data = DeviceData(rank_arrays(atoms, unified.model.cutoff, unified.element_types), device.type)
    seconds = in_turns({"step": lambda: unified.compute_forces(data)}, rounds, wait)
    return len(atoms) / seconds["step"], f"atoms/s, network {'-'.join(map(str, HIDDEN))}"


if __name__ == "__main__":
    main()
