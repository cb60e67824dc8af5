"""Hydrogen combustion: errors of a trained model, and how far a flame of 384 atoms gets with it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import units
from ase.io import read
from other_checkout import Row
from rich.console import Console

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

ROOT = Path(__file__).parents[1]
KCAL = units.kcal / units.mol
STEPS = {True: 3000, False: 2_000_000}
"""Of the flame, quick and in full: 1.5 ps and 1 ns."""
EPOCHS = 6
"""Of a quick training."""
ALL_WATER = 128
"""Molecules of water that 256 H and 128 O can become."""


def rows_of_combustion(data: Path, quick: bool, seed: int = 0) -> Iterator[Row]:
    """Train, test and burn.

    Parameters
    ----------
    data : Path
        Folder of the data sets.
    quick : bool
        A short training, and a run of 1.5 ps in place of 1 ns.
    seed : int
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = folder / "frames.extxyz"
        prepare = ROOT / "training" / "h2_combustion" / "prepare.py"
        subprocess.run([sys.executable, prepare, data / "h2_combustion", "-o", frames], check=True, capture_output=True)
        settings = read_training_file(prepare.with_name("train.yaml"))
        of_data = settings.data.model_copy(update={"files": [frames]})
        settings = settings.model_copy(update={"run": folder / "model", "data": of_data, "seed": seed})
        if quick:
            optimisation = settings.optimisation.model_copy(update={"epochs": EPOCHS})
            settings = settings.model_copy(update={"optimisation": optimisation})
        with Display(Console(file=io.StringIO())) as display:
            train(settings, display)
        model = load_model(settings.run)
        yield from rows_of_errors(frames, Evaluator(model))
        export_model(model, folder / "model.pt", dtype="float32")
        yield from rows_of_flame(folder, STEPS[quick])


def rows_of_errors(frames: Path, evaluator: Evaluator) -> Iterator[Row]:
    """Mean and median absolute errors of the test frames of trajectories and of reaction paths."""
    found: dict[str, tuple[list[float], list[np.ndarray]]] = {"aimd": ([], []), "irc": ([], [])}
    for atoms in read(frames, ":"):
        if atoms.info["split"] != "test":
            continue
        prediction = evaluator.predict(frame_to_batch(atoms, evaluator.model.cutoff))
        energies, forces = found[atoms.info["config_type"]]
        energies.append(abs(float(prediction.energies) - atoms.get_potential_energy()) / KCAL)
        forces.append(np.abs(prediction.forces.numpy() - atoms.get_forces()).ravel() / KCAL)
    for kind, (energies, forces) in found.items():
        errors = np.concatenate(forces)
        for what, value, unit in (
            ("force MAE", errors.mean(), "kcal/mol/Å"),
            ("force median error", np.median(errors), "kcal/mol/Å"),
            ("energy MAE", np.mean(energies), "kcal/mol"),
        ):
            yield {"what": f"{kind.upper()} {what}", "value": float(value), "unit": unit}


def rows_of_flame(folder: Path, n_steps: int) -> Iterator[Row]:
    """Heat 256 H and 128 O from 300 to 3000 K, hold and cool them, and count the water."""
    variables = {"model": "model.pt", "steps": n_steps, "out": "flame", "guard": "warn"}
    settings = "".join(f"variable {name} index {value}\n" for name, value in variables.items())
    (folder / "in.flame").write_text(settings + (ROOT / "lammps_inputs" / "in.h2_combustion").read_text())
    command = [*lammps_command(1), "-in", "in.flame", "-log", "none"]
    # A model that knows single reactions alone may lose atoms: what the run has got to counts.
    output = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True).stdout
    counts = folder / "flame" / "species" / "counts.csv"
    last = {"time_ps": "0"}
    if counts.exists():
        with counts.open() as stream:
            last = list(csv.DictReader(stream))[-1]
    warnings = sum("at a distance" in line for line in output.splitlines())
    yield {"what": "protocol | picoseconds survived", "value": float(last["time_ps"]), "unit": "ps"}
    yield {"what": "protocol | H2O yield", "value": int(last.get("H2O", 0)) / ALL_WATER, "unit": "of 128 molecules"}
    yield {"what": "protocol | warnings of the guard", "value": warnings, "unit": ""}
