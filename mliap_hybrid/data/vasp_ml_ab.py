"""Structures of VASP's ML_AB and ML_ABN: what its on-the-fly training has computed, with all labels.

Blocks of a title, a line of dashes, and numbers::

    Configuration num.    1          # begins a structure
    Atom types and atom numbers      # element and number of atoms, one line each, in the order of the atoms
    Primitive lattice vectors (ang.)
    Atomic positions (ang.)          # Cartesian
    Total energy (eV)
    Forces (eV ang.^-1)
    Stress (kbar)                    # xx yy zz, then xy yz zx, positive under pressure as in an OUTCAR

VASP wiki, page ML_AB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.io.formats import open_with_compression

from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.units import STRESS_UNITS

RULE = re.compile(r"\s*[-=*]{5,}\s*$")
"""Lines between titles and numbers."""

DASHES = re.compile(r"\s*-{5,}\s*$")
"""Below a title; another rule is below its numbers, but for those of a stress."""

NO_NUMBER = re.compile(r"\s*[A-Za-z]")

BEGIN = re.compile(r"\s*Configuration num\.\s*(\d+)")

TITLES = ("Atom types and atom numbers", "Primitive lattice vectors", "Atomic positions", "Total energy", "Forces")
"""Beginnings of the titles of blocks that a structure must have."""

STRESS = "Stress"


def is_ml_ab(file: Path) -> bool:
    """Whether `file`, which may be compressed, begins as an ML_AB does."""
    try:
        with open_with_compression(str(file), "rt") as stream:
            head = stream.read(400)
    except (UnicodeDecodeError, OSError, EOFError):
        return False
    return re.match(r"\s*\d+\.\d+\s+Version\b", head) is not None and "number of configurations" in head


def read_ml_ab(file: Path) -> list[Atoms]:
    """All structures of an ML_AB.

    Returns
    -------
    list of ase.Atoms
        With energy in eV, forces in eV/Å and, where there is one, stress in eV/Å^3 and ASE's sign.

    Raises
    ------
    InputError
        If a block is missing, cut short, or holds something other than numbers.
    """
    with open_with_compression(str(file), "rt") as stream:
        lines = stream.read().split("\n")
    starts = [index for index, line in enumerate(lines) if BEGIN.match(line)]
    ends = [*starts[1:], len(lines)]
    structures = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), start=1):
        place = f"{file}, configuration {number}"
        structures.append(_atoms(_blocks(lines[start + 1 : end]), place))
    _check_count(lines, len(structures), file)
    return structures


def _blocks(lines: Sequence[str]) -> dict[str, list[list[str]]]:
    """Title -> words of the lines below it. A title is what no number begins, above a line of dashes."""
    blocks: dict[str, list[list[str]]] = {}
    title = ""
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if RULE.match(line) or not line.strip():
            continue
        if DASHES.match(after) and NO_NUMBER.match(line):
            title = line.strip()
            blocks[title] = []
        else:
            blocks.setdefault(title, []).append(line.split())
    return blocks


def _atoms(blocks: dict[str, list[list[str]]], place: str) -> Atoms:
    kinds, lattice, positions, energy, forces = (_block(blocks, title, place) for title in TITLES)
    numbers: list[int] = []
    for words in kinds:
        if len(words) != 2 or atomic_numbers.get(words[0], 0) == 0 or not words[1].isdigit():
            raise InputError(f"{place}: expected an element and a number of atoms, found '{quoted(' '.join(words))}'")
        numbers += [atomic_numbers[words[0]]] * int(words[1])
    n_atoms = len(numbers)
    atoms = Atoms(
        numbers,
        _numbers(positions, (n_atoms, 3), "atomic positions", place),
        cell=_numbers(lattice, (3, 3), "lattice vectors", place),
        pbc=True,
    )
    results = {
        "energy": float(_numbers(energy, (1, 1), "total energy", place)[0, 0]),
        "forces": _numbers(forces, (n_atoms, 3), "forces", place),
    }
    if any(title.startswith(STRESS) for title in blocks):
        diagonal, others = (
            _numbers(blocks.get(t, []), (1, 3), f"stress {t}", place)[0] for t in ("XX YY ZZ", "XY YZ ZX")
        )
        xy, yz, zx = others
        results["stress"] = -np.array([*diagonal, yz, zx, xy]) * STRESS_UNITS["kbar"]  # (6,) in ASE's order and sign
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms


def _block(blocks: dict[str, list[list[str]]], title: str, place: str) -> list[list[str]]:
    found = next((rows for name, rows in blocks.items() if name.startswith(title)), None)
    if found is None:
        raise InputError(f"{place}: there is no block '{title}'; found {quoted(', '.join(blocks))}")
    return found


def _numbers(rows: list[list[str]], shape: tuple[int, int], what: str, place: str) -> np.ndarray:
    """Rows of a block as an array of `shape`."""
    try:
        values = np.array([[float(word) for word in row] for row in rows])
    except ValueError:
        values = np.empty(0)
    if values.shape != shape or not np.isfinite(values).all():
        raise InputError(
            f"{place}: {what} need {shape[0]} lines of {shape[1]} finite numbers, found {len(rows)} lines"
            f"{', such as ' + quoted(' '.join(rows[-1])) if rows else ''}: the file is cut short or broken there"
        )
    return values


def _check_count(lines: Sequence[str], n_found: int, file: Path) -> None:
    """Refuse a file that has fewer structures than its head says."""
    at = next(index for index, line in enumerate(lines) if "number of configurations" in line)
    said = next((line.strip() for line in lines[at + 1 : at + 4] if line.strip().isdigit()), None)
    if said is None or int(said) != n_found:
        raise InputError(f"{file}: its head says {said} configurations, but it has {n_found}: it is cut short")
