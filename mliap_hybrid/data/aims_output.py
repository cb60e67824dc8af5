"""Output of FHI-aims through ASE: the positions of the last step of molecular dynamics.

They stand below "Final atomic structure", which ASE does not know: it gives the last energy and forces to the positions
of the input.
"""

from __future__ import annotations

from pathlib import Path

FINAL = "Final atomic structure (and velocities) as used"

USUAL = "Atomic structure (and velocities) as used"
"""Title of the positions of all other steps."""


def aims_for_ase(text: str, file: Path) -> str:
    """The text with the title that ASE knows above the last positions.

    Parameters
    ----------
    text : str
        Of a whole output.
    file : Path
        As of other readers; not used.
    """
    return text.replace(FINAL, USUAL)
