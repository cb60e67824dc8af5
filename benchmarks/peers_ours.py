"""This package beside the others: two sets of features, in both precisions."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.io import write
from peers_lammps import LammpsPotential, NotRun, Prediction
from peers_systems import System
from rich.console import Console

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.config import parse_training_file
from mliap_hybrid.fitting.checkpoint import load_checkpoint
from mliap_hybrid.lammps.exporter import export_model, load_exported
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

PRECISIONS = {"f64": "float64", "f32": "float32"}
SECTIONS: dict[str, dict[str, Any]] = {
    "gmp-2c3": {"features": {"set": "gmp-2c3"}, "network": {"hidden": [128, 128]}},
    "learned": {"features": {"set": "learned"}},
}
"""Set -> what its training file says; the rest is left to the defaults."""


@dataclass(frozen=True)
class Ours:
    """A set of features in one precision; both precisions are trained once."""

    features: str
    precision: str
    epochs: int | None = None
    """None leaves them to the defaults."""

    @property
    def name(self) -> str:
        """As in the table."""
        return f"ours, {self.features}, {self.precision}"

    @property
    def fitted_as(self) -> str:
        """Name of the folder that the fit fills."""
        return f"ours_{self.features}"

    def fit(self, system: System, folder: Path) -> None:
        """Train, and write one model file for each precision."""
        if not system.training:
            raise NotRun("the data set has no training frames")
        write(folder / "frames.extxyz", [*system.training, *system.validation])
        content = SECTIONS[self.features] | {
            "run": str(folder / "run"),
            "data": {"files": [str(folder / "frames.extxyz")], "split_key": "split"},
            "electrostatics": {"charges": "none"},
        }
        if self.epochs:
            content["optimisation"] = {"epochs": self.epochs}
        with Display(Console(file=io.StringIO())) as display:
            train(parse_training_file(content, self.name), display, overwrite=True)
        checkpoint = load_checkpoint(folder / "run", "best")
        for precision, dtype in PRECISIONS.items():
            export_model(checkpoint.model, folder / f"{precision}.pt", example=checkpoint.example, dtype=dtype)

    def potential(self, system: System, folder: Path) -> LammpsPotential:
        """Input lines of the model file."""
        file = (folder / f"{self.precision}.pt").resolve()
        _, manifest = load_exported(file)
        return LammpsPotential(potential_block(manifest, str(file)), manifest.description.elements)

    def reference(self, system: System, folder: Path, frames: Sequence[Atoms]) -> list[Prediction]:
        """What the same file says in Python."""
        calculator = HybridCalculator(folder / f"{self.precision}.pt")
        return [Prediction(calculator.get_potential_energy(frame), calculator.get_forces(frame)) for frame in frames]
