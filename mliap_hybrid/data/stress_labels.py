"""Stresses and virials of a frame: all forms that files have, to one virial in eV."""

from __future__ import annotations

import numpy as np

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.frames import Frame, lookup
from mliap_hybrid.data.numbers import find_numbers
from mliap_hybrid.errors import InputError
from mliap_hybrid.units import stress_unit

ASYMMETRY = 1e-3
"""Largest antisymmetric part of a stress or virial, relative to its largest entry: above it the label is wrong."""

ORDERS = {
    "ase": ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)),
    "vasp": ((0, 0), (1, 1), (2, 2), (0, 1), (1, 2), (0, 2)),
    "lammps": ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)),
}
"""Setting `data.units.stress_order` -> row and column of each of six numbers."""


def find_virial(frame: Frame, keys: LabelKeys, units: LabelUnits, energy: float, length: float) -> np.ndarray:
    """Virial of a frame, which its stress or its virial gives.

    Parameters
    ----------
    frame : Frame
    keys : LabelKeys
        Names a stress or a virial.
    units : LabelUnits
    energy, length : float
        What energies and lengths of the frame must be multiplied with to be in eV and Å.

    Returns
    -------
    array, shape (3, 3), eV
        -V * stress.

    Raises
    ------
    InputError
        If the label is missing, not symmetric, or of another shape than 6, 9 or 3 x 3 numbers, or the frame has no
        volume.
    """
    if keys.virial is not None:
        check_periodic(frame, "virial")
        return _matrix(frame, keys.virial, "virial", units.stress_order) * energy
    if keys.stress is None:
        raise InputError(f"{frame.source}: neither data.keys.stress nor data.keys.virial names a label")
    check_periodic(frame, "stress")
    unit = energy / length**3 if units.stress is None else stress_unit(units.stress)  # eV/Å^3
    volume = abs(float(np.linalg.det(frame.atoms.cell.array))) * length**3  # Å^3
    if volume < 1e-6:
        raise InputError(
            f"{frame.source}: the cell {frame.atoms.cell.array.tolist()} has no volume, so that a stress has no "
            "meaning; check the lattice, or set data.keys.stress to null"
        )
    return -_matrix(frame, keys.stress, "stress", units.stress_order) * unit * volume


def _matrix(frame: Frame, key: str, label: str, order: str) -> np.ndarray:
    """(3, 3) in the units of the file, which may hold 6, 9 or 3 x 3 numbers."""
    shape = np.shape(lookup(frame, key, f"data.keys.{label}"))
    numbers = find_numbers(frame, key, label, shape if shape in ((6,), (9,)) else (3, 3))
    if shape == (6,):
        # ASE makes six numbers, in its order, of nine that an extxyz file calls `stress`.
        places = ORDERS[order]
        matrix = np.zeros((3, 3))
        for (row, column), value in zip(places, numbers, strict=True):
            matrix[row, column] = matrix[column, row] = value
        return matrix
    matrix = numbers.reshape(3, 3)
    asymmetry = np.abs(matrix - matrix.T).max()
    if asymmetry > ASYMMETRY * max(np.abs(matrix).max(), 1e-12):
        raise InputError(f"{frame.source}: the {label} '{key}' is not symmetric: {matrix.tolist()}")
    return (matrix + matrix.T) / 2


def check_periodic(frame: Frame, label: str) -> None:
    """Refuse frames that cannot have a label of crystals, a setting under `data.keys`.

    Raises
    ------
    InputError
        If the frame is not periodic in three directions.
    """
    if not frame.atoms.pbc.all():
        raise InputError(
            f"{frame.source}: a {label} needs a cell that is periodic in three directions, found pbc "
            f"{frame.atoms.pbc.tolist()}; set data.keys.{label} to null for this data"
        )
