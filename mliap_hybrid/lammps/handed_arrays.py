"""Arrays that a model hands to LAMMPS: of the right shape and type, by their address."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


class LAMMPSFailure(RuntimeError):
    """LAMMPS stops the run as soon as the model returns, with a message of its own."""


def checked(method: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Values as contiguous doubles, for a method of the data object.

    Raises
    ------
    ValueError
        If the shape is another.
    """
    array = np.ascontiguousarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{method} expects the shape {shape}, found {array.shape}")
    return array


def check(status: int) -> None:
    """Stop where a function of LAMMPS has failed.

    Raises
    ------
    LAMMPSFailure
    """
    if status != 0:
        raise LAMMPSFailure("LAMMPS stops the run")


def address_of(array: NDArray[np.float64]) -> int:
    """Where the numbers are."""
    return array.__array_interface__["data"][0]  # as array.ctypes.data, without the microsecond that takes


def in_lammps_order(tensor: NDArray[np.float64]) -> NDArray[np.float64]:
    """xx, yy, zz, xy, xz, yz (6,) of a symmetric tensor (3, 3)."""
    components: NDArray[np.float64] = tensor[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    return components
