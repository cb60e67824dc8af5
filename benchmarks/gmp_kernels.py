"""Speed of the features' native kernels beside the torch definition, in µs an atom.

    python benchmarks/gmp_kernels.py [--threads 1,2] [--json FILE]

Water (216 atoms) and copper (500 atoms) at cutoffs of 6 and 8 Å: 20 features (5 widths, orders 0 to 3), forward and
vjp; then `gmp-2c3` with a network of 128-128, energies and forces; at last, on the water at 6 Å, the learned sets
beside it, all in turns. The smallest of many repetitions counts.
GFLOP/s stand beside the peak of the same core, measured with multiply-adds that never leave the registers.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from scipy.spatial.transform import Rotation

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.sets import FEATURE_SETS, LEARNED_SETS
from mliap_hybrid.kernels.library import instruction_sets, open_library
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.contraction import ContractionShape
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.native import network_weights
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.structure import Batch, Geometry

PUBLISHED_MICROSECONDS = 2600.0
"""The published C++ featuriser at r_c = 8 Å, features and derivatives, on a core of this kind."""

HIDDEN = (128, 128)
"""Hidden layers of the network on `gmp-2c3`."""

PRESETS = {"small": "learned-small", "default": "learned", "large": "learned-large"}
"""What a row is called -> learned set."""

TEN_ELEMENTS = (1, 6, 7, 8, 9, 11, 12, 14, 16, 17)
"""Of the model that is asked about water."""

DTYPES = {"f32": torch.float32, "f64": torch.float64}


class Table:
    """Rows as they come, printed at once."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    def add(self, what: str, value: float, unit: str) -> None:
        """Print and keep a row."""
        print(f"{what:86s} {value:10.3f} {unit}", flush=True)
        self.rows.append({"what": what, "value": value, "unit": unit})


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    threads = [int(word) for word in options.threads.split(",")]
    table = Table()

    peaks = {name: fma_peak(dtype) for name, dtype in DTYPES.items()}
    print(f"instruction set: {instruction_sets()[0]}")
    for name, peak in peaks.items():
        table.add(f"peak of one core, multiply-adds in registers, {name}", peak, "GFLOP/s")
    for name, atoms in (("water 216", water()), ("Cu 500", copper())):
        for cutoff in (6.0, 8.0):
            batch = frame_to_batch(atoms, cutoff)
            case = f"{name}, r_c {cutoff:g}"
            table.add(f"{case}, neighbours of an atom", batch.n_pairs / batch.n_atoms, "")
            time_features(table, case, batch, cutoff, threads, peaks)
            time_model(table, case, batch, cutoff, threads, peaks)
    time_presets(table, water(), 6.0)
    if options.json:
        options.json.write_text(json.dumps(table.rows, indent=1))


