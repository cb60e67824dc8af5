"""OUTCAR of VASP through ASE, without three of its limits.

1. Functionals with a term for dispersion (LUSE_VDW) print each energy twice, and ASE stops at the second.
2. A run that trains a force field (ML_LMLFF) prints steps of that field between those of the electrons, and ASE stops
   at them. They are no labels, and left out.
3. With NWRITE = 0 most steps have no positions, and ASE stops at the first. They are left out.

Files that lack the numbers of atoms of some species, or have positions after the energies, are refused: vasprun.xml
has both.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path

from mliap_hybrid.errors import InputError

logger = logging.getLogger(__name__)

END = "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
"""Title of the energies of a step of the ions, after its forces."""

LINES_OF_ENERGIES = 4
"""After that title."""

WITHOUT_DISPERSION = re.compile(r" eV\s+w/o vdW =\s*\S+")

COUNTS = re.compile(r"ions per type =([ \d]*)")

SPECIES = re.compile(r"^ *TITEL +=", re.MULTILINE)

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
        If there are steps, and none that has labels and positions; if numbers of atoms are missing, or positions stand
        after energies.
    """
    _check_counts(text, file)
    if "w/o vdW" in text:
        text = WITHOUT_DISPERSION.sub("", text)
    lines, n_of_field = _without_field(text.split("\n"))
    kept, n_steps, n_bare = _without_bare_steps(lines, file)
    left_out = [
        words
        for number, words in (
            (n_of_field, f"{n_of_field} steps of VASP's machine-learned force field, which are no labels"),
            (n_bare, f"{n_bare} steps without positions and forces (NWRITE = 0, or none computed)"),
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


def _check_counts(text: str, file: Path) -> None:
    counts, n_species = COUNTS.search(text), len(SPECIES.findall(text))
    if counts is not None and len(counts[1].split()) < n_species:
        raise InputError(
            f"{file}: `ions per type` has {len(counts[1].split())} numbers for {n_species} species, as versions of "
            "VASP up to 6.3 print them of more than ten: give vasprun.xml instead"
        )


def _without_bare_steps(lines: list[str], file: Path) -> tuple[list[str], int, int]:
    """Lines of the steps that have positions, their number, and that of the others."""
    kept: list[str] = []
    step: list[str] = []
    n_steps = n_bare = n_left = 0
    for line in lines:
        step.append(line)
        n_left = LINES_OF_ENERGIES if END in line else n_left - 1
        if n_left != 0:
            continue
        if any(POSITIONS.match(row) for row in step):
            kept += step
            n_steps += 1
        else:
            # What stands before the electrons' first step is the head of the file.
            kept += next((step[:at] for at, row in enumerate(step) if "-- Iteration" in row), []) if not kept else []
            n_bare += 1
        step = []
    if n_bare and any(POSITIONS.match(row) for row in step):
        raise InputError(
            f"{file}: positions stand after the energies of their step, as old versions of VASP print them: give "
            "vasprun.xml instead"
        )
    return kept + step, n_steps, n_bare
