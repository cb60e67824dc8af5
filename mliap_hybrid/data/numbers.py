"""Numbers of a frame under a name: of the right shape and finite, or one sentence."""

from __future__ import annotations

from typing import Any

import numpy as np

from mliap_hybrid.data.frames import Frame, lookup
from mliap_hybrid.errors import InputError, quoted


def find_numbers(frame: Frame, key: str, label: str, shape: tuple[int, ...]) -> np.ndarray:
    """Value stored under `key`, wherever ASE put it.

    Parameters
    ----------
    frame : Frame
    key : str
        Name in the file.
    label : str
        Name of the setting ``data.keys.<label>``, for messages.
    shape : tuple of int
        Shape expected.

    Returns
    -------
    array, shape `shape`, in the file's unit

    Raises
    ------
    InputError
        If it is missing, of another shape, or not finite.
    """
    value = _as_floats(lookup(frame, key, f"data.keys.{label}"), frame, key)
    if value.shape != shape:
        raise InputError(f"{frame.source}: '{key}' has shape {value.shape}, but data.keys.{label} needs shape {shape}")
    if not np.isfinite(value).all():
        first = np.argwhere(~np.isfinite(value))[0]
        where = f" of atom {first[0]}" if shape and shape[0] == len(frame.atoms) else ""
        raise InputError(
            f"{frame.source}: '{key}'{where} is {value[tuple(first)]}; expected a finite number, "
            "so remove the frame or label it again"
        )
    return value


def _as_floats(value: Any, frame: Frame, key: str) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        found = f"'{quoted(value)}'" if isinstance(value, str) else quoted(repr(value))
        raise InputError(f"{frame.source}: '{key}' is {found}; expected numbers") from None
