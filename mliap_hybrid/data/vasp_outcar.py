"""OUTCAR of VASP through ASE, without four of its limits.

1. Functionals with a term for dispersion (LUSE_VDW) print each energy twice, and ASE stops at the second.
2. A run that trains a force field (ML_LMLFF) prints steps of that field between those of the electrons, and ASE stops
   at them. They are no labels, and left out.
3. With NWRITE = 0 most steps have no positions, and ASE stops at the first. They are left out.
4. Some runs print positions and forces of a step after its energies, and ASE cuts between them.

Files that lack the numbers of atoms of some species are refused: vasprun.xml has them.
"""

from __future__ import annotations

import logging
import re
from bisect import bisect
from pathlib import Path

from mliap_hybrid.errors import InputError

logger = logging.getLogger(__name__)

END = "FREE ENERGIE OF THE ION-ELECTRON SYSTEM"
"""Title of the energies of a step of the ions, after its forces."""

ITERATION = "-- Iteration"
"""In the title of each step of the electrons."""

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
        If there are steps, and none that has labels and positions, or if numbers of atoms are missing.
    """
    _check_counts(text, file)
    if "w/o vdW" in text:
        text = WITHOUT_DISPERSION.sub("", text)
    lines, n_of_field = _without_field(text.split("\n"))
    kept, n_steps, n_bare = _without_bare_steps(lines)
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


def _without_bare_steps(lines: list[str]) -> tuple[list[str], int, int]:
    """Lines of the steps that have positions, before their energies; number of such steps, and of the others."""
    starts = [at for at, line in enumerate(lines) if ITERATION in line] + [len(lines)]
    ends = [at for at, line in enumerate(lines) if END in line]
    cuts = sorted({starts[bisect(starts, end)] for end in ends})
    first = starts[0] if len(starts) > 1 else 0
    kept, n_steps, n_bare = lines[:first], 0, 0
    for start, cut in zip([first, *cuts], [*cuts, len(lines)], strict=True):
        step = lines[start:cut]
        end = next((at for at, line in enumerate(step) if END in line), None)
        place = next((at for at, line in enumerate(step) if POSITIONS.match(line)), None)
        if end is not None and place is None:
            n_bare += 1
            continue
        if end is not None and place is not None:
            n_steps += 1
            if end < place:
                energies = step[end : end + 1 + LINES_OF_ENERGIES]
                step = [*step[:end], *step[end + len(energies) :], *energies]
        kept += step
    return kept, n_steps, n_bare
