"""Structures of n2p2 and RuNNer: the text format `input.data`, in Hartree and Bohr unless somebody says otherwise.

A structure lies between the lines ``begin`` and ``end``; in between, each line starts with its keyword::

    comment  free text
    lattice  x y z                                # three times, or never, or zeros (dpdata): not periodic
    atom     x y z element charge unused fx fy fz
    energy   total energy
    charge   total charge                         # 0 where it is left out

Singraber, Behler and Dellago, J. Chem. Theory Comput. 15, 1827 (2019). New versions of ASE read the format as well,
but take files that are cut short and structures without an energy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from ase.io.formats import open_with_compression

from mliap_hybrid.errors import InputError, did_you_mean, quoted
from mliap_hybrid.units import BOHR, HARTREE

KEYWORDS = ("comment", "lattice", "atom", "energy", "charge", "end")
N_NUMBERS_OF_ATOM = 8


def is_n2p2(file: Path) -> bool:
    """Whether the first line of `file`, which may be compressed, is the ``begin`` of an n2p2 structure."""
    try:
        with open_with_compression(str(file), "rt") as stream:
            return stream.read(200).lstrip().partition("\n")[0].strip() == "begin"
    except (UnicodeDecodeError, OSError, EOFError):
        return False


def read_n2p2(file: Path) -> list[Atoms]:
    """All structures of an `input.data` file, converted to eV and Å.

    Parameters
    ----------
    file : Path
        May be compressed (.xz, .gz, .bz2).

    Returns
    -------
    list of ase.Atoms
        With the entries ``energy`` (eV), ``forces`` (eV/Å), ``charges`` and ``total_charge`` (e) and, where there
        was one, ``comment``.

    Raises
    ------
    InputError
        If a line cannot be understood or something is missing; the message gives the line.
    """
    with open_with_compression(str(file), "rt") as stream:
        return list(_structures(enumerate(stream, start=1), str(file)))


def write_n2p2(file: Path, structures: Sequence[Atoms]) -> None:
    """Write structures as an `input.data` file.

    Parameters
    ----------
    file : Path
        Must not exist.
    structures : sequence of ase.Atoms
        In eV and Å, periodic in all directions or in none, with energy and forces; ``charges`` and ``total_charge``
        are written as zero where they are missing.

    Raises
    ------
    InputError
        If the file exists, or a structure cannot be written in this format.
    """
    if file.exists():
        raise InputError(f"{file} exists already: remove it, or write to another file")
    lines = [line for index, atoms in enumerate(structures) for line in _lines(atoms, index)]
    file.write_text("\n".join([*lines, ""]))


@dataclass
class _Structure:
    """What was read of one structure so far, in the units of the file."""

    first_line: int
    lattice: list[list[float]] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    """Of each atom: x y z charge unused fx fy fz."""
    totals: dict[str, float] = field(default_factory=dict)
    """energy and charge."""
    comments: list[str] = field(default_factory=list)


def _structures(lines: Iterator[tuple[int, str]], file: str) -> Iterator[Atoms]:
    structure: _Structure | None = None
    for n_line, line in lines:
        keyword, *values = line.split() or [""]
        place = f"{file}, line {n_line}"
        if keyword == "":
            continue
        if structure is None:
            if keyword != "begin":
                raise InputError(f"{place}: expected 'begin' of a structure, found '{quoted(keyword)}'")
            structure = _Structure(n_line)
        elif keyword == "end":
            yield _atoms(structure, f"{file}, structure from line {structure.first_line}")
            structure = None
        else:
            _add_line(structure, keyword, values, place)
    if structure is not None:
        raise InputError(
            f"{file} is cut short: the structure that begins in line {structure.first_line} has no 'end'; "
            "fetch the file again or remove the rest of the structure"
        )


def _add_line(structure: _Structure, keyword: str, values: list[str], place: str) -> None:
    if keyword == "comment":
        structure.comments.append(" ".join(values))
    elif keyword == "lattice":
        structure.lattice.append(_floats(values, 3, keyword, place))
    elif keyword == "atom":
        if len(values) != N_NUMBERS_OF_ATOM + 1:
            raise InputError(
                f"{place}: an atom has {len(values)} columns; expected 9: x y z element charge unused fx fy fz"
            )
        symbol = values.pop(3)
        if atomic_numbers.get(symbol, 0) == 0:
            raise InputError(f"{place}: '{quoted(symbol)}' is not an element")
        structure.numbers.append(atomic_numbers[symbol])
        structure.rows.append(_floats(values, N_NUMBERS_OF_ATOM, keyword, place))
    elif keyword in ("energy", "charge"):
        if keyword in structure.totals:
            raise InputError(f"{place}: the structure has a second '{keyword}'")
        structure.totals[keyword] = _floats(values, 1, keyword, place)[0]
    else:
        raise InputError(f"{place}: unknown keyword '{quoted(keyword)}': {did_you_mean(keyword, KEYWORDS)}")


def _floats(words: list[str], n_expected: int, keyword: str, place: str) -> list[float]:
    """The words as finite numbers, or an `InputError`."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        values = []
    if len(values) != n_expected or not np.isfinite(values).all():
        raise InputError(
            f"{place}: '{keyword}' needs {n_expected} finite number{'s' if n_expected > 1 else ''}, "
            f"found '{quoted(' '.join(words))}'"
        )
    return values


