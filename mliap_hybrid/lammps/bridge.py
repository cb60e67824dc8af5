"""Python's end of the LAMMPS plugin: opens models for the C++ pair style and calls them every step; fix mliap/species.

The C++ side starts or finds the interpreter, imports this module and calls `attach`. No exception leaves the
functions below: each becomes a return code and a message, and C++ ends the run on all ranks.
"""

from __future__ import annotations

import ctypes
import math
import os
import sys
import traceback
from ctypes import c_double, sizeof
from itertools import count
from pathlib import Path
from typing import Any

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.bridge_api import (
    BRIDGE_VERSION,
    CLOSE,
    COMPUTE,
    EXCEPTION,
    FOLLOW_SPECIES,
    INPUT_ERROR,
    OK,
    OPEN_MODEL,
    OPEN_SPECIES,
    PREPARE,
    WRITE_SPECIES,
    Bridge,
    Model,
    Native,
    Step,
)
from mliap_hybrid.lammps.data import MLIAPData
from mliap_hybrid.lammps.foreign_models import is_zip, open_trusted
from mliap_hybrid.lammps.native_unified import open_native


class OpenModel:
    """A model in use by one pair style, with what must stay alive for it."""

    def __init__(self, unified: Any, description: Model, *kept_alive: Any) -> None:
        self.unified = unified
        self.description = description
        self.kept_alive = kept_alive  # C++ holds their addresses
        self.native: Native | None = None  # as C++ holds a copy of it
        self._data: MLIAPData | None = None

    def data(self, address: int) -> MLIAPData:
        """The data object of a step."""
        if self._data is None:  # the pair style keeps its struct in one place
            self._data = MLIAPData(Step.from_address(address), self.description)
        self._data.forget_views()
        return self._data


_bridge: Bridge | None = None
_models: dict[int, OpenModel] = {}
_species: dict[int, Any] = {}
_handles = count(1)


def attach(address: int) -> None:
    """Give C++ the functions below.

    Parameters
    ----------
    address : int
        Where the plugin holds its ``mliap_bridge``.

    Raises
    ------
    RuntimeError
        If the plugin was compiled from another version of this package.
    """
    global _bridge
    bridge = Bridge.from_address(address)
    found = (bridge.version, bridge.bridge_size, bridge.model_size, bridge.step_size, bridge.native_size)
    expected = (BRIDGE_VERSION, sizeof(Bridge), sizeof(Model), sizeof(Step), sizeof(Native))
    if found != expected:
        raise RuntimeError(
            f"the LAMMPS plugin belongs to another version of mliap_hybrid (its structs are {found}, expected "
            f"{expected}): reinstall mliap_hybrid to compile it again"
        )
    bridge.open_model = OPEN_MODEL(_open_model)
    bridge.close_model = CLOSE(_close_model)
    bridge.prepare = PREPARE(_prepare)
    bridge.compute = COMPUTE(_compute)
    bridge.open_species = OPEN_SPECIES(_open_species)
    bridge.follow_species = FOLLOW_SPECIES(_follow_species)
    bridge.write_species = WRITE_SPECIES(_write_species)
    bridge.close_species = CLOSE(_close_species)
    _bridge = bridge


