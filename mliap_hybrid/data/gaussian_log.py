"""Logs of Gaussian whose positions and forces are in different orientations, or whose energies ASE does not know.

Forces are printed in the orientation of the input. Positions are printed in the standard orientation, turned to the
principal axes, and beside it in that of the input, or, of short outputs, not at all. ASE then gives standard positions
beside forces that are turned against them.

Of methods beyond MP2 some versions print energies in lines that ASE does not know, and it keeps that of the step
before. The archive at the end of a log lists the energies of all levels up to that of the method.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ase import Atoms

from mliap_hybrid.errors import InputError
from mliap_hybrid.units import HARTREE

MARKS = re.compile(
    r"^\s*(Input orientation:|Z-Matrix orientation:|Standard orientation:|Center .*Forces \(Hartrees)", re.M
)

ARCHIVE = re.compile(r"\\HF=-?\d[-\d.,]*(?:\\[A-Z][-A-Z0-9()]*=-?\d+\.\d+)*")
"""Energies of the levels, in Ha, in the archive of a log without its line breaks."""

LEVEL = re.compile(r"\\(HF|MP[2345][A-Z]*|CCSD|CCSD\(T\)|QCISD|QCISD\(T\)|CCD)=(-?\d+\.\d+)")

AGREES = 3e-8
"""Relative difference of energies that are the same: the archive has seven decimals, and constants of Ha differ."""


def check_orientation(text: str, form: str, source: Path) -> None:
    """Refuse a log that has forces, and only standard positions before them.

    Parameters
    ----------
    text : str
        Of the whole file.
    form : str
        Format, as ASE names it; others than logs of Gaussian pass.
    source : Path
        What the user called it, for messages.

    Raises
    ------
    InputError
        With what to do.
    """
    if form != "gaussian-out":
        return
    last: set[str] = set()
    for mark in MARKS.findall(text):
        if not mark.startswith("Center"):
            last.add(mark.split()[0])
            continue
        if last == {"Standard"}:
            raise InputError(
                f"{source}: forces in the orientation of the input beside positions in the standard orientation alone, "
                "which are turned against each other: compute it again with Geom=PrintInputOrient or NoSymmetry"
            )
        last = set()


def check_level(structures: Sequence[Atoms], text: str, source: Path) -> None:
    """Refuse a log whose last energy, as ASE reads it, is of a lower level than that of its method.

    Parameters
    ----------
    structures : sequence of Atoms
        Of the log, with energies in eV.
    text : str
        Of the whole file.
    source : Path
        What the user called it.

    Raises
    ------
    InputError
        With both energies.
    """
    archives = ARCHIVE.findall("".join(line.strip() for line in text.splitlines()))
    levels = LEVEL.findall(archives[-1]) if archives else []
    calculator = structures[-1].calc
    energy = None if calculator is None else calculator.results.get("energy")
    if not levels or energy is None:
        return
    name, value = levels[-1]
    same = [level for level, found in levels if abs(energy / HARTREE / float(found) - 1.0) < AGREES]
    if same and name not in same:
        raise InputError(
            f"{source}: the energy of {name} is {value} Ha, as the log's archive says, but ASE reads "
            f"{energy / HARTREE:.7f} Ha, that of {same[-1]}: write the frames as extended xyz with the right energy"
        )
