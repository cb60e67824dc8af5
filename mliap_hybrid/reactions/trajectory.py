"""Frames of a trajectory with their times, one after another; ASE reads them.

A text dump of LAMMPS is taken apart at its frames, since ASE keeps no time steps; of other files, all frames are a
constant time apart.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ase import Atoms
from ase.data import atomic_numbers
from ase.io.lammpsrun import read_lammps_dump_text

from mliap_hybrid.data.trajectories import frames_by_ase
from mliap_hybrid.errors import InputError, quoted

FRAME = "ITEM: TIMESTEP"
COLUMNS = "ITEM: ATOMS"

LARGEST_STEP = 2**63 - 1
"""Of LAMMPS."""


@dataclass(frozen=True)
class TimedFrame:
    """One frame."""

    atoms: Atoms
    step: int
    """Time step, or number of the frame."""
    time: float
    """ps."""


def read_trajectory(file: Path, interval: float, elements: list[str]) -> Iterator[TimedFrame]:
    """Read frame by frame.

    Parameters
    ----------
    file : Path
        Text dump of LAMMPS, or any file that ASE reads.
    interval : float, ps
        Time of one step of a dump, or between frames of another file.
    elements : list of str
        Element of each atom type, for dumps without a column `element`.

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
    with file.open(encoding="utf-8", errors="replace") as stream:
        is_dump = stream.readline().strip() == FRAME
    read = _of_dump(file, elements) if is_dump else enumerate(frames_by_ase(file))
    n_frames = 0
    for step, atoms in read:
        n_frames += 1
        yield TimedFrame(atoms, step, step * interval)
    if not n_frames:
        raise InputError(f"{file} has no frames")


def _of_dump(file: Path, elements: list[str]) -> Iterator[tuple[int, Atoms]]:
    _check_elements(elements)
    for lines in _frames_of_dump(file):
        place = next((k for k, line in enumerate(lines) if line.startswith(COLUMNS)), None)
        if place is None or [str(len(lines) - place - 1)] != lines[3].split():
            raise InputError(
                f"{file}: the frame of step {quoted(''.join(lines[1:2]))} is not complete: cut it off, or wait for the "
                "run that writes it"
            )
        columns, rows = lines[place].split()[2:], [line.split() for line in lines[place + 1 :]]
        _check_columns(file, columns, bool(elements))
        try:
            if elements:
                columns, rows = _with_elements(columns, rows, elements)
            elif {row[columns.index("element")] for row in rows if "element" in columns} == {"C"}:
                _check_one_type(file, columns, rows)
            text = "".join(lines[:place]) + f"{COLUMNS} {' '.join(columns)}\n" + "\n".join(map(" ".join, rows))
            step = int(lines[1])
            if abs(step) > LARGEST_STEP:
                raise InputError(f"{file}: {quoted(step)} is no time step of LAMMPS")
            yield step, read_lammps_dump_text(io.StringIO(text), index=-1)
        except InputError:
            raise
        except Exception as error:  # whatever ASE's reader raises
            raise InputError(f"{file}, step {quoted(lines[1])}: the frame cannot be read ({quoted(error)})") from error


def _with_elements(columns: list[str], rows: list[list[str]], elements: list[str]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows with the elements of the types in place of those that the file may have.

    Raises
    ------
    IndexError
        If there is a type without an element.
    """
    of_type = columns.index("type")
    kept = [k for k, name in enumerate(columns) if name != "element"]
    named = [[*(row[k] for k in kept), elements[int(row[of_type]) - 1]] for row in rows]
    return [*(columns[k] for k in kept), "element"], named


def _check_one_type(file: Path, columns: list[str], rows: list[list[str]]) -> None:
    """LAMMPS calls every atom C unless it is told otherwise."""
    if "type" in columns and len({row[columns.index("type")] for row in rows}) > 1:
        raise InputError(
            f"{file} has several atom types that are all C, as LAMMPS writes without `dump_modify ... element ...`: "
            "name the elements of the types in order with --elements"
        )


def _frames_of_dump(file: Path) -> Iterator[list[str]]:
    lines: list[str] = []
    with file.open(encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if line.startswith(FRAME) and lines:
                yield lines
                lines = []
            lines.append(line)
    yield lines


def _check_columns(file: Path, columns: list[str], has_elements: bool) -> None:
    """ASE leaves atoms without IDs unsorted, and takes types for atomic numbers where nothing else is said."""
    if "id" not in columns:
        raise InputError(
            f"{file} has no column `id`, so that atoms cannot be followed: write `dump ... custom ... id element x y z`"
        )
    if has_elements and "type" not in columns:
        raise InputError(f"{file} has no column `type`: leave out --elements, or write types")
    if not has_elements and "element" not in columns:
        raise InputError(
            f"{file} has no column `element`: name the elements of the atom types in order with --elements, or write "
            "`dump ... custom ... id element x y z` and `dump_modify ... element ...`"
        )


def _check_elements(elements: list[str]) -> None:
    unknown = [symbol for symbol in elements if atomic_numbers.get(symbol, 0) < 1]
    if unknown:
        raise InputError(f"--elements: {unknown[0]!r} is no element")
