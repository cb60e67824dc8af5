"""Frames with charges: text dumps of LAMMPS with a column `q`, and files that ASE reads with charges of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mliap_hybrid.data.lammps_dump import DumpFrame, dump_frames, is_dump
from mliap_hybrid.data.trajectories import frames_by_ase
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.spectra.moments import ChargedFrame
from mliap_hybrid.units import length_unit

DIPOLES = ("mux", "muy", "muz")


def read_charged_frames(file: Path, interval: float) -> Iterator[ChargedFrame]:
    """Frame by frame.

    Parameters
    ----------
    file : Path
        Text dump of LAMMPS (`dump ... custom ... id q xu yu zu`), or any file that ASE reads.
    interval : float, ps
        Time of one step of a dump, or between frames of another file.

    Raises
    ------
    InputError
        If there is no such file, it cannot be read, or it has no charges or positions.
    """
    if not file.is_file():
        raise InputError(f"there is no file {file}")
    return _of_dump(file, interval) if is_dump(file) else _of_other(file, interval)


def _of_other(file: Path, interval: float) -> Iterator[ChargedFrame]:
    for number, atoms in enumerate(frames_by_ase(file)):
        cell = np.where(atoms.pbc[:, None], atoms.cell.array, 0.0)
        yield ChargedFrame(number * interval, cell, atoms.positions, _charges(file, atoms), None, False)


def _charges(file: Path, atoms: Atoms) -> NDArray[np.float64]:
    results = {} if atoms.calc is None else atoms.calc.results
    for found in (results.get("charges"), atoms.arrays.get("charges"), atoms.arrays.get("initial_charges")):
        if found is None:
            continue
        charges = np.asarray(found)
        if charges.dtype.kind not in "fiu" or charges.shape != (len(atoms),):
            raise InputError(
                f"{file}: the charges are of type {charges.dtype} and shape {charges.shape}; expected a number for "
                f"each of {len(atoms)} atoms"
            )
        return charges.astype(float)
    raise InputError(f"{file} has no charges of atoms, by which a dipole moment would change")


def _of_dump(file: Path, interval: float) -> Iterator[ChargedFrame]:
    for frame in dump_frames(file):
        for needed in ("id", "q"):
            if needed not in frame.columns:
                raise InputError(
                    f"{file} has no column `{needed}`: write `dump ... custom ... id q xu yu zu`, with `mux muy muz` "
                    "where atoms have dipoles"
                )
        try:
            yield _charged(frame, interval)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{file}: the frame of step {frame.step} cannot be read ({quoted(error)})") from None


def _charged(frame: DumpFrame, interval: float) -> ChargedFrame:
    charges, dipoles, placed = frame.values(("q",)), frame.values(DIPOLES), frame.positions()
    if placed is None:
        raise InputError(f"{frame.file} has no positions: expected columns xu yu zu, or x y z")
    assert charges is not None
    positions, is_unwrapped = placed
    return ChargedFrame(
        frame.step * interval,
        frame.cell if is_unwrapped else np.where(frame.periodic[:, None], frame.cell, 0.0),
        positions,
        charges[:, 0],
        None if dipoles is None else dipoles * length_unit(frame.file_units.length),
        is_unwrapped,
    )
