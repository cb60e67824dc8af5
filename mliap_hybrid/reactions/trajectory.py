"""Frames of a trajectory with their times, one after another: of dumps of LAMMPS, and of all that ASE reads.

Of files that are no dumps, all frames are a constant time apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms

from mliap_hybrid.data.lammps_dump import dump_frames, is_dump
from mliap_hybrid.data.trajectories import frames_by_ase
from mliap_hybrid.data.type_elements import WAY_OUT, is_all_carbon
from mliap_hybrid.errors import InputError


@dataclass(frozen=True)
class TimedFrame:
    """One frame."""

    atoms: Atoms
    step: int
    """Time step, or number of the frame."""
    time: float
    """ps."""


def read_trajectory(file: Path, interval: float, elements: Sequence[str]) -> Iterator[TimedFrame]:
    """Read frame by frame.

    Parameters
    ----------
    file : Path
        Text dump of LAMMPS, or any file that ASE reads.
    interval : float, ps
        Time of one step of a dump, or between frames of another file.
    elements : sequence of str
        Element of each atom type, for dumps that do not say them.

    Yields
    ------
    TimedFrame
        Atoms of a dump in the order of their IDs.

    Raises
    ------
    InputError
        If there is no such file or frame, it cannot be read, or the elements are not known.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    read = _of_dump(file, elements) if is_dump(file) else enumerate(frames_by_ase(file))
    n_frames = 0
    for step, atoms in read:
        n_frames += 1
        yield TimedFrame(atoms, step, step * interval)
    if not n_frames:
        raise InputError(f"{file} has no frames")


def _of_dump(file: Path, elements: Sequence[str]) -> Iterator[tuple[int, Atoms]]:
    for frame in dump_frames(file):
        if "id" not in frame.columns:
            raise InputError(
                f"{file} has no column `id`, so that atoms cannot be followed: write `dump ... custom ... id element x "
                "y z`"
            )
        atoms = frame.atoms(elements)
        if not elements and is_all_carbon(atoms):
            raise InputError(
                f"{file} has several atom types that are all C, as LAMMPS writes without `dump_modify ... element "
                f"...`: {WAY_OUT}"
            )
        yield frame.step, atoms