def _atoms(structure: _Structure, place: str) -> Atoms:
    if len(structure.lattice) not in (0, 3):
        raise InputError(f"{place}: found {len(structure.lattice)} lattice vectors; expected three, or none")
    if not structure.numbers:
        raise InputError(f"{place}: there are no atoms")
    if "energy" not in structure.totals:
        raise InputError(f"{place}: there is no energy")
    rows = np.array(structure.rows)  # (n_atoms, 8)
    periodic = bool(np.any(structure.lattice))  # dpdata writes molecules with a lattice of zeros
    atoms = Atoms(
        numbers=structure.numbers,
        positions=rows[:, :3] * BOHR,
        cell=np.array(structure.lattice) * BOHR if periodic else None,
        pbc=periodic,
        info={"total_charge": structure.totals.get("charge", 0.0)},
    )
    if structure.comments:
        atoms.info["comment"] = "\n".join(structure.comments)
    atoms.arrays["charges"] = rows[:, 3]
    atoms.calc = SinglePointCalculator(
        atoms, energy=structure.totals["energy"] * HARTREE, forces=rows[:, 5:] * (HARTREE / BOHR)
    )
    return atoms


def _lines(atoms: Atoms, index: int) -> Iterator[str]:
    if atoms.pbc.any() and not atoms.pbc.all():
        raise InputError(
            f"structure {index} is periodic in some directions only, {atoms.pbc.tolist()}; input.data knows all or none"
        )
    results = atoms.calc.results if atoms.calc is not None else {}
    missing = [name for name in ("energy", "forces") if name not in results]
    if missing:
        raise InputError(f"structure {index} has no {' and no '.join(missing)}; label it before writing")
    charges = atoms.arrays.get("charges", np.zeros(len(atoms)))  # (n_atoms,)
    forces = results["forces"] * (BOHR / HARTREE)  # (n_atoms, 3)
    yield "begin"
    for line in str(atoms.info.get("comment", "")).splitlines():
        yield f"comment {line}"
    if atoms.pbc.all():
        yield from (f"lattice {_columns(vector)}" for vector in atoms.cell[:] / BOHR)
    for symbol, position, charge, force in zip(atoms.symbols, atoms.positions / BOHR, charges, forces, strict=True):
        yield f"atom {_columns(position)} {symbol:2s} {_columns([charge, 0.0])} {_columns(force)}"
    yield f"energy {results['energy'] / HARTREE:.10f}"
    yield f"charge {atoms.info.get('total_charge', 0.0):.10f}"
    yield "end"


def _columns(values: Sequence[float] | np.ndarray) -> str:
    return " ".join(f"{value:17.10f}" for value in values)
