"""Force errors of the plain default training file beside those of the best recipe that was found by hand.

    python benchmarks/defaults.py [--quick] [--json FILE] [--data FOLDER] [--keep FOLDER] [--names ...] [--seeds 3]

Five kinds of data: a small and a larger molecule (rMD17 ethanol and aspirin), a crystal (Si of the mlearn set, whose
training frames are elastic strains, surfaces, vacancies and MD), ions from crystal to melt (training/nacl) and a liquid
of molecules (training/water). The plain file names the frames and their split and nothing else; what it leaves open is
chosen from the data. A recipe says everything. `--keep` leaves the result of every training in a folder, and what is
there is not repeated. `--quick`: ethanol, one seed.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ase.io import write
from data_sets import FRAMES
from features_table import RECIPE as OF_MOLECULES
from rich.console import Console

from mliap_hybrid.config import parse_training_file
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train


def with_changes(**sections: dict[str, Any]) -> dict[str, Any]:
    """The molecules' recipe with some settings changed."""
    return OF_MOLECULES | {name: OF_MOLECULES.get(name, {}) | values for name, values in sections.items()}


FITTED = {"charges": "fitted"}
BEST: dict[str, dict[str, Any]] = {
    "ethanol": with_changes(features={"set": "gmp-3c3w", "widths": [0.25, 0.5, 1.0, 2.0]}),
    "aspirin": with_changes(features={"set": "gmp-3c3w", "widths": [0.25, 0.5, 1.0, 2.0]}),
    "Si": with_changes(
        features={"set": "gmp-2c3", "widths": [0.5, 0.8, 1.25, 2.0]},
        loss={"force_transition": 0.1},
        optimisation={"batch_size": 8},
        repulsion={"kind": "zbl"},
        electrostatics={"charges": "none"},
    ),
    "NaCl": with_changes(
        features={"set": "gmp-3c3w", "widths": [0.68, 0.97, 1.4, 2.0]},
        loss={"force_transition": 0.025},
        optimisation={"batch_size": 16},
        electrostatics=FITTED,
    ),
    "water": with_changes(
        features={"set": "gmp-3c3w", "widths": [0.24, 0.49, 0.99, 2.0]},
        loss={"force_transition": 0.05},
        optimisation={"batch_size": 4},
        electrostatics=FITTED,
    ),
}
"""The best training file of each set among some ten that were tried by hand, by errors on validation frames."""


@dataclass(frozen=True)
class Run:
    """One training."""

    name: str
    kind: str
    """"plain defaults" or "best recipe"."""
    seed: int

    @property
    def file(self) -> str:
        """Name of its result."""
        return f"{self.name}_{self.kind}_{self.seed}.json".replace(" ", "-")


def main() -> None:
    """Train everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--names", nargs="+", choices=BEST, default=list(BEST))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if not (options.data / "rmd17").is_dir():
        parser.error(f"there is no rmd17 in {options.data}: name the folder of the data sets with --data")
    names, n_seeds = (["ethanol"], 1) if options.quick else (options.names, options.seeds)
    kinds = ("best recipe", "plain defaults")
    runs = [Run(name, kind, seed) for name in names for seed in range(n_seeds) for kind in kinds]
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        tasks = [(run, options.data, folder / run.file) for run in runs]
        with multiprocessing.get_context("spawn").Pool(min(options.jobs, len(tasks))) as pool:
            for run, errors in pool.imap_unordered(do, tasks):
                print(f"{run.name} | {run.kind} | seed {run.seed}: {errors}", flush=True)
        rows = [row for name in names for row in table(name, n_seeds, folder)]
    for row in rows:
        print(f"{row['what']:38s} {row['value']:8.3f} {row['unit']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def do(task: tuple[Run, Path, Path]) -> tuple[Run, dict[str, float]]:
    """Train once, and leave the errors in a file."""
    run, data, file = task
    torch.set_num_threads(1)
    if not file.exists():
        file.write_text(json.dumps(errors_of(run, data)))
    return run, json.loads(file.read_text())


def errors_of(run: Run, data: Path) -> dict[str, float]:
    """Errors on the test frames."""
    with tempfile.TemporaryDirectory() as temporary:
        frames = Path(temporary) / "frames.extxyz"
        write(frames, FRAMES[run.name](data), format="extxyz")
        content: dict[str, Any] = {
            "run": str(Path(temporary) / "run"),
            "seed": run.seed,
            "data": {"files": [str(frames)], "split_key": "split"},
        }
        settings = parse_training_file(content | (BEST[run.name] if run.kind == "best recipe" else {}), run.name)
        with Display(Console(file=io.StringIO())) as display:
            evaluations = train(settings, display)
    assert evaluations is not None
    test = evaluations["test"]
    assert test.forces is not None
    assert test.energy is not None
    return {
        "force MAE": 1e3 * test.forces.mae,
        "force RMSE": 1e3 * test.forces.rmse,
        "energy RMSE": 1e3 * test.energy.rmse,
    }


def table(name: str, n_seeds: int, folder: Path) -> list[dict[str, Any]]:
    """Means over the seeds, and the ratio of the force errors."""
    rows, means = [], {}
    for kind in ("plain defaults", "best recipe"):
        found = [json.loads((folder / Run(name, kind, seed).file).read_text()) for seed in range(n_seeds)]
        for quantity, unit in (("force MAE", "meV/Å"), ("force RMSE", "meV/Å"), ("energy RMSE", "meV/atom")):
            means[kind, quantity] = statistics.mean(errors[quantity] for errors in found)
            rows.append({"what": f"{name} | {kind} | {quantity}", "value": means[kind, quantity], "unit": unit})
    ratio = means["plain defaults", "force MAE"] / means["best recipe", "force MAE"]
    return [*rows, {"what": f"{name} | plain defaults | ratio", "value": ratio, "unit": ""}]


if __name__ == "__main__":
    main()
