"""Cells of outputs of ABINIT, which ASE takes from the input: `rprim` alone, without its scale and in bohr.

ABINIT prints the lattice of each data set, in bohr::

    R(1)=  0.0000000  5.1080000  5.1080000  G(1)= -0.0978857  0.0978857  0.0978857

and the volume of each step, by which a cell is told that has changed since.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms

from mliap_hybrid.errors import InputError
from mliap_hybrid.units import BOHR

VECTOR = re.compile(r"^ *R\(([123])\)= *(-?\d+\.\d+) *(-?\d+\.\d+) *(-?\d+\.\d+)", re.MULTILINE)

VOLUME = re.compile(r"(?:Unit cell volume )?ucvol *= *(\d\.\d+E[+-]\d+)")


def set_cell(structures: Sequence[Atoms], text: str, source: Path) -> None:
    """Give the structure of an output its cell in Å, in place.

    Parameters
    ----------
    structures : sequence of Atoms
        As ASE reads them: one.
    text : str
        Of the whole file.
    source : Path
        What the user called it, for messages.

    Raises
    ------
    InputError
        If the lattice is not printed, or there are several of them, or several steps.
    """
    rows = [[float(word) for word in words] for _, *words in VECTOR.findall(text)]
    cells = np.unique(np.array(rows).reshape(-1, 9), axis=0) if rows and len(rows) % 3 == 0 else np.empty((0, 9))
    volumes = {round(float(volume), 3) for volume in VOLUME.findall(text)}
    if len(cells) != 1 or len(volumes) > 1 or len(structures) != 1:
        raise InputError(
            f"{source}: an output of ABINIT with {len(cells)} lattices (R(1)=, R(2)=, R(3)=) and {len(volumes)} "
            "volumes; expected one, as of a single point: ASE gives the last positions of all"
        )
    structures[0].set_cell(cells.reshape(3, 3) * BOHR)
