"""Who adds the Coulomb energy in a run, and what is to be checked for it: three cases, of which a model is one.

no charges:         nothing.
fixed charges:      styles of the input add the energy of point charges; the model, what smeared ones have more.
predicted charges:  the model solves for the energy in each step, by LAMMPS' k-space solver or by the exact sum.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps import run_checks
from mliap_hybrid.lammps.connected_checks import check_dielectric
from mliap_hybrid.lammps.connected_data import ConnectedData
from mliap_hybrid.lammps.instance_data import InstanceData
from mliap_hybrid.model_files.native_record import FixedChargeConstants, PredictedChargeConstants


class RunCharges:
    """What a run does about charges, without torch; what solves for them is in coulomb_operators.py."""

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

    def check_run(self, data: Any, first: bool) -> None:
        """Refuse a run that the model was not made for; `first` in the first step. Collective."""
        return None


class NoCharges(RunCharges):
    """A model without a long-range term."""


class FixedCharges(RunCharges):
    """One charge for each element, which atoms must have in LAMMPS, too."""

    point_charges = True

    def __init__(self, elements: Sequence[str], values: ArrayLike, total_charge: float):
        """Take the constants.

        Parameters
        ----------
        elements : sequence of str
            Symbols, in the order of the model.
        values : array_like, shape (n_elements,), e
        total_charge : float, e
            Of the systems that may be run.
        """
        self.total_charge = total_charge
        self._elements = elements
        self._values = np.asarray(values, dtype=np.float64)

    def check_instance(self, instance: Any) -> None:
        """As in `RunCharges`."""
        _check_mpi(instance)

    def check_run(self, data: Any, first: bool) -> None:
        """As in `RunCharges`: whenever the data object says that charges can have changed."""
        if not first and not getattr(data, "check_run", False):
            return
        run_checks.check_kspace(data)
        check_dielectric(data)
        run_checks.check_charges(data, self._elements, self._values, self.total_charge or 0.0)


class PredictedCharges(RunCharges):
    """Charges that follow the atoms."""

    predicts_charges = True

    def __init__(self, engine: str, smearing: float, typical: ArrayLike, total_charge: float | None):
        """Take the constants.

        Parameters
        ----------
        engine : {"kspace", "exact"}
            What solves for the Coulomb energy.
        smearing : float, Å
        typical : array_like, shape (n_elements,), e
            What charges of each element are like.
        total_charge : float, e, or None
            None if it follows from the atoms.
        """
        self.engine = engine
        self.total_charge = total_charge
        self._smearing = smearing
        self._typical_charges = np.asarray(typical, dtype=np.float64).tolist()

    def for_plugin(self) -> dict[str, Any]:
        """As in `RunCharges`."""
        return super().for_plugin() | {
            "smearing": self._smearing,
            "solves_coulomb": self.engine != "kspace",
            "typical_charges": self._typical_charges,
        }

    def check_instance(self, instance: Any) -> None:
        """As in `RunCharges`."""
        if self.engine == "kspace":
            raise InputError(
                "without the plugin of mliap_hybrid a model with predicted charges solves for their energy itself; "
                "export it with `--coulomb exact`"
            )
        _check_mpi(instance)

    def completed(self, data: Any, instance: Any, fix: str) -> ConnectedData:
        """As in `RunCharges`."""
        return ConnectedData(data, instance, fix, float("nan") if self.total_charge is None else self.total_charge)

    def check_run(self, data: Any, first: bool) -> None:
        """As in `RunCharges`."""
        if first:
            run_checks.check_predicted_charges(data, self.engine)


def case_of_charges(
    elements: Sequence[str],
    constants: FixedChargeConstants | PredictedChargeConstants | None,
    engine: str,
    total_charge: float,
    sees_total_charge: bool,
) -> RunCharges:
    """Which of the three cases a model is.

    Parameters
    ----------
    elements : sequence of str
        Symbols, in the order of the model.
    constants : FixedChargeConstants, PredictedChargeConstants or None
        Of its charges.
    engine : {"kspace", "exact"}
        What solves for the Coulomb energy of predicted charges.
    total_charge : float, e
        Of the systems that may be run.
    sees_total_charge : bool
        Whether the total charge is an input of the networks.
    """
    if constants is None:
        return NoCharges()
    if isinstance(constants, FixedChargeConstants):
        return FixedCharges(elements, constants.values, total_charge)
    follows_from_atoms = constants.increments and not sees_total_charge
    return PredictedCharges(engine, constants.smearing, constants.typical, None if follows_from_atoms else total_charge)


def total_charge_of(data: Any) -> float:
    """Total charge of the system in e; zero where it follows from the atoms or the data object has none."""
    total = float(getattr(data, "total_charge", 0.0))
    return 0.0 if math.isnan(total) else total


def _check_mpi(instance: Any) -> None:
    if instance.get_mpi_comm() is None:
        raise InputError("a model with charges expects a LAMMPS with MPI, and the package mpi4py")
