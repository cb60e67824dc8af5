"""What dpdata leaves out of the output of a CP2K calculation: stresses of newer versions, and convergence.

Since 2021 the tensor stands in lines that begin with ``STRESS|``, in the unit that their title names. CP2K prints its
virial over the volume, which is positive under pressure: the virial is V times the tensor, without a change of sign
(src/virial_methods.F of CP2K).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from mliap_hybrid.data.convergence import UNCONVERGED
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.units import STRESS_UNITS

TITLE = re.compile(r"STRESS\| (?:Analytical|Numerical) stress tensor \[(.*?)\]")

ROW = re.compile(r"STRESS\|\s+[xyz]((?:\s+[-+\dEe.]+){3})\s*$", re.MULTILINE)

ENERGY = "ENERGY| Total FORCE_EVAL"


def is_cp2k_output(file: Path) -> bool:
    """Whether a file is the output of CP2K, by its first lines."""
    with file.open("rb") as stream:
        head = stream.read(20_000)
    return b" CP2K| version string:" in head or b" DBCSR| Multiplication driver" in head


def check_single_point(file: Path) -> None:
    """Refuse an output of several steps, of which dpdata would take the labels of one for another.

    Raises
    ------
    InputError
        With the number of energies in it, and what to do.
    """
    n_energies = file.read_text(errors="replace").count(ENERGY) if file.is_file() else 0
    if n_energies != 1:
        raise InputError(
            f"{file}: an output of CP2K with {n_energies} energies; expected one, of a single point. Of molecular "
            "dynamics and relaxations give the folder, with positions *-pos-*.xyz and forces *-frc-*.xyz "
            "(MOTION/PRINT/FORCES)"
        )


def mark_cp2k(structures: Sequence[Atoms], file: Path) -> None:
    """Add the virial that dpdata has not found, and mark electrons that did not converge.

    Parameters
    ----------
    structures : sequence of Atoms
        The one of the output.
    file : Path

    Raises
    ------
    InputError
        If the tensor is in a unit that nobody knows, or incomplete.
    """
    text = file.read_text(errors="replace")
    for atoms in structures:
        if "SCF run NOT converged" in text:
            atoms.info[UNCONVERGED] = True
        if "virial" not in atoms.info and (found := TITLE.search(text)):
            stress = _tensor(text[found.end() :], found[1], file)  # eV/Å^3, of a pressure's sign
            atoms.info["virial"] = stress * atoms.get_volume()


def _tensor(text: str, unit: str, file: Path) -> np.ndarray:
    rows = [[float(word) for word in row.split()] for row in ROW.findall(text)[:3]]
    if unit not in STRESS_UNITS or len(rows) != 3:
        raise InputError(
            f"{file}: a stress tensor of {len(rows)} rows in '{quoted(unit)}'; expected three, in one of "
            f"{', '.join(STRESS_UNITS)}"
        )
    return np.array(rows) * STRESS_UNITS[unit]
