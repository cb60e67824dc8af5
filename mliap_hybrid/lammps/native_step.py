"""How the plugin evaluates a model without Python: what it is told once, for all steps (plugin/bridge_api.h).

The Python object stays the definition: `native no` in the input, `mliap-hybrid check` and the tests run it.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_double

from mliap_hybrid.kernels.library import doubles
from mliap_hybrid.kernels.native_backend import CPU
from mliap_hybrid.kernels.potential import NativePotential
from mliap_hybrid.lammps.bridge_api import Native
from mliap_hybrid.lammps.native_potential import native_potential
from mliap_hybrid.model.bounds import Within
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.neutrality import Increments
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.model_files.model_file import Manifest


class NativeStep:
    """A model's native potential, and the constants of its charges."""

    def __init__(self, potential: NativePotential, charge: PredictedParameter | None):
        """Take both.

        Parameters
        ----------
        potential : NativePotential
        charge : PredictedParameter or None
            None where charges do not follow the atoms.
        """
        self._potential = potential
        self._increments, self._largest_change, self._starting_charges = False, 0.0, doubles([])
        if charge is not None:
            assert isinstance(charge.bound, Within)
            self._increments = isinstance(charge.neutrality, Increments)
            self._largest_change = charge.bound.largest
            self._starting_charges = doubles(charge.start.numpy())

    def in_run(self, energy_unit: float, n_threads: int) -> Native:
        """What the plugin is told.

        Parameters
        ----------
        energy_unit : float, eV
            LAMMPS' unit of energy.
        n_threads : int
            Threads of this rank.
        """
        return Native(
            potential=self._potential.handle,
            **self._potential.functions(),
            energy_unit=energy_unit,
            n_threads=n_threads,
            increments=self._increments,
            largest_change=self._largest_change,
            starting_charges=ctypes.cast(self._starting_charges, POINTER(c_double)),
        )


def native_step(model: HybridModel, evaluator: Evaluator, manifest: Manifest, total_charge: float) -> NativeStep | None:
    """A model's, where native code knows all of it.

    Parameters
    ----------
    model : HybridModel
    evaluator : Evaluator
        Of the model, in the precision of the run.
    manifest : Manifest
    total_charge : float, e
        Of the system.

    Returns
    -------
    NativeStep or None
        None for other models, among them those that solve for the Coulomb energy of their charges in Python.
    """
    parameter = model.parameter("charge")
    charge = parameter if isinstance(parameter, PredictedParameter) else None
    if charge is not None and manifest.coulomb_engine != "kspace":
        return None
    backend = evaluator.backend_on(CPU, total_charge if model.total_charge_input else 0.0)
    potential = native_potential(model, backend)
    return None if potential is None else NativeStep(potential, charge)
