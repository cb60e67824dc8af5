"""Outputs of ORCA with several structures: ASE cuts at the steps of an optimisation, and nowhere else.

Of a scan without relaxation, of molecular dynamics and of several jobs in one file it gives one structure: the last
positions and energy, and beside them the first forces.
"""

from __future__ import annotations

import re
from pathlib import Path

from mliap_hybrid.errors import InputError

ENERGY = "FINAL SINGLE POINT ENERGY"

END = re.compile(r"ORCA TERMINATED NORMALLY|ORCA GEOMETRY RELAXATION STEP")
"""Where ASE cuts."""

POSITIONS = "CARTESIAN COORDINATES (ANGSTROEM)"


def check_orca_steps(text: str, source: Path) -> None:
    """Refuse an output that ASE makes one structure of several of.

    Parameters
    ----------
    text : str
        Of the whole output.
    source : Path
        Its name, for messages.

    Raises
    ------
    InputError
        With the number of structures, and what to do.
    """
    for part in END.split(text):
        n_energies, n_positions = part.count(ENERGY), part.count(POSITIONS)
        if n_energies > 1 and n_positions > 1:
            raise InputError(
                f"{source}: an output of ORCA with {n_positions} structures and {n_energies} energies that are not "
                "the steps of an optimisation, such as a scan or molecular dynamics; ASE reads one, with forces of "
                "another. Compute each structure by itself, or give ORCA's trajectory as extended xyz"
            )
