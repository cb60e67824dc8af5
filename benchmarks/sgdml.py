"""sGDML on rMD17: learning curve, training time and memory, prediction rate; beside the `sgdml` package where it is.

    python benchmarks/sgdml.py [--only ethanol,aspirin] [--sizes 200,500,950] [--data FOLDER] [--json FILE]
                               [--package PYTHON]

Training frames are drawn from the 1000 of the first split, errors are those of its 1000 test frames, in kcal/mol and
kcal/mol/Å. Each training runs in a process of its own: seconds without the imports, and the peak memory of the process;
times need a machine that does nothing else. `--package` names an interpreter that has sgdml==1.0.3 (and numpy<2.4): the
same frames and length scale go through it.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.sgdml.molecules import Molecules
from mliap_hybrid.sgdml.npz import write_gdml_data
from mliap_hybrid.sgdml.sampling import stratified_sample
from mliap_hybrid.sgdml.search import molecule_errors, symmetries_of
from mliap_hybrid.sgdml.trainer import GDMLOptions, train_gdml
from mliap_hybrid.units import KCAL_PER_MOL

Row = dict[str, Any]

SIGMA = 10.0
"""Length scale in 1/Å, for both molecules; aspirin would gain a few percent by a larger one."""

SIZES = {"ethanol": (200, 500, 950), "aspirin": (200, 500)}
"""Numbers of training frames."""

DATA = Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    """Run everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(SIZES), help="molecules")
    parser.add_argument("--sizes", help="numbers of training frames")
    parser.add_argument("--solver", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds rmd17")
    parser.add_argument("--package", type=Path, help="interpreter that has the sgdml package")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.worker:
        print(json.dumps(train_and_measure(**json.loads(options.worker), folder=options.data / "rmd17")))
        return
    if not (options.data / "rmd17").is_dir():
        parser.error(f"{options.data / 'rmd17'} does not exist: name the folder that holds rmd17 with --data")

    rows: list[Row] = []
    for molecule in options.only.split(","):
        sizes = [int(word) for word in options.sizes.split(",")] if options.sizes else SIZES[molecule]
        for n_train in sizes:
            job = {"molecule": molecule, "n_train": n_train, "solver": options.solver}
            show(rows, worker_rows(options, job, f"{molecule} N={n_train}"))
            if n_train == sizes[0]:
                case = f"{molecule} N={n_train} GDML without symmetries"
                show(rows, worker_rows(options, job | {"with_symmetries": False}, case)[:2])
            if options.package:
                show(rows, package_rows(options, molecule, n_train))
    rates = [row for row in rows if row["what"].endswith("geometries/s") and "package" not in row["what"]]
    show(rows, [rates[-1] | {"what": "geometries/s"}])
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def show(rows: list[Row], more: list[Row]) -> None:
    """Print and keep rows."""
    for row in more:
        print(f"{row['what']:60s} {row['value']:10.4g} {row['unit']}", flush=True)
    rows += more


def worker_rows(options: argparse.Namespace, job: dict[str, Any], case: str) -> list[Row]:
    """What a training in a new process measures."""
    command = [sys.executable, __file__, "--worker", json.dumps(job)]
    command += ["--threads", str(options.threads), "--data", str(options.data)]
    run = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return table_rows(json.loads(run.stdout.splitlines()[-1]), case)


def table_rows(measured: dict[str, float], case: str) -> list[Row]:
    """Measurements with their units."""
    units = {
        "force MAE": "kcal/mol/Å",
        "energy MAE": "kcal/mol",
        "train seconds": "s",
        "peak GB": "GB",
        "peak GB, without imports": "GB",
    }
    return [{"what": f"{case} {name}", "value": value, "unit": units.get(name, "")} for name, value in measured.items()]


def train_and_measure(
    molecule: str, n_train: int, folder: Path, solver: str = "auto", with_symmetries: bool = True
) -> dict[str, float]:
    """Train and test one model."""
    molecules, test = (read(folder, molecule, part) for part in ("train", "test"))
    train = molecules.subset(frames_of(molecules, n_train))
    before = peak_memory()
    start = time.perf_counter()
    permutations = symmetries_of(train) if with_symmetries else None
    trained = train_gdml(train, SIGMA, permutations, GDMLOptions(solver=solver))  # type: ignore[arg-type]
    seconds = time.perf_counter() - start
    peak = peak_memory()
    errors = molecule_errors(trained.model, test)
    measured = {
        "force MAE": errors.force_mae / KCAL_PER_MOL,
        "energy MAE": errors.energy_mae / KCAL_PER_MOL,
        "train seconds": seconds,
        "peak GB": peak,
        "peak GB, without imports": peak - before,
        "jitter": trained.solution.jitter,
        "geometries/s": rate(trained.model, test),
    }
    if trained.solution.n_steps is not None:
        measured["steps of conjugate gradients"] = trained.solution.n_steps
    return measured


def peak_memory() -> float:
    """Largest memory of this process so far, GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def rate(model: GDMLModel, test: Molecules, repeats: int = 5) -> float:
    """Predicted geometries per second, energies and forces, the best of some repetitions."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        model.predict(test.positions)
        best = min(best, time.perf_counter() - start)
    return test.n_frames / best


def read(folder: Path, molecule: str, part: str) -> Molecules:
    """One part of the first split."""
    arrays = np.load(folder / f"rmd17_{molecule}_{part}_01.npz")
    return Molecules(
        numbers=torch.tensor(arrays["nuclear_charges"].astype(np.int64)),
        positions=torch.tensor(arrays["coords"]),
        energies=torch.tensor(arrays["energies"]) * KCAL_PER_MOL,
        forces=torch.tensor(arrays["forces"]) * KCAL_PER_MOL,
    )


def frames_of(molecules: Molecules, n_train: int) -> np.ndarray:
    """Training frames, the same at each run."""
    return stratified_sample(molecules.energies.numpy(), n_train, np.random.default_rng(0))


PACKAGE = """
import json, resource, sys, time
import numpy as np
from sgdml.predict import GDMLPredict
from sgdml.train import GDMLTrain
train, test, sigma, processes = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
start = time.perf_counter()
trainer = GDMLTrain(max_processes=processes)
task = trainer.create_task(train, len(train["R"]), test, 5, sigma, lam=1e-10)
model = trainer.train(task)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
R = test["R"].reshape(len(test["R"]), -1)
predictor = GDMLPredict(model, max_processes=processes)
predictor.prepare_parallel(n_bulk=len(R))
energies, forces = predictor.predict(R)
best = float("inf")
for _ in range(5):
    start = time.perf_counter()
    predictor.predict(R)
    best = min(best, time.perf_counter() - start)
print(json.dumps({
    "force MAE": np.abs(forces - test["F"].reshape(len(R), -1)).mean(),
    "energy MAE": np.abs(energies - test["E"]).mean(),
    "train seconds": seconds,
    "peak GB": peak,
    "peak GB, without imports": peak - before,
    "geometries/s": len(R) / best,
}))
"""


def package_rows(options: argparse.Namespace, molecule: str, n_train: int) -> list[Row]:
    """The same training by the `sgdml` package."""
    molecules, test = (read(options.data / "rmd17", molecule, part) for part in ("train", "test"))
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"{part}.npz" for part in ("train", "test")]
        write_gdml_data(files[0], molecules.subset(frames_of(molecules, n_train)), molecule)
        write_gdml_data(files[1], test, molecule)
        command = [str(options.package), "-c", PACKAGE, *map(str, files), f"{SIGMA:.0f}", str(options.threads)]
        run = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return table_rows(json.loads(run.stdout.splitlines()[-1]), f"{molecule} N={n_train} sgdml package")


if __name__ == "__main__":
    main()
