"""Output of `pw.x` of Quantum ESPRESSO through ASE, without two of its limits.

1. Where an energy ("!") is printed several times before the forces, as with iprint = 1 in each iteration, or for the
   outer steps of hybrid functionals, ASE takes the first of them; the last is that of the forces.
2. ASE reads the bands, which nobody needs here, and stops where their points are not printed, or are in a layout that
   it does not know.
"""

from __future__ import annotations

import re
from pathlib import Path

ENERGY = re.compile(r"^!\s+total energy\s+=")

NEXT = ("Program PWSCF", "ATOMIC_POSITIONS")
"""Lines at which the next structure begins."""

BANDS = ("End of self-consistent calculation", "End of band structure calculation")


def pw_for_ase(text: str, file: Path) -> str:
    """The text with one energy for each structure, and without titles of bands.

    Parameters
    ----------
    text : str
        Of a whole output.
    file : Path
        As of other readers; not used.
    """
    lines = text.split("\n")
    last: int | None = None
    for at, line in enumerate(lines):
        if any(title in line for title in BANDS):
            lines[at] = ""
        elif any(title in line for title in NEXT):
            last = None
        elif ENERGY.match(line):
            if last is not None:
                lines[last] = ""
            last = at
    return "\n".join(lines)