def time_features(
    table: Table, case: str, batch: Batch, cutoff: float, threads: list[int], peaks: dict[str, float]
) -> None:
    """20 features: torch and native, forward and forward + vjp."""
    geometry, n_atoms = batch.geometry(), batch.n_atoms
    features = GaussianMultipoles((0, 1, 2, 3), (0.25, 0.5, 0.75, 1.0, 1.25), cutoff, elements_of(batch))
    case = f"{case}, {features.n_features} features"
    feature_gradient = torch.randn(n_atoms, features.n_features, dtype=torch.float64)

    torch.set_num_threads(1)
    alone = best_time(lambda: features(geometry), repeats=5)
    both = best_time(lambda: features.vjp(geometry, feature_gradient, features.forward_with_state(geometry)[1]), 5)
    table.add(f"{case}, forward, torch f64, 1 core", 1e6 * alone / n_atoms, "µs/atom")
    table.add(f"{case}, forward+vjp, torch f64, 1 core", 1e6 * both / n_atoms, "µs/atom")
    for name, dtype in DTYPES.items():
        for n_threads in threads:
            native = NativeBackend(features, dtype=dtype, n_threads=n_threads)
            pairs, weights = native.prepare(geometry), feature_gradient.to(dtype)

            def forward_and_vjp(native=native, pairs=pairs, weights=weights) -> None:
                _, state = native.forward_with_state(pairs)
                native.vjp(pairs, weights, state)

            forward = best_time(lambda native=native, pairs=pairs: native.forward(pairs))
            total = best_time(forward_and_vjp)
            cores = "1 core" if n_threads == 1 else f"{n_threads} cores"
            table.add(f"{case}, forward, native {name}, {cores}", 1e6 * forward / n_atoms, "µs/atom")
            table.add(f"{case}, forward+vjp, native {name}, {cores}", 1e6 * total / n_atoms, "µs/atom")
            if n_threads == 1:
                rate = 1e-9 * operations(features, geometry) / total
                table.add(f"{case}, forward+vjp, native {name}, arithmetic", rate, "GFLOP/s")
                table.add(f"{case}, forward+vjp, native {name}, of the peak", 100.0 * rate / peaks[name], "%")
                table.add(f"{case}, forward+vjp, torch f64 over native {name}", both / total, "x")
                if cutoff == 8.0:
                    ratio = PUBLISHED_MICROSECONDS * n_atoms / (1e6 * total)
                    table.add(f"{case}, forward+vjp, published C++ over native {name}", ratio, "x")


def fixed_model(elements: tuple[int, ...], cutoff: float) -> HybridModel:
    """The set `gmp-2c3` with a network of random weights."""
    of_set = FEATURE_SETS["gmp-2c3"]
    features = GaussianMultipoles(
        (0, 1, 2, 3),
        (0.25, 0.5, 1.0, 2.0),
        cutoff,
        elements,
        channels=of_set.channels,
        products=of_set.products,
        third_order=of_set.third_order,
    )
    network = AtomicNetwork(features.n_features, HIDDEN, len(elements))
    return standard_model(features, dict.fromkeys(elements, 0.0), network).double()


def learned_model(name: str, elements: tuple[int, ...], cutoff: float) -> HybridModel:
    """A learned set with its network, of random weights."""
    of_set = LEARNED_SETS[name]
    widths = np.geomspace(0.25, cutoff / 3.0, of_set.n_widths).tolist()
    features = NeighbourMoments(widths, cutoff, elements)
    shape = ContractionShape(of_set.n_channels, of_set.body_order)
    network = ContractedNetwork.make(features.n_features, 0, shape, of_set.hidden, len(elements), whitened=False)
    return standard_model(features, dict.fromkeys(elements, 0.0), network).double()


def time_presets(table: Table, atoms: Atoms, cutoff: float) -> None:
    """Energies and pair forces of the learned sets beside `gmp-2c3`; of the default one with ten elements, too."""
    torch.set_num_threads(1)
    batch = frame_to_batch(atoms, cutoff)
    geometry, two = batch.geometry(), elements_of(batch)
    models = {"gmp-2c3": fixed_model(two, cutoff)}
    models |= {name: learned_model(of_set, two, cutoff) for name, of_set in PRESETS.items()}
    models["default, ten elements"] = learned_model("learned", TEN_ELEMENTS, cutoff)
    for name, dtype in DTYPES.items():
        backends = {key: NativeBackend(m.features, [network_weights(m)], dtype=dtype) for key, m in models.items()}
        best = dict.fromkeys(backends, float("inf"))
        for _ in range(40):
            for key, backend in backends.items():
                start = time.perf_counter()
                backend.heads_and_mean_gradient(geometry)
                best[key] = min(best[key], time.perf_counter() - start)
        for key in PRESETS:
            what = f"{key} preset, energies and forces, {name}"
            table.add(f"{what} | µs/atom", 1e6 * best[key] / batch.n_atoms, "µs/atom")
            table.add(f"{what} | ratio to gmp-2c3 + 128-128", best[key] / best["gmp-2c3"], "x")
        ratio = best["default, ten elements"] / best["default"]
        table.add(f"default preset, energies and forces, {name} | ratio of ten elements to two", ratio, "x")


