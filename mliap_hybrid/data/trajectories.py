"""Frames of trajectories that ASE reads, one after another, so that not all are held at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ase import Atoms
from ase.io import iread
from ase.io.formats import filetype, open_with_compression

from mliap_hybrid.data.extxyz import check_end
from mliap_hybrid.errors import InputError, quoted


def frames_by_ase(file: Path) -> Iterator[Atoms]:
    """Frame by frame.

    Parameters
    ----------
    file : Path
        Of any format that ASE knows.

    Raises
    ------
    InputError
        If ASE cannot read it.
    """
    try:
        if filetype(str(file)) == "extxyz":
            with open_with_compression(str(file), "rt") as stream:
                check_end(stream)
        yield from iread(file)
    except InputError as error:
        raise InputError(f"{file}: {error}") from None
    except Exception as error:  # whatever ASE's readers raise
        said = f"{type(error).__name__}: {quoted(error)}"
        raise InputError(f"{file} cannot be read as a trajectory: {said}") from error
