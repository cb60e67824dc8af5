"""Text dumps of LAMMPS, frame by frame: for trajectories, spectra and labelled frames alike.

A frame is taken apart here, since ASE keeps no image flags, prefers wrapped positions, takes rows that are missing for
atoms that are not there, and all units for those of `units metal`. Structures are made by ASE, from columns whose
elements are known (`type_elements.py`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io.formats import open_with_compression
from ase.io.lammpsrun import read_lammps_dump_text
from numpy.typing import NDArray

from mliap_hybrid.data.file_units import FileUnits
from mliap_hybrid.data.type_elements import elements_of_rows
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.units import length_unit

ITEM, ATOMS = "ITEM:", "ITEM: ATOMS"

N_LINES = {"BOX": 3}
"""Lines below a line ITEM, by its first word, after which stands more; one below others."""

LARGEST_STEP = 2**63 - 1
"""Of LAMMPS."""

UNITS = {
    "metal": FileUnits("eV", "Å", "file"),
    "real": FileUnits("kcal/mol", "Å", "file"),
    "electron": FileUnits("Ha", "bohr", "file"),
}
"""What `dump_modify units yes` writes -> units of the numbers; charges are in e in all of them."""

PLACES = (("xu", "yu", "zu"), ("xsu", "ysu", "zsu"), ("x", "y", "z"), ("xs", "ys", "zs"))
"""Columns of positions, those that go on through boundaries first."""

UNWRAPPED, IMAGES = PLACES[:2], ("ix", "iy", "iz")


@dataclass(frozen=True)
class DumpFrame:
    """One frame, in words."""

    file: Path
    """As the user calls it."""
    step: int
    units: str | None
    """Style of units, where the file says it."""
    box: list[str]
    """Words after `BOX BOUNDS`."""
    bounds: list[list[str]]
    columns: list[str]
    rows: list[list[str]]
    """One for each atom, as long as `columns`."""

    @property
    def file_units(self) -> FileUnits:
        """Units of the numbers: those of the file, or eV and Å unless the user says others."""
        return FileUnits() if self.units is None else UNITS[self.units]

    @property
    def periodic(self) -> NDArray[np.bool_]:
        """Directions, shape (3,)."""
        return np.array([word.startswith("p") for word in self.box[-3:]])

    @property
    def cell(self) -> NDArray[np.float64]:
        """Lattice vectors as rows, shape (3, 3), Å; also along directions that are not periodic."""
        bounds = np.array(self.bounds, dtype=float) * length_unit(self.file_units.length)
        if self.box[0] == "abc":  # general triclinic: the vectors, and the origin in the fourth column
            return bounds[:, :3]
        a, b, c = bounds[:, 1] - bounds[:, 0]
        xy, xz, yz = bounds[:, 2] if bounds.shape[1] == 3 else (0.0, 0.0, 0.0)
        a -= max(0.0, xy, xz, xy + xz) - min(0.0, xy, xz, xy + xz)  # bounds are those of the whole tilted box
        b -= max(0.0, yz) - min(0.0, yz)
        return np.array([[a, 0.0, 0.0], [xy, b, 0.0], [xz, yz, c]])

    def values(self, names: Sequence[str]) -> NDArray[np.float64] | None:
        """Numbers of columns in the order of atom IDs, shape (n_atoms, n_names); None where the frame lacks one."""
        if not set(names) <= set(self.columns):
            return None
        at = [self.columns.index(name) for name in names]
        return self._by_id[:, at].astype(float)

    @cached_property
    def _by_id(self) -> NDArray[np.object_]:
        """Words (n_atoms, n_columns) in the order of atom IDs."""
        words = np.array(self.rows, dtype=object).reshape(len(self.rows), len(self.columns))
        return words[np.argsort(words[:, self.columns.index("id")].astype(int))]

    def positions(self) -> tuple[NDArray[np.float64], bool] | None:
        """Positions (n_atoms, 3) in Å in the order of atom IDs, and whether they go on through boundaries.

        Scaled ones are from the corner of the box. None where the frame has none.
        """
        for names in PLACES:
            if (found := self.values(names)) is None:
                continue
            places = found @ self.cell if "s" in names[0] else found * length_unit(self.file_units.length)
            if names in UNWRAPPED:
                return places, True
            images = self.values(IMAGES)
            return (places, False) if images is None else (places + images @ self.cell, True)
        return None

    def atoms(self, elements: Sequence[str] = ()) -> Atoms:
        """The frame as ASE's structure in the order of atom IDs, where it has them; with forces, ASE says energy 0.

        Numbers are in eV and Å where the file says its units, and else as they are.

        Parameters
        ----------
        elements : sequence of str
            Element of each atom type; else those of the column `element`, or of masses.

        Raises
        ------
        InputError
            If the elements cannot be told, or ASE cannot read the frame.
        """
        symbols = elements_of_rows(self.file, self.columns, self.rows, elements)
        columns = self.columns if "element" in self.columns else [*self.columns, "element"]
        at = columns.index("element")
        rows = [[*row[:at], symbol, *row[at + 1 :]] for row, symbol in zip(self.rows, symbols, strict=True)]
        text = "\n".join(
            [
                *("ITEM: TIMESTEP", str(self.step), "ITEM: NUMBER OF ATOMS", str(len(rows))),
                *(f"ITEM: BOX BOUNDS {' '.join(self.box)}", *map(" ".join, self.bounds)),
                *(f"{ATOMS} {' '.join(columns)}", *map(" ".join, rows), ""),
            ]
        )
        try:
            return read_lammps_dump_text(io.StringIO(text), index=-1, units=self.units or "metal")
        except Exception as error:  # whatever ASE's reader raises
            raise InputError(f"{self.file}, step {self.step}: the frame cannot be read ({quoted(error)})") from error


def is_dump(file: Path) -> bool:
    """Whether a file, which may be compressed, is a text dump of LAMMPS by its first line."""
    try:
        with open_with_compression(str(file), "rb") as stream:
            return bool(stream.read(len(ITEM)) == ITEM.encode())
    except Exception:  # whatever broken compressed files raise: their readers say so
        return False


def dump_frames(file: Path) -> Iterator[DumpFrame]:
    """Read frame by frame.

    Parameters
    ----------
    file : Path
        May be compressed.

    Raises
    ------
    InputError
        If a frame is not complete or not one of atoms, or in units that cannot be converted.
    """
    units = None
    with io.TextIOWrapper(open_with_compression(str(file), "rb"), encoding="utf-8", errors="replace") as stream:
        for line in stream:
            if not line.strip():
                continue
            items = _header(file, line, stream)
            if "UNITS" in items:  # in the first frame alone
                units = _known_units(file, " ".join(items["UNITS"][1][0]))
            yield _frame(file, items, units, stream)


def _header(file: Path, line: str, stream: Iterator[str]) -> dict[str, tuple[list[str], list[list[str]]]]:
    """First word of each line ITEM -> the words after it, and the lines below it; down to that of the atoms."""
    items: dict[str, tuple[list[str], list[list[str]]]] = {}
    while True:
        words = line.split()
        if words[:1] != [ITEM] or len(words) < 2:
            raise InputError(
                f"{file}{_at(items)} is not complete: expected a line ITEM, found '{quoted(line.strip())}'"
            )
        if words[1] == "ATOMS":
            return items | {"ATOMS": (words[2:], [])}
        name = words[1] if words[1] in N_LINES else " ".join(words[1:])
        items[name] = words[2:], [below.split() for below in islice(stream, N_LINES.get(name, 1))]
        line = next(stream, "")


def _frame(file: Path, items: dict[str, Any], units: str | None, stream: Iterator[str]) -> DumpFrame:
    columns: list[str] = items["ATOMS"][0]
    try:
        step, n_atoms = (int(items[name][1][0][0]) for name in ("TIMESTEP", "NUMBER OF ATOMS"))
        box, bounds = items["BOX"][0][1:], items["BOX"][1]
        rows = [line.split() for line in islice(stream, n_atoms)]
        widths = {*map(len, bounds)}
        np.array(bounds, dtype=float)
    except (ValueError, IndexError, KeyError) as error:
        raise InputError(f"{file}{_at(items)} cannot be read ({type(error).__name__}: {quoted(error)})") from None
    if abs(step) > LARGEST_STEP:
        raise InputError(f"{file}: {quoted(step)} is no time step of LAMMPS")
    if n_atoms == 0:
        raise InputError(f"{file}{_at(items)} has no atoms")
    if len(rows) != n_atoms or any(len(row) != len(columns) for row in rows):
        raise InputError(
            f"{file}{_at(items)} is not complete: expected {n_atoms} atoms with {len(columns)} columns; is it cut off, "
            "or still being written?"
        )
    if not all(re.fullmatch("[pfsm]{1,2}", word) for word in box[-3:]) or len(box) < 3 or widths - {2, 3, 4}:
        raise InputError(
            f"{file}{_at(items)} does not say which directions are periodic, as `ITEM: BOX BOUNDS pp pp pp` does: "
            f"found '{quoted(' '.join(box))}'"
        )
    return DumpFrame(file, step, units, box, bounds, columns, rows)


def _at(items: dict[str, Any]) -> str:
    """Place of a frame, for messages."""
    below = items.get("TIMESTEP", ([], []))[1]
    return f": the frame of step {quoted(' '.join(below[0]))}" if below else ": a frame"


def _known_units(file: Path, units: str) -> str:
    if units not in UNITS:
        raise InputError(
            f"{file} is in LAMMPS' units '{quoted(units)}', which are not converted: expected {', '.join(UNITS)}"
        )
    return units
