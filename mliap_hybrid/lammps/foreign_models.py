"""Unified models of other makers: pickled Python objects, which are opened on the user's word alone.

Opening a pickle calls whatever the file names, with the rights of the user. Files that `mliap-hybrid export` wrote are
data (model_file.py) and never need this.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from mliap_hybrid.errors import InputError

PICKLE_START = b"\x80"
"""First byte of a pickle of protocol 2 or newer."""

ZIP_START = b"PK"
"""First bytes of a zip."""


def is_foreign(path: Path) -> bool:
    """Whether a file that is not a model file of this package may be a pickle: a zip of torch, or a bare one."""
    return _starts_with(path, ZIP_START) or _starts_with(path, PICKLE_START)


def is_zip(path: Path) -> bool:
    """Whether the file starts as a zip does, which may be damaged further on."""
    return _starts_with(path, ZIP_START)


def untrusted(path: Path) -> InputError:
    """The refusal of such a file, to be raised."""
    return InputError(
        f"'{path}' was not written by `mliap-hybrid export`: opening it would run the code that it holds, so if you "
        f"trust its maker, say so by `pair_style mliap unified {path} 0 trusted yes`"
    )


def open_trusted(path: Path) -> Any:
    """Unpickle a file, as upstream's ML-IAP does: .pt and .pth hold what torch wrote, other files a pickle.

    Raises
    ------
    InputError
        If the file is damaged, or needs a module that is not there. What its own code raises is left alone.
    """
    try:
        return _with_torch(path) if path.suffix in (".pt", ".pth") else _with_pickle(path)
    except (pickle.UnpicklingError, EOFError) as error:
        raise InputError(f"the model file '{path}' is damaged or not a pickle: {error}") from error
    except ModuleNotFoundError as error:
        raise InputError(f"the model file '{path}' needs the Python module '{error.name}': install it") from error
    except OSError as error:
        raise InputError(f"cannot read the model file '{path}': {error.strerror or error}") from error


def _with_pickle(path: Path) -> Any:
    with path.open("rb") as file:
        return pickle.load(file)


def _with_torch(path: Path) -> Any:
    import torch  # a bare pickle may do without

    return torch.load(path, weights_only=False)


def _starts_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(start)) == start
    except OSError:
        return False