def open_file(path: str, trusted: bool = False) -> Any:
    """Open a model file.

    Parameters
    ----------
    path : str
        As written in the LAMMPS input.
    trusted : bool
        Whether a pickle of another maker may be opened, which runs its code (foreign_models.py).

    Returns
    -------
    object
        With `element_types`, `rcutfac`, `ndescriptors`, `nparams` and the three ``compute_*`` functions; a model whose
        charges follow the atoms also has what `_describe_charges` reads.

    Raises
    ------
    InputError
        If the file is not there or damaged, or is a pickle and not trusted.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"cannot find the model file '{path}' (looked in {Path.cwd()})")
    if trusted and file.suffix not in (".pt", ".pth") and not is_zip(file):
        return open_trusted(file)
    native = open_native(file)
    if native is not None:
        return native
    from mliap_hybrid.lammps.unified import open_unified  # imports torch, which other files do without

    return open_unified(path, trusted)


def _open_model(path: bytes, trusted: int, description: Any) -> int:
    try:
        unified = open_file(os.fsdecode(path), bool(trusted))
        for name in ("element_types", "rcutfac", "ndescriptors", "nparams"):
            if getattr(unified, name, None) is None:
                raise InputError(f"the model in '{os.fsdecode(path)}' does not set `{name}`")
        model: Model = description.contents
        model.nelements = len(unified.element_types)
        model.ndescriptors = unified.ndescriptors
        model.nparams = unified.nparams
        model.rcutfac = unified.rcutfac
        element_names = " ".join(unified.element_types).encode()
        model.elements = element_names
        typical_charges = _describe_charges(unified, model)
        outside = getattr(unified, "outside_distance", None)
        model.knows_distance, model.outside = outside is not None, outside or 0.0
        model.nmembers = getattr(unified, "n_members", 1)
        handle = next(_handles)
        _models[handle] = OpenModel(unified, Model.from_buffer_copy(model), element_names, typical_charges)
        unified.interface = _models[handle]
        model.handle = handle
    except BaseException as error:
        return _report(error)
    return OK


def _describe_charges(unified: Any, model: Model) -> ctypes.Array[c_double] | None:
    """Tell C++ of the model's charges, and of its heat flux; return what must stay alive.

    Read from the model, where they are there: `centroid_stress` (whether the force of each pair is the derivative of
    its centre's energy alone), `point_charges` (whether LAMMPS' own styles must add the Coulomb energy of fixed
    charges), `predicts_charges` (whether they follow the atoms), `total_charge` (e; None if it follows from the atoms);
    and of charges that follow the atoms `smearing` (Å), `solves_coulomb` (whether the model calls `add_coulomb` instead
    of `solve_coulomb`) and `typical_charges` (e, one for each element, to set the k-space solver up with).
    """
    centroid_stress = getattr(unified, "centroid_stress", None)
    model.centroid_stress = -1 if centroid_stress is None else bool(centroid_stress)
    model.point_charges = bool(getattr(unified, "point_charges", False))
    total_charge = getattr(unified, "total_charge", 0.0)
    model.total_charge = math.nan if total_charge is None else total_charge
    model.predicts_charges = bool(getattr(unified, "predicts_charges", False))
    if not model.predicts_charges:
        return None
    model.solves_coulomb = bool(getattr(unified, "solves_coulomb", False))
    model.smearing = unified.smearing
    typical = getattr(unified, "typical_charges", None)
    if typical is None:
        return None
    if len(typical) != model.nelements:
        raise InputError(f"the model has {len(typical)} typical charges, expected one for each of its elements")
    array = (c_double * model.nelements)(*typical)
    model.typical_charges = ctypes.cast(array, ctypes.POINTER(c_double))
    return array


def _prepare(handle: int, address: int, native: Any) -> int:
    """Check the run, and tell C++ how the model is evaluated without Python, where it can be."""
    try:
        model = _models[handle]
        prepare = getattr(model.unified, "prepare_native", None)
        prepared: Native | None = None if prepare is None else prepare(model.data(address))
        native.contents.potential = None
        if prepared is not None:
            ctypes.pointer(native.contents)[0] = prepared
            model.native = prepared
    except BaseException as error:
        return _report(error)
    return OK


def _compute(handle: int, address: int) -> int:
    try:
        model = _models[handle]
        data = model.data(address)
        model.unified.compute_descriptors(data)
        model.unified.compute_gradients(data)
        model.unified.compute_forces(data)
    except BaseException as error:
        return _report(error)
    return OK


def _open_species(description: Any) -> int:
    try:
        from mliap_hybrid.lammps.species_in_run import SpeciesInRun  # imports ase, which most runs do without

        handle = next(_handles)
        _species[handle] = SpeciesInRun(description.contents, _species.values())
        description.contents.handle = handle
    except BaseException as error:
        return _report(error)
    return OK


def _follow_species(handle: int, moment: Any) -> int:
    try:
        _species[handle].follow(moment.contents)
    except BaseException as error:
        return _report(error)
    return OK


def _write_species(handle: int) -> int:
    try:
        _species[handle].write()
    except BaseException as error:
        return _report(error)
    return OK


def _close_species(handle: int) -> None:
    _species.pop(handle, None)


def _close_model(handle: int) -> None:
    _models.pop(handle, None)
    # An interpreter that the plugin started is never finalised: what models printed would be lost.
    sys.stdout.flush()
    sys.stderr.flush()


def _report(error: BaseException) -> int:
    """Leave the message of `error` for C++, which prints it on one rank, and return the code that goes with it."""
    assert _bridge is not None
    by_user = isinstance(error, InputError) or (isinstance(error, SystemExit) and isinstance(error.code, str))
    text = str(error) if by_user else "".join(traceback.format_exception(error)).rstrip()
    room = Bridge.message.size - 1
    encoded = text.encode()
    _bridge.message = encoded[:room] if by_user else encoded[-room:]
    sys.stdout.flush()
    sys.stderr.flush()
    return INPUT_ERROR if by_user else EXCEPTION
