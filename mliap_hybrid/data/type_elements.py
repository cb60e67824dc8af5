"""Elements of dumps of LAMMPS, which know types: named by the user, in the column `element`, or told by masses.

ASE takes the number of a type for an atomic number where a file says nothing else, so that type 1 would be hydrogen and
type 2 helium. The column is filled by `dump_modify ID element ...`, and without it names every type carbon.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses, atomic_numbers, chemical_symbols

from mliap_hybrid.errors import InputError, quoted

WAY_OUT = (
    "name the elements of the types in their order, --elements 'Na Cl' (data.elements: [Na, Cl] in a training file), "
    "or dump the column element with `dump_modify ID element Na Cl`"
)

MASS_TOLERANCE = 0.2
"""u, of a mass from that of its element: force fields round them. Masses that were changed, as of heavy hydrogen, say
no element."""


def check_symbols(symbols: Sequence[str], setting: str) -> None:
    """Refuse what is no element, with the name of the option or setting.

    Raises
    ------
    InputError
    """
    for symbol in symbols:
        if not is_element(symbol):
            raise InputError(f"{setting}: '{quoted(symbol)}' is no element; expected symbols such as Na, Cl")


def is_element(symbol: str) -> bool:
    """Whether it is the symbol of an element; X is none."""
    return atomic_numbers.get(symbol, 0) > 0


def elements_of_rows(
    file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]], of_types: Sequence[str]
) -> list[str]:
    """Element of each atom of a frame.

    Parameters
    ----------
    file : Path
        For messages.
    columns : sequence of str
    rows : sequence of sequence of str
        Words of each atom.
    of_types : sequence of str
        Element of each atom type, if the user names them.

    Raises
    ------
    InputError
        If nothing says the elements, a type has none, or the column `element` says others.
    """
    written = [row[columns.index("element")] for row in rows] if "element" in columns else None
    if of_types:
        return _checked(file, _by_types(file, columns, rows, of_types), written)
    if written is not None:
        if unknown := next((name for name in set(written) if not is_element(name)), None):
            raise InputError(f"{file}: '{quoted(unknown)}' in the column element is no element: {WAY_OUT}")
        return written
    if "mass" in columns:
        return _by_masses(file, [row[columns.index("mass")] for row in rows])
    raise InputError(
        f"{file} is a dump of LAMMPS without elements (columns {quoted(' '.join(columns))}), whose types could be "
        f"any: {WAY_OUT}"
    )


def is_all_carbon(atoms: Atoms) -> bool:
    """Whether atoms of several types of LAMMPS are all carbon, as where `dump_modify element` was left out."""
    types = atoms.arrays.get("type")
    return types is not None and len(set(types.tolist())) > 1 and bool((atoms.numbers == 6).all())


def _by_types(file: Path, columns: Sequence[str], rows: Sequence[Sequence[str]], of_types: Sequence[str]) -> list[str]:
    if "type" not in columns:
        raise InputError(f"{file} has no column `type`, whose elements were named: leave them out, or dump the types")
    types = [row[columns.index("type")] for row in rows]
    known = {str(number + 1): symbol for number, symbol in enumerate(of_types)}
    if wrong := next((name for name in types if name not in known), None):
        raise InputError(
            f"{file} has atoms of type {quoted(wrong)}, but {len(of_types)} elements were named ("
            f"{', '.join(of_types)}): expected one for each type, in the order of the types"
        )
    return [known[name] for name in types]


def _checked(file: Path, named: list[str], written: list[str] | None) -> list[str]:
    """Refuse named elements where the file says others; carbon throughout, and names of no element, say nothing."""
    if written is None or set(written) == {"C"}:
        return named
    for symbol, other in zip(named, written, strict=True):
        if symbol != other and is_element(other):
            raise InputError(
                f"{file} says {other} in its column element where {symbol} was named for the type: leave the elements "
                "out to take those of the file, or name the same"
            )
    return named


def _by_masses(file: Path, words: Sequence[str]) -> list[str]:
    known = {}
    for word in set(words):
        try:
            mass = float(word)
        except ValueError:
            mass = np.nan
        number = int(np.argmin(np.abs(atomic_masses[1:] - mass))) + 1
        if not abs(atomic_masses[number] - mass) < MASS_TOLERANCE:
            raise InputError(f"{file} has atoms of mass '{quoted(word)}', which is that of no element: {WAY_OUT}")
        known[word] = chemical_symbols[number]
    return [known[word] for word in words]
