"""The four kinds of models of the fault matrix, their files, input lines, and energies from Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from native_models import MODELS

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model_files.model_file import Manifest

KINDS = {
    "none": "short-range",
    "fixed": "fixed charges",
    "shift": "shifted charges",
    "increments": "charge increments",
}
"""Charges of a model, a column of the table -> its name in `native_models.py`."""

CHARGED = ("fixed", "shift", "increments")
PREDICTED = ("shift", "increments")


@dataclass(frozen=True)
class ModelFile:
    """An exported model."""

    path: Path
    manifest: Manifest

    def lines(self, elements: Sequence[str] = (), in_python: bool = False) -> str:
        """Input lines of the model; `elements` are those of the atom types, by default the model's."""
        return potential_block(self.manifest, str(self.path), elements, accuracy=1e-6, in_python=in_python)

    def calculator(self) -> HybridCalculator:
        """The same file in ASE, which sums over wave vectors where LAMMPS has PPPM."""
        return HybridCalculator(self.path)


def export(folder: Path, kind: str, total_charge: float = 0.0) -> ModelFile:
    """Write the model file of a kind."""
    path = folder / f"{kind}.pt"
    return ModelFile(path, export_model(MODELS[KINDS[kind]](), path, total_charge=total_charge))
