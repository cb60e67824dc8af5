"""Outputs of several structures of which ASE makes one, and mixes what belongs to different ones.

ORCA: ASE cuts at the steps of an optimisation, and nowhere else. Of a scan without relaxation, of molecular dynamics
and of several jobs in one file it gives the last positions and energy, and beside them the first forces. GAMESS-US and
Firefly: of a relaxation it gives the first positions and the last energy.
"""

from __future__ import annotations

import re
from pathlib import Path

from mliap_hybrid.errors import InputError

MARKS = {
    "orca-output": ("ORCA", "FINAL SINGLE POINT ENERGY", "CARTESIAN COORDINATES (ANGSTROEM)"),
    "gamess-us-out": ("GAMESS", "NSERCH=", "COORDINATES OF ALL ATOMS ARE (ANGS)"),
}
"""Format -> program, what it prints at least once for each structure, and the title of its positions."""

CUTS = {
    "orca-output": re.compile(r"ORCA TERMINATED NORMALLY|ORCA GEOMETRY RELAXATION STEP"),
    "gamess-us-out": re.compile(r"(?!)"),
}
"""Where ASE begins another structure."""


def check_one_structure(text: str, form: str, source: Path) -> None:
    """Refuse an output that ASE makes one structure of several of.

    Parameters
    ----------
    text : str
        Of the whole file.
    form : str
        Format, as ASE names it; others than those of ORCA and GAMESS-US pass.
    source : Path
        What the user called it, for messages.

    Raises
    ------
    InputError
        With the number of structures, and what to do.
    """
    if form not in MARKS:
        return
    program, *marks = MARKS[form]
    for part in CUTS[form].split(text):
        n_structures = min(part.count(mark) for mark in marks)
        if n_structures > 1:
            raise InputError(
                f"{source}: an output of {program} with {n_structures} structures, of which ASE makes one, with labels "
                "of another. Compute each structure by itself, or give the program's trajectory as extended xyz"
            )
