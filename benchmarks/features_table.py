"""Accuracy and cost of the named sets of features beside symmetry functions.

    python benchmarks/features_table.py [--quick] [--json FILE] [--data FOLDER] [--keep FOLDER] [--jobs 2]

Fixed sets, with the same network and training: rMD17 ethanol and aspirin (950 training, 50 validation, 1000 test
frames) and 3BPA at 300 to 1200 K (350, 50, 100), which has four elements. Presets, the learned sets `small`, `default`
and `large` and the fixed set `plain`: all of data_sets.py, molecules, crystals and ions, by a training file that names
the set and nothing else, without charges and, where there are ions or polar molecules, with fitted ones. Everything is
trained by `mliap_hybrid.runs.run.train` on one core, three seeds each; the test frames are only looked at in the end.
`--quick` trains `default` on ethanol once, with fewer steps. `--keep` leaves the result of every run in a folder, and a
run whose result is there is not repeated.
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.io import write
from data_sets import FRAMES, KCAL
from rich.console import Console
from rich.table import Table

from mliap_hybrid.config import TrainingFile, parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.structure import join_batches

SETS: dict[str, dict[str, Any]] = {
    # As many radial functions as the sets of two channels: the same cost for a pair.
    "gmp-classic": {"set": "gmp-classic", "widths": np.geomspace(0.25, 2.0, 8).round(4).tolist()},
    "gmp-2c": {"set": "gmp-2c"},
    "gmp-2c3": {"set": "gmp-2c3"},
    "gmp-3c3": {"set": "gmp-3c3"},
    "best": {"set": "gmp-3c3w"},
    "symmetry functions": {"set": "acsf"},
}
"""What a row of the table is called -> `features` of its training file."""

PRESETS = {"small": "learned-small", "default": "learned", "large": "learned-large", "plain": "gmp-2c3"}
"""What a row of the table is called -> set that its training file names."""

WITH_CHARGES = " with charges"
"""Follows the name of a preset whose model has fitted charges."""

MEV = 1000.0
DATA_SETS = ("ethanol", "aspirin", "3BPA")
"""Of the fixed sets."""
CHARGED = ("NaCl", "water")
"""Data sets that are trained with charges, too."""
PERIODIC = ("Li", "Si", *CHARGED)
"""Data sets whose energies are counted by atom."""

RECIPE: dict[str, Any] = {
    "repulsion": {"kind": "none"},
    "network": {"hidden": [256, 128], "whitening_damping": 1e-3},
    "loss": {"energy": 0.01, "forces": 1.0, "force_transition": 0.013},
    "optimisation": {
        "optimiser": "soap",
        "epochs": 140,
        "batch_size": 38,
        "learning_rate": 4e-3,
        "weight_decay": 3e-2,
        "average_decay": 0.999,
    },
}
"""The rest of every training file with a fixed set. Chosen by validation errors."""


QUICK_EPOCHS = 210
"""Of `--quick`, in place of the 400 that a training file without the number has: 5250 steps."""


@dataclasses.dataclass(frozen=True)
class Run:
    """One training."""

    data: str
    features: str
    seed: int
    epochs: int | None = None
    """In place of those of the training file."""

    @property
    def name(self) -> str:
        """Name of its file."""
        return f"{self.data}_{self.features}_{self.seed}".replace(" ", "-")


@dataclasses.dataclass(frozen=True)
class Result:
    """What came of it."""

    dimension: int
    force_mae: float
    """kcal/mol/Å, test frames, components."""
    force_rmse: float
    """kcal/mol/Å, test frames, components."""
    energy_mae: float
    """kcal/mol of a molecule, or of an atom in `PERIODIC` sets; test frames."""
    validation_force_mae: float
    """kcal/mol/Å."""
    fit_seconds: float
    """Features (cached ones, but for the first seed), training and errors of all frames."""
    microseconds: float
    """Energy and forces in double precision, µs/atom: native kernels, or torch for symmetry functions."""


def main() -> None:
    """Train everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sets", nargs="+", choices=[*SETS, *PRESETS], default=[*SETS, *PRESETS])
    parser.add_argument("--names", nargs="+", choices=FRAMES, default=list(FRAMES))
    options = parser.parse_args()
    if not (options.data / "rmd17").is_dir():
        parser.error(f"there is no rmd17 in {options.data}: name the folder of the data sets with --data")
    seeds = range(options.seeds)
    # Seeds outside: the first one leaves the features of each set in the cache for the others.
    runs = [
        Run(data, features + charges, seed)
        for data, seed, features, charges in itertools.product(options.names, seeds, options.sets, ("", WITH_CHARGES))
        if (features in PRESETS and (not charges or data in CHARGED)) or (data in DATA_SETS and not charges)
    ]
    if options.quick:
        runs = [Run("ethanol", "default", 0, QUICK_EPOCHS)]

    results: dict[Run, Result] = {}
    for run, result in finished(runs, options.data, options.keep, min(options.jobs, len(runs))):
        results[run] = result
        print(f"{run.data} | {run.features} | seed {run.seed}: {dataclasses.asdict(result)}", flush=True)
    rows = summary(results)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def finished(runs: list[Run], data: Path, keep: Path | None, n_jobs: int) -> Iterator[tuple[Run, Result]]:
    """Results as they come, those that are kept first."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        cache = Path(temporary) / "features"
        waiting = []
        for run in runs:
            file = folder / f"{run.name}.json"
            if file.exists():
                yield run, Result(**json.loads(file.read_text()))
            else:
                waiting.append((run, data, cache / run.data, file))
        if n_jobs == 1:
            yield from map(do, waiting)
            return
        with multiprocessing.get_context("spawn").Pool(n_jobs) as pool:
            yield from pool.imap_unordered(do, waiting)


def do(task: tuple[Run, Path, Path, Path]) -> tuple[Run, Result]:
    """Train once, measure, and leave the result in a file."""
    run, data, cache, file = task
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        settings = training_file(run, data, cache, Path(folder))
        with Display(Console(file=io.StringIO())) as display:
            start = time.perf_counter()
            evaluations = train(settings, display)
            seconds = time.perf_counter() - start
            test = evaluations["test"]
            assert test.forces is not None
            assert evaluations["validation"].forces is not None
        model = load_model(settings.run)
        frames = [frame for frame in FRAMES[run.data](data) if frame.info["split"] == "test"][:20]
        batches = [frame_to_batch(frame, model.cutoff) for frame in frames]
        size = 1 if run.data in PERIODIC else batches[0].n_atoms
        result = Result(
            dimension=model.features.n_features,
            force_mae=test.forces.mae / KCAL,
            force_rmse=test.forces.rmse / KCAL,
            energy_mae=test.energy.mae * size / KCAL,
            validation_force_mae=evaluations["validation"].forces.mae / KCAL,
            fit_seconds=seconds,
            microseconds=time_of_forces(Evaluator(model), batches),
        )
    file.write_text(json.dumps(dataclasses.asdict(result)))
    return run, result


def training_file(run: Run, data: Path, cache: Path, folder: Path) -> TrainingFile:
    """The settings of a run, its frames written to `folder`."""
    preset = run.features.removesuffix(WITH_CHARGES)
    if preset in PRESETS:
        charges = "none" if preset == run.features else "fitted"
        rest: dict[str, Any] = {"features": {"set": PRESETS[preset]}, "electrostatics": {"charges": charges}}
    else:
        rest = RECIPE | {"features": {"widths": [0.25, 0.5, 1.0, 2.0]} | SETS[run.features]}
    if run.epochs is not None:
        rest["optimisation"] = rest.get("optimisation", {}) | {"epochs": run.epochs}
    of_run = {"run": str(folder / "run"), "seed": run.seed, "data": data_settings(run.data, data, cache, folder)}
    return parse_training_file(rest | of_run, run.name)


def data_settings(name: str, data: Path, cache: Path, folder: Path) -> dict[str, Any]:
    """The section `data` for one of the data sets, whose frames are written to `folder`."""
    file = folder / "frames.extxyz"
    write(file, FRAMES[name](data))
    return {"files": [str(file)], "split_key": "split", "cache": str(cache)}


def time_of_forces(evaluator: Evaluator, batches: list) -> float:
    """µs/atom of energies and pair forces of several frames together, the fastest of ten."""
    batch = join_batches(batches)
    geometry, best = batch.geometry(), float("inf")
    for _ in range(10):
        start = time.perf_counter()
        evaluator.total(geometry)
        best = min(best, time.perf_counter() - start)
    return 1e6 * best / batch.n_atoms


def summary(results: dict[Run, Result]) -> list[dict[str, object]]:
    """Print one row for each data set and set of features: mean errors of the seeds, and the fastest of their times."""
    table = Table("data", "features", "seeds", "dimension", "µs/atom", "fit (s)")
    for title in ("energy MAE", "force MAE", "+-", "validation"):
        table.add_column(title)
    rows: list[dict[str, object]] = []
    for data, features in dict.fromkeys((run.data, run.features) for run in results):
        of_row = [result for run, result in results.items() if (run.data, run.features) == (data, features)]
        mean = {f.name: statistics.mean(getattr(r, f.name) for r in of_row) for f in dataclasses.fields(Result)}
        spread = statistics.pstdev(r.force_mae for r in of_row)
        fit_seconds, microseconds = (min(getattr(r, name) for r in of_row) for name in ("fit_seconds", "microseconds"))
        table.add_row(
            data,
            features,
            str(len(of_row)),
            f"{mean['dimension']:.0f}",
            f"{microseconds:.1f}",
            f"{fit_seconds:.0f}",
            f"{mean['energy_mae']:.3f}",
            f"{mean['force_mae']:.3f}",
            f"{spread:.3f}",
            f"{mean['validation_force_mae']:.3f}",
        )
        # Beside tables of other models, which are in meV.
        size, of_energy = (1.0, "kcal/mol") if features in SETS else (MEV * KCAL, "meV")
        for what, value, unit in (
            ("force MAE", size * mean["force_mae"], f"{of_energy}/Å"),
            ("force MAE, spread over seeds", size * spread, f"{of_energy}/Å"),
            ("force RMSE", size * mean["force_rmse"], f"{of_energy}/Å"),
            ("energy MAE", size * mean["energy_mae"], f"{of_energy}/atom" if data in PERIODIC else of_energy),
            ("seeds", len(of_row), ""),
            ("dimension", mean["dimension"], ""),
            ("fit time", fit_seconds, "s"),
            ("energy and forces", microseconds, "µs/atom"),
        ):
            rows.append({"what": f"{data} | {features} | {what}", "value": value, "unit": unit})
    Console(width=140).print(table)
    return rows


if __name__ == "__main__":
    main()
