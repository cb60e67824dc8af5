"""OUTCAR of VASP through ASE, without four of its limits.

1. Functionals with a term for dispersion (LUSE_VDW) print each energy twice, and ASE stops at the second.
2. More than ten species wrap the line of `ions per type`, and ASE counts those of the first line.
3. A run that trains a force field (ML_LMLFF) prints steps of that field between those of the electrons, and ASE stops at
   them. They are no labels, and left out.
4. With NWRITE = 0 most steps have no positions, and ASE stops at the first. They are left out.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from mliap_hybrid.errors import InputError

logger = logging.getLogger(__name__)

END = "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
"""Title of the energies of a step of the ions, after its forces."""

WITHOUT_DISPERSION = re.compile(r" eV\s+w/o vdW =\s*\S+")

WRAPPED = re.compile(r"(ions per type =[ \d]*\d)[ ]*\n(?=[ \d]+\n)")

POSITIONS = re.compile(r"^ *POSITION +TOTAL-FORCE")

FIELD = re.compile(r"^ *(ML FORCE on cell|POSITION .*\(ML\))")
"""First lines of what a machine-learned force field prints of a step; its last is `END` with ML before it."""


def outcar_for_ase(text: str, file: Path) -> str:
    """The text, with what ASE stops at taken out.

    Parameters
    ----------
    text : str
        Of a whole OUTCAR.
    file : Path
        For messages.

    Raises
    ------
    InputError
        If there are steps, and none that has labels and positions.
    """
    while WRAPPED.search(text):
        text = WRAPPED.sub(r"\1 ", text)
    if "w/o vdW" in text:
        text = WITHOUT_DISPERSION.sub("", text)
    lines, n_of_field = _without_field(text.split("\n"))
    kept, n_steps, n_bare = _without_bare_steps(lines)
    left_out = [
        words
        for number, words in (
            (n_of_field, f"{n_of_field} steps of VASP's machine-learned force field, which are no labels"),
            (n_bare, f"{n_bare} steps without positions, as NWRITE = 0 prints them"),
        )
        if number
    ]
    if left_out and n_steps == 0:
        raise InputError(f"{file} holds no frame but {' and '.join(left_out)}: there is nothing to train on")
    if left_out:
        logger.warning("Warning: %s: left out %s", file, " and ".join(left_out))
    return "\n".join(kept)


def _without_field(lines: list[str]) -> tuple[list[str], int]:
    """Lines of the electrons alone, and the number of steps of a force field."""
    kept, n_steps, is_of_field = [], 0, False
    for line in lines:
        is_of_field = is_of_field or FIELD.match(line) is not None
        if not is_of_field:
            kept.append(line)
        elif END in line:
            n_steps, is_of_field = n_steps + 1, False
    return kept, n_steps


def _without_bare_steps(lines: list[str]) -> tuple[list[str], int, int]:
    """Lines of the steps that have positions, their number, and that of the others."""
    kept: list[str] = []
    step: list[str] = []
    n_steps = n_bare = 0
    for line in lines:
        step.append(line)
        if END not in line:
            continue
        if any(POSITIONS.match(row) for row in step):
            kept += step
            n_steps += 1
        else:
            # What stands before the electrons' first step is the head of the file.
            kept += next((step[:at] for at, row in enumerate(step) if "-- Iteration" in row), []) if not kept else []
            n_bare += 1
        step = []
    return kept + step, n_steps, n_bare
