"""Elements of dumps of LAMMPS: ASE takes the number of a type for an atomic number where a file says nothing else.

So type 1 would be hydrogen and type 2 helium. Dumps say elements by a column `element`, which is filled by
`dump_modify ID element ...` and without it names every type carbon; or masses, by which ASE finds them.
"""

from __future__ import annotations

from pathlib import Path

from ase import Atoms

from mliap_hybrid.errors import InputError

COLUMNS = ("element", "mass")
"""Of a dump: either says the elements."""

WAY_OUT = "dump the column element and name the types' elements in their order, `dump_modify ID element Na Cl`"


def check_elements(file: Path, form: str, source: Path) -> None:
    """Refuse a dump that does not say its elements.

    Parameters
    ----------
    file : Path
        Not compressed.
    form : str
        Format, as ASE names it; others than dumps of LAMMPS pass.
    source : Path
        What the user called it, for messages.

    Raises
    ------
    InputError
        If it has neither elements nor masses; binary dumps never have elements.
    """
    if form == "lammps-dump-binary":
        raise InputError(f"{source} is a binary dump of LAMMPS, which says no elements: write a text dump; {WAY_OUT}")
    if form != "lammps-dump-text":
        return
    with file.open(encoding="utf-8", errors="replace") as stream:
        columns = next((line.split()[2:] for line in stream if line.startswith("ITEM: ATOMS")), None)
    if columns is not None and not set(COLUMNS) & set(columns):
        raise InputError(
            f"{source} is a dump of LAMMPS with types and without elements (columns {' '.join(columns)}): {WAY_OUT}"
        )


def is_all_carbon(atoms: Atoms) -> bool:
    """Whether atoms of several types of LAMMPS are all carbon, as where `dump_modify element` was left out."""
    types = atoms.arrays.get("type")
    return types is not None and len(set(types.tolist())) > 1 and bool((atoms.numbers == 6).all())
