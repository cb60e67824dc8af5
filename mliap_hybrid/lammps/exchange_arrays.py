"""Arrays of the exchange between atoms and ghosts: checked, and brought into the form in which LAMMPS carries them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Exchange = Callable[[NDArray[np.float64]], None]
"""Changes the rows (n_total, n_columns) of atoms and ghosts in place, as one kind of exchange does."""


def exchange_rows(method: str, copy_from: Any, copy_to: Any, vec_len: int, n_total: int, exchange: Exchange) -> None:
    """Copy the rows of all atoms and exchange them in the copy.

    Parameters
    ----------
    method : str
        Who asks, for messages.
    copy_from, copy_to : numpy array, or tensor on the processor, shape (n_total, vec_len), float64 or float32
        Both of the same type and without gaps in memory. They can be one and the same.
    vec_len : int
        Numbers of each atom.
    n_total : int
        Number of owned atoms and ghosts.
    exchange : callable

    Raises
    ------
    TypeError
        If something is not an array, or is one of another type.
    ValueError
        If the shape is another, or the memory has gaps.
    """
    source = _rows(method, "copy_from", copy_from, vec_len, n_total)
    target = _rows(method, "copy_to", copy_to, vec_len, n_total)
    if source.dtype != target.dtype:
        raise TypeError(
            f"{method} expects arrays of the same type, found copy_from of {source.dtype} and copy_to of {target.dtype}"
        )
    values = np.array(source, dtype=np.float64)  # (n_total, vec_len)
    exchange(values)
    target[:] = values


def _rows(method: str, name: str, array: Any, vec_len: int, n_total: int) -> NDArray[Any]:
    """The same memory as a numpy array (n_total, vec_len)."""
    if not isinstance(array, np.ndarray) and not hasattr(array, "detach"):
        raise TypeError(f"{method} expects {name} to be a numpy array or a tensor, found {type(array).__name__}")
    rows = array if isinstance(array, np.ndarray) else _of_tensor(method, name, array)
    if rows.dtype not in (np.float64, np.float32):
        raise TypeError(f"{method} expects {name} of float64 or float32, found {rows.dtype}")
    if len(rows.shape) == 0 or rows.shape[0] != n_total or np.prod(rows.shape[1:], dtype=int) != vec_len:
        raise ValueError(f"{method} expects {name} of shape {(n_total, vec_len)}, found {tuple(rows.shape)}")
    if not rows.flags.c_contiguous:
        raise ValueError(f"{method} expects {name} without gaps in memory: make it contiguous")
    return rows.reshape(n_total, vec_len)


def _of_tensor(method: str, name: str, tensor: Any) -> NDArray[Any]:
    if tensor.device.type != "cpu":
        raise TypeError(f"{method} expects {name} in the memory of the processor, found it on {tensor.device}")
    array: NDArray[Any] = tensor.detach().numpy()
    return array
