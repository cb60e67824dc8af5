"""Speed and memory of training from computed features, beside training that computes them anew in each step.

    python benchmarks/training.py [--cores 1,2] [--quick] [--json FILE] [--data FOLDER] [--baseline DIR]

Ethanol (rMD17, where it is there) and the 64 ions of training/nacl; gmp-2c3 features, a network of 128-128, steps on
energies and forces of 8 and 4 frames. Six ways to the same losses and gradients:

    cache           features from the cache, derivatives applied by the native kernels: what `mliap-hybrid train` does
    cache, stored   derivatives from the cache, held in memory: what it does with features that no kernel knows
    cache, disk     the same, read from the cache's files in each step: what it does where memory is short, too
    kernels         no cache: features by the native kernels in each step
    torch           no cache: features by torch, forces by automatic differentiation, in each step
    torch, anew     no cache, and the steps of the first way: features and their derivatives by torch for each step

Those without a cache compute in the precision of the features, double. Each runs in a process of its own, whose memory
is measured; the median step counts, of the fastest of several rounds, since other work on the machine only slows. On
several cores as many processes train at the same time, as with `mliap-hybrid train --processes`, without the exchange
of gradients: rates are summed. Threads would not make such small steps faster.

With --baseline, `mliap-hybrid train` of this checkout and of another one run in turns instead, on one core, and the
median ratios of this one over the other are printed, of time and memory, with half the range of their middle half.
Seconds are then those of the processor.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import ase.io
import torch
from ase import Atoms
from data_sets import rmd17
from other_checkout import THIS, Checkout, Row, checkout_in
from rich.console import Console
from torch import Tensor
from training_ratio import training_rows

from mliap_hybrid.config import TrainingFile, parse_training_file
from mliap_hybrid.fitting.feature_cache import Track
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.raw_features import ComputedFeatures
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.kernels.autograd import differentiable_features
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.structures import forces_and_virials
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.structure import Batch, Geometry, join_batches

HERE = Path(__file__).parent
FRAMES_OF_A_STEP = {"ethanol": 8, "NaCl 64": 4}
N_FRAMES = 64
N_VALIDATION = 2
LEAST_STEPS = 6
ROUNDS = 3

Way = tuple[Callable[[Sequence[int]], tuple[Tensor, Tensor]], list[Tensor]]
"""Frames -> energies (n_frames,) and forces (n_atoms, 3), differentiable in the weights; and these weights."""


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cores", default="1,2")
    parser.add_argument("--quick", action="store_true", help="few steps on one core")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared" / "data")
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout, installed in its .venv")
    options = parser.parse_args()
    other = checkout_in(options.baseline) if options.baseline else None
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        for name, frames in data_sets(options.data).items():
            file = Path(temporary) / f"{name}.extxyz"
            ase.io.write(file, frames)
            if other is not None:
                found = rows_beside(name, file, other, options.quick)
            else:
                numbers = [1] if options.quick else [int(word) for word in options.cores.split(",")]
                found = [row for n in numbers for row in rows_of_ways(name, file, n, options.quick)]
            for row in found:
                print(f"{row['what']:60s} {row['value']:10.4g} {row['unit']}", flush=True)
            rows += found
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def rows_of_ways(name: str, file: Path, n_cores: int, quick: bool) -> list[Row]:
    """Speed and memory of the six ways on one set of frames."""
    cores = "1 core" if n_cores == 1 else f"{n_cores} cores"
    rates, memories = dict.fromkeys(WAYS, 0.0), dict.fromkeys(WAYS, 0.0)
    for _, way in itertools.product(range(1 if quick else ROUNDS), WAYS):
        task = (name, file, file.parent / "cache", way, 0.0 if quick else 3.0)
        with multiprocessing.get_context("spawn").Pool(n_cores) as pool:
            measured = pool.starmap(measure, [task] * n_cores, chunksize=1)
        rate = sum(FRAMES_OF_A_STEP[name] / seconds for seconds, _ in measured)
        rates[way] = max(rates[way], rate)
        memories[way] = sum(memory for _, memory in measured)
    rows: list[Row] = []
    for way in WAYS:
        rows.append({"what": f"{name}, {way}, {cores}", "value": rates[way], "unit": "structures/s"})
        rows.append({"what": f"{name}, {way}, {cores}, memory of training", "value": memories[way], "unit": "MB"})
    for way in ("kernels", "torch", "torch, anew"):
        value = rates["cache"] / rates[way]
        rows.append({"what": f"{name}, cache over {way}, {cores}", "value": value, "unit": "x"})
    return rows


def rows_beside(name: str, file: Path, other: Checkout, quick: bool) -> list[Row]:
    """`mliap-hybrid train` of this checkout beside another's."""
    settings = content_of(name, file) | {
        "optimisation": {"epochs": 5 if quick else 20, "batch_size": FRAMES_OF_A_STEP[name]}
    }
    return training_rows(name, settings, N_FRAMES - N_VALIDATION, (THIS, other), rounds=2 if quick else 7)


def data_sets(data: Path) -> dict[str, list[Atoms]]:
    """Labelled frames in eV by name; ethanol only where it is."""
    sets = {}
    if (data / "rmd17").is_dir():
        sets["ethanol"] = rmd17(data, "ethanol")[:N_FRAMES]
    else:
        print(f"there is no rmd17 in {data}: NaCl alone")
    sets["NaCl 64"] = ase.io.read(HERE.parent / "training" / "nacl" / "nacl64.extxyz.xz", f":{N_FRAMES}")
    return sets


