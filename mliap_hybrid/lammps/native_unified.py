"""A model file in a run without torch: what the plugin asks for comes from the native record of the file.

`HybridUnified` is the same model with all of its parts in Python. It is made when somebody asks for a step in Python.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.bridge_api import Native
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.lammps.native_step import NativeStep
from mliap_hybrid.lammps.process import threads_of_rank
from mliap_hybrid.lammps.run_charges import case_of_charges
from mliap_hybrid.model_files.native_file import NativeFile, read_native_file

if TYPE_CHECKING:
    from mliap_hybrid.lammps.unified import HybridUnified


class NativeUnified:
    """A model that native code knows wholly, behind what the plugin asks of unified models."""

    def __init__(self, path: Path, file: NativeFile):
        """Take what was read.

        Parameters
        ----------
        path : Path
            Of the file, for steps in Python.
        file : NativeFile
        """
        record = file.record
        self._path, self._digest = path.resolve(), file.digest  # LAMMPS can change the folder
        self.element_types = list(record.elements)
        self.rcutfac = 0.5 * record.potential.features.cutoff
        self.ndescriptors, self.nparams = record.n_features, record.n_parameters
        self.interface: Any = None
        self.centroid_stress = record.centroid_stress
        self.outside_distance = record.outside_distance
        self.n_members = record.potential.n_energy_networks
        total_charge, sees_it = file.total_charge, record.sees_total_charge
        charges = case_of_charges(record.elements, record.charges, "kspace", total_charge, sees_it)
        for name, value in charges.for_plugin().items():
            setattr(self, name, value)
        self._native = NativeStep(record, charges, file.allow_small_box)

    def prepare_native(self, data: MLIAPData) -> Native:
        """As `HybridUnified.prepare_native`."""
        return self._native.prepare(data, threads_of_rank(data.ranks_on_machine))

    def compute_descriptors(self, data: MLIAPData) -> None:
        """Nothing, as in `HybridUnified`."""

    def compute_gradients(self, data: MLIAPData) -> None:
        """Nothing, as in `HybridUnified`."""

    def compute_forces(self, data: MLIAPData) -> None:
        """A step in Python, as `HybridUnified.compute_forces`."""
        self._in_python.compute_forces(data)

    @cached_property
    def _in_python(self) -> HybridUnified:
        """The same model with all of its parts.

        Raises
        ------
        InputError
            If the file is no longer there, or another one.
        """
        from mliap_hybrid.lammps.unified import open_unified  # imports torch, which a run without such steps spares

        model: HybridUnified = open_unified(str(self._path))
        if model.manifest.digest != self._digest:
            raise InputError(f"the model file '{self._path}' was replaced by another one during the run: start again")
        return model


def open_native(path: Path) -> NativeUnified | None:
    """The model of a file without torch; None for files that `open_unified` must open or refuse.

    Raises
    ------
    InputError
        If the native record of the file is damaged.
    """
    file = read_native_file(path)
    return None if file is None else NativeUnified(path, file)
