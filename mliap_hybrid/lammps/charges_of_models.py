"""Which of the three cases of charges a model is (run_charges.py), and what solves for its charges in a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from ase.data import chemical_symbols

from mliap_hybrid.communication import CoulombOperator
from mliap_hybrid.lammps.coulomb_operators import ExactSum, KSpaceSolver, SmearingCorrection
from mliap_hybrid.lammps.record_of_model import charge_constants_of
from mliap_hybrid.lammps.run_charges import FixedCharges, PredictedCharges, RunCharges, case_of_charges
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.model_file import Manifest
from mliap_hybrid.structure import Geometry

MakeOperator = Callable[[Any, Geometry, float, float], CoulombOperator]
"""LAMMPS' data object, geometry, smearing in Å and LAMMPS' unit of energy in eV -> what solves in this step."""


def charges_of(model: HybridModel, manifest: Manifest) -> RunCharges:
    """The case of a model."""
    elements, engine = [chemical_symbols[z] for z in model.elements], manifest.coulomb_engine
    return case_of_charges(
        elements, charge_constants_of(model), engine, manifest.total_charge, model.total_charge_input
    )


def operator_of(model: HybridModel, charges: RunCharges) -> MakeOperator:
    """What solves for the charges of a model of a case."""
    if isinstance(charges, PredictedCharges):
        return _exact_sum if charges.engine == "exact" else _kspace_solver
    if isinstance(charges, FixedCharges):
        return _Correction(model.table("charge"))
    return _nobody


class _Correction:
    """Smeared charges beside LAMMPS' own styles; the table moves to the device of the pairs once."""

    def __init__(self, table: Mapping[int, float]):
        self._of_numbers = torch.zeros(len(chemical_symbols), dtype=torch.float64)
        self._of_numbers[list(table)] = torch.tensor(list(table.values()), dtype=torch.float64)

    def __call__(self, data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> SmearingCorrection:
        self._of_numbers = self._of_numbers.to(geometry.pair_i.device)
        return SmearingCorrection(geometry, self._of_numbers, smearing)


def _kspace_solver(data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> KSpaceSolver:
    return KSpaceSolver(data, energy_unit)


def _exact_sum(data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> ExactSum:
    return ExactSum(data, energy_unit, smearing)


def _nobody(data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> CoulombOperator:
    raise AssertionError("a model without charges solves for none")
