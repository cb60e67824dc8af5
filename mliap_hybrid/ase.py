"""ASE calculator of an exported model: the same file and the same numbers as in LAMMPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.models.evaluator import Evaluator


class HybridCalculator(Calculator):
    """Energy, forces and stress of a model file, long-range term included (eV, eV/Å, eV/Å^3)."""

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012  # ASE declares it so

    def __init__(self, model: str | Path, **options: Any):
        """Open a model.

        Parameters
        ----------
        model : str or Path
            File that `mliap-hybrid export` wrote.
        **options
            Passed on to ASE's Calculator.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        super().__init__(**options)
        self.model, self.manifest = load_exported(Path(model))
        self._evaluator = Evaluator(self.model, getattr(torch, self.manifest.dtype))

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = tuple(all_changes)
    ) -> None:
        """Fill `results`; called by ASE."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        assert self.atoms is not None  # the base class has just set it
        batch = frame_to_batch(self.atoms, self.model.cutoff)
        prediction = self._evaluator.predict(batch)
        energy = float(prediction.energies[0])
        self.results = {"energy": energy, "free_energy": energy, "forces": prediction.forces.numpy()}
        if batch.periodic.all():
            stress = -prediction.virials[0] / batch.cells[0].det().abs()  # (3, 3) eV/Å^3
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress.numpy())
