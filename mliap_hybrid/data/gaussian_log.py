"""Logs of Gaussian whose positions and forces are in different orientations.

Forces are printed in the orientation of the input. Positions are printed in the standard orientation, turned to the
principal axes, and beside it in that of the input, or, of short outputs, not at all. ASE then gives standard positions
beside forces that are turned against them.
"""

from __future__ import annotations

import re
from pathlib import Path

from mliap_hybrid.errors import InputError

MARKS = re.compile(
    r"^\s*(Input orientation:|Z-Matrix orientation:|Standard orientation:|Center .*Forces \(Hartrees)", re.M
)


def check_orientation(file: Path, form: str) -> None:
    """Refuse a log that has forces, and only standard positions before them.

    Parameters
    ----------
    file : Path
    form : str
        Format, as ASE names it; others than logs of Gaussian pass.

    Raises
    ------
    InputError
        With what to do.
    """
    if form != "gaussian-out":
        return
    last: set[str] = set()
    for mark in MARKS.findall(file.read_text(errors="replace")):
        if not mark.startswith("Center"):
            last.add(mark.split()[0])
            continue
        if last == {"Standard"}:
            raise InputError(
                f"{file}: forces in the orientation of the input beside positions in the standard orientation alone, "
                "which are turned against each other: compute it again with Geom=PrintInputOrient or NoSymmetry"
            )
        last = set()