def content_of(name: str, file: Path) -> dict[str, Any]:
    """What a training file for all the frames says."""
    is_ethanol = name == "ethanol"
    widths = [0.25, 0.5, 1.0, 2.0] if is_ethanol else [0.7, 1.0, 1.4, 2.0]
    return {
        "data": {"files": [str(file)], "validation": N_VALIDATION / N_FRAMES, "test": 0.0},
        "features": {"set": "gmp-2c3", "widths": widths},
        "network": {"hidden": [128, 128]},
        "repulsion": {"kind": "none"},
        "electrostatics": {"charges": "none"},
    }


def settings_of(name: str, file: Path, cache: Path) -> TrainingFile:
    """A training file for all the frames, with a cache."""
    content = content_of(name, file)
    content["data"]["cache"] = str(cache)
    return parse_training_file(content, name)


def measure(name: str, file: Path, cache: Path, way: str, seconds: float) -> tuple[float, float]:
    """Median seconds of a step, and MB of memory beyond those of the modules and the data.

    Steps go on for some seconds, so that processes which began together are at work together.
    """
    torch.set_num_threads(1)
    settings = settings_of(name, file, cache)
    with Display(Console(file=io.StringIO())) as display:
        batches = load_data(settings, display)
        before = resident_megabytes()
        predict, parameters = WAYS[way](settings, batches["train"], batches["validation"], display.track)
    optimiser = torch.optim.AdamW(parameters, fused=True)  # the same for all ways, and little of each
    of_step, n_frames = FRAMES_OF_A_STEP[name], len(batches["train"])
    times: list[float] = []
    begin = time.perf_counter()
    for step in itertools.count():
        start = time.perf_counter()
        if len(times) >= LEAST_STEPS and start - begin > seconds:
            break
        energies, forces = predict([(step * of_step + k) % n_frames for k in range(of_step)])
        loss = energies.square().mean() + forces.square().mean()  # labels would cost nothing
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[2:]), resident_megabytes() - before


def resident_megabytes() -> float:
    """Largest memory that this process has had, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


def in_memory(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], track: Track) -> Way:
    """Steps on training frames."""
    inputs = prepare(settings, training, validation, track)
    trainable = make_trainable_model(settings, inputs.initial_fit)

    def predict(indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        prediction = trainable(join_frames([inputs.training[index] for index in indices]))
        return prediction.energies, prediction.forces

    return predict, list(trainable.parameters())


def stored(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], track: Track) -> Way:
    """The same where no kernel knows the features."""
    with patch("mliap_hybrid.runs.preparation.stores_derivatives", lambda _: True):
        return in_memory(settings, training, validation, track)


def on_disk(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], track: Track) -> Way:
    """The same on a machine whose memory is too small for the derivatives."""
    with patch("mliap_hybrid.runs.preparation.fits", lambda *_: False):
        return stored(settings, training, validation, track)


def featurised_anew(
    settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], track: Track
) -> Way:
    """Features and derivatives by torch for each step on them."""
    preparation = "mliap_hybrid.runs.preparation"
    with (
        patch(f"{preparation}.fits", lambda *_: False),
        patch(f"{preparation}._feature_source", lambda _, features, *__: ComputedFeatures(features)),
    ):
        return stored(settings, training, validation, track)


def with_kernels(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], track: Track) -> Way:
    """Features by the native kernels in each step."""
    model = trainable_model(settings, training, track)
    native = NativeBackend(model.features)
    return each_step(model, training, lambda geometry: differentiable_features(native, geometry))


def with_torch(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], track: Track) -> Way:
    """Features by torch in each step."""
    model = trainable_model(settings, training, track)
    return each_step(model, training, model.features)


def trainable_model(settings: TrainingFile, training: Sequence[Batch], track: Track) -> HybridModel:
    """A whole model in double precision, its fixed terms fitted to a few frames."""
    inputs = prepare(settings, training[:2], training[2:3], track)
    trainable = make_trainable_model(settings, inputs.initial_fit)
    return make_model(settings, inputs.features, inputs.initial_fit, trainable).double()


def each_step(model: HybridModel, training: Sequence[Batch], features: Callable[[Geometry], Tensor]) -> Way:
    """Energies from the positions, and forces by differentiation that can be differentiated again."""
    head = model.heads["energy"]

    def predict(indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        batch = join_batches([training[index] for index in indices])
        vectors = batch.pair_vectors().detach().requires_grad_()  # (n_pairs, 3)
        values = features(batch.geometry(vectors))  # (n_atoms, n_features)
        inputs = model.network_inputs(values, batch.total_charges[batch.structure_of_atom])
        atomic = head(inputs, model.species(batch.numbers))  # (n_atoms,)
        (gradients,) = torch.autograd.grad(atomic.sum(), vectors, create_graph=True)  # (n_pairs, 3)
        forces, _ = forces_and_virials(batch, vectors, gradients)
        return batch.sum_over_structures(atomic), forces

    return predict, list(head.parameters())


WAYS: dict[str, Callable[[TrainingFile, Sequence[Batch], Sequence[Batch], Track], Way]] = {
    "cache": in_memory,
    "cache, stored": stored,
    "cache, disk": on_disk,
    "kernels": with_kernels,
    "torch": with_torch,
    "torch, anew": featurised_anew,
}
"""What a row is called -> what sets the steps up."""


if __name__ == "__main__":
    main()
