"""ASE calculator of an exported model: the same file and the same numbers as in LAMMPS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.spread import committee_spread
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.model_file import Manifest, encode_records, parse_records, restore_model
from mliap_hybrid.model_files.safe_records import Records
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.structure import in_electric_field, with_total_charge

ON_REQUEST = {
    "polarization": "dipole",
    "born_effective_charges": "born_charges",
    "polarisability": "polarisability",
}
"""Property that is computed where somebody asks for it -> the quantity that it is, or follows from."""

SPREADS = ("energy_spread", "force_spread")
"""Properties that only a committee has."""

DISTANCES = "training_distances"
"""Property of models that know their distance to the training set."""


class HybridCalculator(Calculator):
    """Energy, forces and stress of a model file, long-range term included (eV, eV/Å, eV/Å^3).

    A model with charges also gives these (e) and, for molecules, the dipole moment about the origin (e Å). On request
    (`get_property`) there are, by ASE's names, `born_effective_charges` dM_a/dr_b (n_atoms, 3, 3), e, of charges that
    follow the atoms; `polarization` M/V, e/Å^2, of crystals, of which only changes mean something, and only as long as
    positions are not wrapped; and `polarisability` (3, 3), Å^3, of atoms that stay where they are, of a model with
    induced dipoles. A model with direct forces has no `free_energy`, which for ASE is the energy that the forces
    conserve; see `is_conservative`.
    A committee gives on request (`get_property`) how far its members are apart, as in model/spread.py: `energy_spread`
    (eV), and `force_spread` of each atom (eV/Å). A model that knows its training set gives on request how far each atom
    is from it, `training_distances` (model/training_distance.py); `model.distance.description` has thresholds. Copies
    and pickles, for the images of a path or other processes, are independent of the original and of the file.
    """

    implemented_properties = [  # noqa: RUF012  # ASE declares it so
        "energy",
        "free_energy",
        "forces",
        "stress",
        "charges",
        "dipole",
        *ON_REQUEST,
    ]

    def __init__(
        self,
        model: str | Path,
        total_charge: float | None = None,
        electric_field: Sequence[float] = (0.0, 0.0, 0.0),
        **options: Any,
    ):
        """Open a model.

        Parameters
        ----------
        model : str or Path
            File that `mliap-hybrid export` wrote.
        total_charge : float, e, optional
            Total charge that predicted charges sum to; by default that which the model was exported for.
        electric_field : sequence of 3 float, V/Å
            Uniform field that acts on charges and dipoles: energy, forces and stress hold -E.M (uniform_field.py). The
            energy of a periodic structure depends on which images of its atoms the positions are, so that they must not
            be wrapped in between.
        **options
            Passed on to ASE's Calculator.

        Raises
        ------
        InputError
            If the file is missing or damaged, or the field does not act on the model or is no vector.
        """
        super().__init__(**options)
        self._set_model(*load_exported(Path(model)))
        self.electric_field = electric_field
        self.total_charge = self.manifest.total_charge if total_charge is None else total_charge
        self.is_conservative = self.model.is_conservative
        """Whether the forces are the gradient of the energy."""
        if len(self.model.heads.networks) > len(self.model.heads):
            self.implemented_properties = [*self.implemented_properties, *SPREADS]
        if self.model.distance is not None:
            self.implemented_properties = [*self.implemented_properties, DISTANCES]

    @property
    def total_charge(self) -> float:
        """Total charge in e that predicted charges sum to; results are forgotten where it is set."""
        return self._total_charge

    @total_charge.setter
    def total_charge(self, total_charge: float) -> None:
        self._total_charge = float(total_charge)
        self.reset()

    @property
    def electric_field(self) -> np.ndarray:
        """Uniform field (3,) in V/Å; results are forgotten where it is set."""
        return self._electric_field.copy()

    @electric_field.setter
    def electric_field(self, field: Sequence[float]) -> None:
        vector = np.array(field, dtype=float)
        if vector.shape != (3,) or not np.isfinite(vector).all():
            raise InputError(f"electric_field is {field!r}; expected three numbers in V/Å")
        if vector.any() and self.model.parameter("charge") is None:
            raise InputError("electric_field acts on charges, but the model has none")
        self._electric_field = vector
        self.reset()

    def _set_model(self, model: HybridModel, manifest: Manifest) -> None:
        self.model, self.manifest = model, manifest
        self._evaluator = Evaluator(model, getattr(torch, manifest.dtype))

    def __getstate__(self) -> dict[str, Any]:
        # Copies, also in other processes, get what a model file holds: the file itself may be gone.
        state = {
            name: value for name, value in self.__dict__.items() if name not in ("model", "manifest", "_evaluator")
        }
        return state | {"_records": encode_records(self.manifest, describe(self.model)[1])}

    def __setstate__(self, state: dict[str, Any]) -> None:
        described, weights = state.pop("_records")
        manifest, tensors = parse_records(Records(described, weights), "the copied calculator")
        self.__dict__.update(state)
        self._set_model(restore_model(manifest, tensors, "the copied calculator"), manifest)

    def calculate(
        self, atoms: Atoms | None = None, properties: Any = None, system_changes: Any = tuple(all_changes)
    ) -> None:
        """Fill `results`; called by ASE."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        assert self.atoms is not None  # the base class has just set it
        batch = with_total_charge(frame_to_batch(self.atoms, self.model.cutoff), self.total_charge)
        is_molecule = not batch.periodic.any()
        asked = {quantity for name, quantity in ON_REQUEST.items() if name in (properties or ())}
        batch = in_electric_field(batch, self._electric_field.tolist())
        prediction = self._evaluator.predict(batch, asked | ({"dipole"} if is_molecule else set()))
        energy = float(prediction.energies[0])
        self.results = {"energy": energy, "forces": prediction.forces.numpy()}
        if self.is_conservative:
            self.results["free_energy"] = energy
        if batch.periodic.all():
            stress = -prediction.virials[0] / batch.cells[0].det().abs()  # (3, 3) eV/Å^3
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress.numpy())
        given = {"charges": "charges", **({"dipole": "dipole"} if is_molecule else {}), **ON_REQUEST}
        for name, of_model in given.items():
            if (values := prediction.values_of(quantity := QUANTITIES[of_model])) is not None:
                self.results[name] = (values if quantity.of_atoms else values[0]).numpy()
        if "polarization" in self.results and batch.periodic.all():
            self.results["polarization"] /= self.atoms.get_volume()
        else:
            self.results.pop("polarization", None)
        if set(SPREADS) & set(properties or ()):
            spread = committee_spread(self._evaluator, batch)
            self.results |= {"energy_spread": float(spread.energies[0]), "force_spread": spread.forces.numpy()}
        if DISTANCES in (properties or ()):
            self.results[DISTANCES] = self._evaluator.training_distances(batch.geometry()).numpy()
