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
from mliap_hybrid.models.dipoles import dipole_moments
from mliap_hybrid.models.evaluator import Evaluator
from mliap_hybrid.structure import with_total_charge


class HybridCalculator(Calculator):
    """Energy, forces and stress of a model file, long-range term included (eV, eV/Å, eV/Å^3).

    A model with charges also gives these (e) and, for molecules, the dipole moment about the origin (e Å).
    """

    implemented_properties = [  # noqa: RUF012  # ASE declares it so
        "energy",
        "free_energy",
        "forces",
        "stress",
        "charges",
        "dipole",
    ]

    def __init__(self, model: str | Path, total_charge: float | None = None, **options: Any):
        """Open a model.

        Parameters
        ----------
        model : str or Path
            File that `mliap-hybrid export` wrote.
        total_charge : float, e, optional
            Total charge that predicted charges sum to; by default that which the model was exported for.
        **options
            Passed on to ASE's Calculator.

        Raises
        ------
        InputError
            If the file is missing or damaged.
        """
        super().__init__(**options)
        self.model, self.manifest = load_exported(Path(model))
        self.total_charge = self.manifest.total_charge if total_charge is None else total_charge
        self._evaluator = Evaluator(self.model, getattr(torch, self.manifest.dtype))

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = tuple(all_changes)
    ) -> None:
        """Fill `results`; called by ASE."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        assert self.atoms is not None  # the base class has just set it
        batch = with_total_charge(frame_to_batch(self.atoms, self.model.cutoff), self.total_charge)
        prediction = self._evaluator.predict(batch)
        energy = float(prediction.energies[0])
        self.results = {"energy": energy, "free_energy": energy, "forces": prediction.forces.numpy()}
        if batch.periodic.all():
            stress = -prediction.virials[0] / batch.cells[0].det().abs()  # (3, 3) eV/Å^3
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress.numpy())
        if prediction.charges is not None:
            self.results["charges"] = prediction.charges.numpy()
            if not batch.periodic.any():
                moments = dipole_moments(prediction.charges, batch.positions, batch.structure_of_atom, 1)  # (1, 3)
                self.results["dipole"] = moments[0].numpy()
