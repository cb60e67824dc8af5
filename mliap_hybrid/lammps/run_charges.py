"""Who adds the Coulomb energy in a run, and what is to be checked for it: three cases, of which a model is one.

no charges:         nothing.
fixed charges:      styles of the input add the energy of point charges; the model, what smeared ones have more.
predicted charges:  the model solves for the energy in each step, by LAMMPS' k-space solver or by the exact sum.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.communication import CoulombOperator
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps import run_checks
from mliap_hybrid.lammps.connected_checks import check_dielectric
from mliap_hybrid.lammps.connected_data import ConnectedData
from mliap_hybrid.lammps.coulomb_operators import ExactSum, KSpaceSolver, SmearingCorrection
from mliap_hybrid.lammps.instance_data import InstanceData
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model_files.model_file import Manifest
from mliap_hybrid.structure import Geometry


class RunCharges(ABC):
    """What a run does about charges."""

    point_charges = False
    """Whether LAMMPS' own styles must add the Coulomb energy of fixed charges."""
    predicts_charges = False
    """Whether charges follow the atoms."""
    total_charge: float | None = 0.0
    """Total charge in e of the systems that may be run; None if it follows from the atoms."""

    def for_plugin(self) -> dict[str, Any]:
        """What the plugin reads of the model (`lammps/bridge.py`), by name."""
        return {
            "point_charges": self.point_charges,
            "predicts_charges": self.predicts_charges,
            "total_charge": self.total_charge,
        }

    def check_instance(self, instance: Any) -> None:
        """Refuse a LAMMPS that is given to the model, if it cannot run it."""
        return None

    def completed(self, data: Any, instance: Any, fix: str) -> Any:
        """The data object of LAMMPS' own ML-IAP with what an instance knows besides."""
        return InstanceData(data, instance)

    def check_run(self, data: Any, geometry: Geometry, first: bool) -> None:
        """Refuse a run that the model was not made for; `first` in the first step. Collective."""
        return None

    @abstractmethod
    def operator(self, data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> CoulombOperator:
        """What solves for the charges in this step.

        Parameters
        ----------
        data : object
            The data object of LAMMPS.
        geometry : Geometry
        smearing : float, Å
        energy_unit : float, eV
            LAMMPS' unit of energy.
        """


class NoCharges(RunCharges):
    """A model without a long-range term."""

    def operator(self, data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> CoulombOperator:
        """As in `RunCharges`: nobody asks for it."""
        raise AssertionError("a model without charges solves for none")


class FixedCharges(RunCharges):
    """One charge for each element, which atoms must have in LAMMPS, too."""

    point_charges = True

    def __init__(self, model: HybridModel, manifest: Manifest):
        self.total_charge = manifest.total_charge
        self._table = model.table("charge")
        of_numbers = torch.zeros(len(chemical_symbols), dtype=torch.float64)
        of_numbers[list(self._table)] = torch.tensor(list(self._table.values()), dtype=torch.float64)
        self._of_numbers = of_numbers

    def check_instance(self, instance: Any) -> None:
        """As in `RunCharges`."""
        _check_mpi(instance)

    def check_run(self, data: Any, geometry: Geometry, first: bool) -> None:
        """As in `RunCharges`: whenever the data object says that charges can have changed."""
        if not first and not getattr(data, "check_run", False):
            return
        run_checks.check_kspace(data)
        check_dielectric(data)
        numbers = geometry.centre_numbers.cpu().numpy()
        run_checks.check_charges(data, numbers, self._table, self.total_charge or 0.0)

    def operator(self, data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> CoulombOperator:
        """As in `RunCharges`."""
        self._of_numbers = self._of_numbers.to(geometry.pair_i.device)
        return SmearingCorrection(geometry, self._of_numbers, smearing)


class PredictedCharges(RunCharges):
    """Charges that follow the atoms."""

    predicts_charges = True

    def __init__(self, charge: PredictedParameter, smearing: float, manifest: Manifest, total_charge_input: bool):
        self._engine = manifest.coulomb_engine
        self._smearing = smearing
        self._typical_charges = charge.typical.tolist()
        follows = charge.neutrality is not None and charge.neutrality.fixes_total and not total_charge_input
        self.total_charge = None if follows else manifest.total_charge

    def for_plugin(self) -> dict[str, Any]:
        """As in `RunCharges`."""
        return super().for_plugin() | {
            "smearing": self._smearing,
            "solves_coulomb": self._engine != "kspace",
            "typical_charges": self._typical_charges,
        }

    def check_instance(self, instance: Any) -> None:
        """As in `RunCharges`."""
        if self._engine == "kspace":
            raise InputError(
                "without the plugin of mliap_hybrid a model with predicted charges solves for their energy itself; "
                "export it with `--coulomb exact`"
            )
        _check_mpi(instance)

    def completed(self, data: Any, instance: Any, fix: str) -> ConnectedData:
        """As in `RunCharges`."""
        return ConnectedData(data, instance, fix, float("nan") if self.total_charge is None else self.total_charge)

    def check_run(self, data: Any, geometry: Geometry, first: bool) -> None:
        """As in `RunCharges`."""
        if first:
            run_checks.check_predicted_charges(data, self._engine)

    def operator(self, data: Any, geometry: Geometry, smearing: float, energy_unit: float) -> CoulombOperator:
        """As in `RunCharges`."""
        if self._engine == "kspace":
            return KSpaceSolver(data, energy_unit)
        return ExactSum(data, energy_unit, smearing)


def run_charges(model: HybridModel, manifest: Manifest) -> RunCharges:
    """Which of the three cases a model is."""
    term, charge = model.term(Electrostatics), model.parameter("charge")
    if term is None:
        return NoCharges()
    if isinstance(charge, PredictedParameter):
        return PredictedCharges(charge, term.smearing, manifest, model.total_charge_input)
    return FixedCharges(model, manifest)


def total_charge_of(data: Any) -> Tensor:
    """Total charge of the system, shape (), e; zero where it follows from the atoms or the data object has none."""
    total = torch.tensor(float(getattr(data, "total_charge", 0.0)), dtype=torch.float64)
    return torch.nan_to_num(total)


def _check_mpi(instance: Any) -> None:
    if instance.get_mpi_comm() is None:
        raise InputError("a model with charges expects a LAMMPS with MPI, and the package mpi4py")
