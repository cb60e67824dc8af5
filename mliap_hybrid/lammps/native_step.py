"""How the plugin evaluates a model without Python: what it is told once, for all steps (plugin/bridge_api.h).

The Python object stays the definition: `native no` in the input, `mliap-hybrid check` and the tests run it. No torch is
needed here, nor by what this imports.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, c_double

from mliap_hybrid.kernels.library import doubles
from mliap_hybrid.kernels.potential import NativePotential
from mliap_hybrid.lammps import run_checks
from mliap_hybrid.lammps.bridge_api import Native
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.lammps.run_charges import RunCharges, total_charge_of
from mliap_hybrid.model_files.native_record import NativeRecord, PredictedChargeConstants
from mliap_hybrid.units import lammps_energy_unit


class NativeStep:
    """A model's native potential, the constants of its charges, and what it asks of a run."""

    def __init__(self, record: NativeRecord, charges: RunCharges, allow_small_box: bool):
        """Take all three.

        Parameters
        ----------
        record : NativeRecord
        charges : RunCharges
        allow_small_box : bool
            Whether periodic boxes narrower than the cutoff sphere may be run.
        """
        self._record = record
        self._charges = charges
        self._allow_small_box = allow_small_box
        self._potential: NativePotential | None = None
        of_charges = record.charges
        self._increments, self._largest_change, self._starting_charges = False, 0.0, doubles([])
        if isinstance(of_charges, PredictedChargeConstants):
            self._increments = of_charges.increments
            self._largest_change = of_charges.largest_change
            self._starting_charges = doubles(of_charges.starting)

    def prepare(self, data: MLIAPData, n_threads: int) -> Native:
        """Check the run, and say what the plugin is told. Collective.

        Parameters
        ----------
        data : MLIAPData
            Of a step, without its pairs.
        n_threads : int
            Threads of this rank.

        Raises
        ------
        InputError
            If the run is not one that the model was made for.
        """
        first = self._potential is None
        if self._potential is None:
            self._potential = NativePotential(self._record.potential, total_charge_of(data))
        if not self._allow_small_box:
            run_checks.check_box(data, self._record.potential.features.cutoff)
        self._charges.check_run(data, first)
        return Native(
            potential=self._potential.handle,
            **self._potential.functions(),
            energy_unit=lammps_energy_unit(data.unit_style),
            n_threads=n_threads,
            increments=self._increments,
            largest_change=self._largest_change,
            starting_charges=ctypes.cast(self._starting_charges, POINTER(c_double)),
            neighbor_share=self._record.neighbour_share,
        )
