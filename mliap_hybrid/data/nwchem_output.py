"""Output of NWChem through ASE, without three of its limits.

1. ASE reads orbitals, which nobody needs here, and stops where their symmetry is printed beside them.
2. Tags of atoms may be numbered (H1, H2), where ASE expects elements.
3. Relaxations compute an energy on the line of each step, at positions that are not printed, and ASE gives it to those
   of the next step. It is left out, and so are structures without labels.
"""

from __future__ import annotations

import re
from pathlib import Path

ORBITALS = "Molecular Orbital Analysis"

TAG = re.compile(r"^( +\d+ [A-Z][a-z]?)(\d+)(?= +\d+\.\d{4} +-?\d)", re.MULTILINE)
"""Number, tag and charge of an atom in a list of positions."""

LINE_SEARCH = re.compile(r"^ *Line search:", re.MULTILINE)

GRADIENTS = re.compile(r"ENERGY GRADIENTS")

ENERGY = re.compile(r"^( *Total )(?=\S+ energy)", re.MULTILINE)


def nwchem_for_ase(text: str, file: Path) -> str:
    """The text without titles of orbitals, numbers in tags, and energies of line searches.

    Parameters
    ----------
    text : str
        Of a whole output.
    file : Path
        As of other readers; not used.
    """
    text = TAG.sub(lambda found: found[1] + " " * len(found[2]), text.replace(ORBITALS, ""))
    *searches, last = LINE_SEARCH.split(text)
    return "Line search:".join([*map(_without_last_energies, searches), last])


def _without_last_energies(part: str) -> str:
    """A part that ends with a line search, without the energies after its last gradient."""
    after = max((found.end() for found in GRADIENTS.finditer(part)), default=len(part))
    return part[:after] + ENERGY.sub(r"\1trial ", part[after:])
