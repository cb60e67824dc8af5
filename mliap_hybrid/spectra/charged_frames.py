"""Frames with charges: text dumps of LAMMPS with a column `q`, and files that ASE reads with charges of atoms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from mliap_hybrid.data.trajectories import frames_by_ase
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.spectra.moments import ChargedFrame

ITEM, ATOMS = "ITEM:", "ITEM: ATOMS"

PLACES = (("xu", "yu", "zu"), ("x", "y", "z"))
"""Columns of positions, those that go on through boundaries first."""

IMAGES, DIPOLES = ("ix", "iy", "iz"), ("mux", "muy", "muz")


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
    with file.open(encoding="utf-8", errors="replace") as stream:
        is_dump = stream.readline().startswith(ITEM)
    return _of_dump(file, interval) if is_dump else _of_other(file, interval)


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
    with file.open(encoding="utf-8", errors="replace") as stream:
        for head in stream:
            try:
                yield _frame(file, head, stream, interval)
            except (ValueError, IndexError, KeyError, OverflowError, StopIteration) as error:
                raise InputError(
                    f"{file}: a frame cannot be read ({quoted(error) or 'it ends too early'}): is it cut off, or still "
                    "being written?"
                ) from None


def _frame(file: Path, head: str, stream: Iterator[str], interval: float) -> ChargedFrame:
    """The frame whose first line is `head`."""
    n_lines, items = {"BOX": 3}, {}
    while not head.startswith(ATOMS):
        name = head.split()[1]
        items[name] = head.split(), [next(stream).split() for _ in range(n_lines.get(name, 1))]
        head = next(stream)
    step, n_atoms = (int(items[name][1][0][0]) for name in ("TIMESTEP", "NUMBER"))
    cell = _cell(np.array(items["BOX"][1], dtype=float))
    columns = head.split()[2:]
    table = np.array([next(stream).split() for _ in range(n_atoms)], dtype=object).reshape(n_atoms, len(columns))
    for needed in ("id", "q"):
        if needed not in columns:
            raise InputError(
                f"{file} has no column `{needed}`: write `dump ... custom ... id q xu yu zu`, with `mux muy muz` where "
                "atoms have dipoles"
            )
    order = np.argsort(table[:, columns.index("id")].astype(int))

    def of(names: tuple[str, ...]) -> NDArray[np.float64] | None:
        if not set(names) <= set(columns):
            return None
        return table[order][:, [columns.index(name) for name in names]].astype(float)

    unwrapped, wrapped = (of(names) for names in PLACES)
    positions, images = unwrapped if unwrapped is not None else wrapped, of(IMAGES)
    if positions is None:
        raise InputError(f"{file} has no positions: expected columns xu yu zu, or x y z")
    if unwrapped is None and images is not None:
        positions = positions + images @ cell
    periodic = np.array([word.startswith("p") for word in items["BOX"][0][-3:]])
    charges = of(("q",))
    assert charges is not None
    return ChargedFrame(
        step * interval,
        np.where(periodic[:, None], cell, 0.0) if unwrapped is None and images is None else cell,
        positions,
        charges[:, 0],
        of(DIPOLES),
        unwrapped is not None or images is not None,
    )


def _cell(bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cell (3, 3) as rows, of the bounds of a dump: (3, 2), or with tilts (3, 3), which then hold the whole box."""
    a, b, c = bounds[:, 1] - bounds[:, 0]
    xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
    a -= max(0.0, xy, xz, xy + xz) - min(0.0, xy, xz, xy + xz)
    b -= max(0.0, yz) - min(0.0, yz)
    return np.array([[a, 0.0, 0.0], [xy, b, 0.0], [xz, yz, c]])
