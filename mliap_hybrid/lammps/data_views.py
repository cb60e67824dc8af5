"""Zero-copy numpy views of what LAMMPS holds of a step; `MLIAPData` (data.py), which models see, says what each is."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.lammps.bridge_api import Model, Step

_memory = ctypes.pythonapi.PyMemoryView_FromMemory
_memory.restype = ctypes.py_object
_memory.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int)
_WRITABLE = 0x200  # PyBUF_WRITE

_INT = np.dtype(np.int32)
DOUBLE = np.dtype(np.float64)


class DataViews:
    """Arrays of a step: valid during one call, in LAMMPS' own memory."""

    def __init__(self, step: Step, model: Model) -> None:
        self._step = step
        self._views: dict[str, NDArray[Any]] = {}
        self._n_members: int = max(1, model.nmembers)

    def forget_views(self) -> None:
        """Drop all views: the memory behind them may move before the next step."""
        self._views.clear()

    def _view(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        view = self._views.get(name)
        if view is None:
            count = shape[0] * (shape[1] if len(shape) == 2 else 1)
            if count:
                address = getattr(self._step, name)
                view = np.frombuffer(_memory(address, count * dtype.itemsize, _WRITABLE), dtype).reshape(shape)
            else:
                view = np.empty(shape, dtype)
            self._views[name] = view
        return view

    # centres and pairs

    elems = property(lambda self: self._view("elems", _INT, (self._step.ntotal,)))
    iatoms = property(lambda self: self._view("iatoms", _INT, (self._step.natomneigh,)))
    ielems = property(lambda self: self._view("ielems", _INT, (self._step.natomneigh,)))
    numneighs = property(lambda self: self._view("numneighs", _INT, (self._step.natomneigh,)))
    pair_i = property(lambda self: self._view("pair_i", _INT, (self._step.npairs,)))
    jatoms = property(lambda self: self._view("jatoms", _INT, (self._step.npairs,)))
    pair_j = jatoms
    jelems = property(lambda self: self._view("jelems", _INT, (self._step.npairs,)))
    jtags = property(lambda self: self._view("jtags", _INT, (self._step.npairs,)))
    rij = property(lambda self: self._view("rij", DOUBLE, (self._step.npairs, 3)))

    # atoms

    x = property(lambda self: self._view("x", DOUBLE, (self._step.ntotal, 3)))
    f = property(lambda self: self._view("f", DOUBLE, (self._step.ntotal, 3)))
    tag = property(lambda self: self._view("tag", _INT, (self._step.ntotal,)))
    type = property(lambda self: self._view("type", _INT, (self._step.ntotal,)))

    @property
    def molecule(self) -> NDArray[np.int32] | None:
        """Molecule IDs of owned and ghost atoms, or None if the atom style has none."""
        return self._view("molecule", _INT, (self._step.ntotal,)) if self._step.molecule else None

    @property
    def q(self) -> NDArray[np.float64] | None:
        """Charges of owned and ghost atoms, or None if the atom style has none."""
        return self._view("q", DOUBLE, (self._step.ntotal,)) if self._step.q else None

    # what the model writes where it is asked for

    @property
    def distances(self) -> NDArray[np.float64] | None:
        """Distances to the training set, to be written; None where they are not asked for."""
        return self._view("distances", DOUBLE, (self._step.nlistatoms,)) if self._step.distances else None

    @property
    def member_forces(self) -> NDArray[np.float64] | None:
        """Forces by each member of a committee, to be added to; None where they are not asked for."""
        if not self._step.member_forces:
            return None
        return self._view("member_forces", DOUBLE, (self._step.ntotal, 3 * self._n_members)).reshape(
            self._step.ntotal, -1, 3
        )
