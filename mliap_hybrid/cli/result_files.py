"""Files that a verb writes into a folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mliap_hybrid.errors import InputError


def result_files(folder: Path, names: Iterable[str], overwrite: bool) -> dict[str, Path]:
    """Name -> file in the folder.

    Raises
    ------
    InputError
        If one is there, and is not to be replaced.
    """
    files = {name: folder / name for name in names}
    there = [file for file in files.values() if file.exists()]
    if there and not overwrite:
        raise InputError(f"{there[0]} exists: name another folder with --output, or add --overwrite")
    return files
