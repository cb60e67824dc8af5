"""Units of a file's numbers: what the file or its format says, and what the training file says.

Readers convert to eV and Å by what they know. Where the training file says something else (`data.units`), that counts,
unless the file itself says its units.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mliap_hybrid.config import LabelUnits
from mliap_hybrid.errors import InputError
from mliap_hybrid.units import energy_unit, length_unit


@dataclass(frozen=True)
class FileUnits:
    """Units that a reader converted from."""

    energy: str = "eV"
    length: str = "Å"
    known_by: Literal["file", "format", "nobody"] = "format"
    """file: the file says its units; format: its format has them, or it has always been so; nobody: they must be
    said, and energies stand as in the file."""


EV_AND_ANGSTROM = FileUnits()
"""Of most files: whoever wrote them may have meant something else, and can say so."""


def energy_factor(found: FileUnits, said: LabelUnits, source: str) -> float:
    """What energies of a frame must be multiplied with to be in eV.

    Parameters
    ----------
    found : FileUnits
        By which the reader converted.
    said : LabelUnits
        `data.units`.
    source : str
        Name of the frame, for messages.

    Raises
    ------
    InputError
        If nobody says the unit, or the training file contradicts the file.
    """
    if said.energy is None:
        if found.known_by == "nobody":
            raise InputError(
                f"{source}: the file does not say its units, as an .npz of the sgdml package does (type, e_unit, "
                "r_unit); expected data.units.energy in the training file, such as kcal/mol, which MD17 and most "
                "data sets of molecules are in"
            )
        return 1.0
    factor = energy_unit(said.energy) / energy_unit(found.energy)
    _check_agreement(factor, said.energy, found.energy, "energy", found, source)
    return factor


def length_factor(found: FileUnits, said: LabelUnits, source: str) -> float:
    """What lengths of a frame must be multiplied with to be in Å; as `energy_factor`."""
    if said.length is None:
        return 1.0
    factor = length_unit(said.length) / length_unit(found.length)
    _check_agreement(factor, said.length, found.length, "length", found, source)
    return factor


def read_as(found: FileUnits, said: LabelUnits) -> FileUnits:
    """The units that labels are read with."""
    return replace(found, energy=said.energy or found.energy, length=said.length or found.length)


def _check_agreement(factor: float, said: str, has: str, what: str, found: FileUnits, source: str) -> None:
    if found.known_by == "file" and factor != 1.0:
        raise InputError(
            f"{source}: data.units.{what} is {said}, but the file says its own units, here {has}, and is converted by "
            f"them: leave data.units.{what} out"
        )