def time_model(
    table: Table, case: str, batch: Batch, cutoff: float, threads: list[int], peaks: dict[str, float]
) -> None:
    """The set `gmp-2c3` with a network: energies and forces."""
    geometry, n_atoms = batch.geometry(), batch.n_atoms
    model, hidden = fixed_model(elements_of(batch), cutoff), HIDDEN
    features = model.features
    case = f"{case}, gmp-2c3 + network 128-128, energy and forces"
    sizes = [features.n_features, *hidden]
    in_network = sum(4 * a * b for a, b in itertools.pairwise(sizes)) * n_atoms  # there and back
    for name, dtype in DTYPES.items():
        for n_threads in threads:
            native = NativeBackend(features, [network_weights(model)], dtype=dtype, n_threads=n_threads)
            pairs = native.prepare(geometry)

            def forces(native=native, pairs=pairs) -> torch.Tensor:
                _, gradients = native.heads_and_mean_gradient(pairs)
                result = torch.zeros_like(batch.positions)
                return result.index_add(0, batch.pair_i, gradients).index_add(0, batch.pair_j, -gradients)

            total = best_time(forces)
            cores = "1 core" if n_threads == 1 else f"{n_threads} cores"
            table.add(f"{case}, native {name}, {cores}", 1e6 * total / n_atoms, "µs/atom")
            if n_threads == 1:
                rate = 1e-9 * (operations(features, geometry) + in_network) / total
                table.add(f"{case}, native {name}, arithmetic", rate, "GFLOP/s")
                table.add(f"{case}, native {name}, of the peak", 100.0 * rate / peaks[name], "%")


def operations(features: GaussianMultipoles, geometry: Geometry) -> float:
    """Floating-point operations that forward and vjp cannot do without; shuffles, copies and padding do not count."""
    probes = len(features.channels) * len(features.widths)
    n_components = sum(2 * n + 1 for n in features.orders)
    radial = len(features.orders) * probes * (6 + 5)  # cubic and its derivative
    moments = 2 * n_components * probes  # multiply-adds, there; twice that and the contraction with the gradients back
    back = 4 * n_components * probes + 2 * len(features.orders) * probes
    harmonics = 10 * n_components
    in_products = 6 * features.n_features * (2 * max(features.orders) + 1)
    n_pairs = len(geometry.pair_vectors)
    return n_pairs * (20 + radial + moments + back + harmonics) + geometry.n_centres * in_products


def fma_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of one core in registers."""
    library, name = open_library(), instruction_sets()[0].encode()
    single, rounds = int(dtype == torch.float32), 500_000
    done = library.mliap_kernels_fma_rounds(name, single, rounds)
    return 1e-9 * done / best_time(lambda: library.mliap_kernels_fma_rounds(name, single, rounds))


def best_time(work: Callable[[], object], repeats: int = 200) -> float:
    """Seconds of the fastest repetition."""
    work()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return best


def elements_of(batch: Batch) -> list[int]:
    """Atomic numbers that occur."""
    return torch.unique(batch.numbers).tolist()


def water() -> Atoms:
    """72 molecules at 0.997 g/cm^3, on a lattice, turned at random."""
    random = np.random.default_rng(0)
    edge = (72 * 18.015 / 0.60221 / 0.997) ** (1.0 / 3.0)  # Å
    places = np.stack(np.meshgrid(*[np.arange(5)] * 3), axis=-1).reshape(-1, 3)[random.permutation(125)[:72]]
    one = molecule("H2O")
    box = Atoms(cell=[edge] * 3, pbc=True)
    for place, turn in zip(places, Rotation.random(72, random_state=0), strict=True):
        turned = one.copy()
        turned.positions = turn.apply(one.positions - one.positions[0]) + place * edge / 5
        box += turned
    return box


def copper() -> Atoms:
    """5 x 5 x 5 cubic cells, rattled."""
    atoms = bulk("Cu", cubic=True).repeat(5)
    atoms.rattle(0.05, seed=0)
    return atoms


if __name__ == "__main__":
    main()
