"""Output of NWChem through ASE, without two of its limits.

1. ASE reads orbitals, which nobody needs here, and stops where their symmetry is printed beside them.
2. Tags of atoms may be numbered (H1, H2), where ASE expects elements.
"""

from __future__ import annotations

import re
from pathlib import Path

ORBITALS = re.compile(r"Molecular Orbital Analysis")

TAG = re.compile(r"^( +\d+ [A-Z][a-z]?)(\d+)(?= +\d+\.\d{4} +-?\d)", re.MULTILINE)
"""Number, tag and charge of an atom in a list of positions."""


def nwchem_for_ase(text: str, file: Path) -> str:
    """The text without the titles of orbitals, and without numbers in tags.

    Parameters
    ----------
    text : str
        Of a whole output.
    file : Path
        As of other readers; not used.
    """
    return TAG.sub(lambda found: found[1] + " " * len(found[2]), ORBITALS.sub("", text))
