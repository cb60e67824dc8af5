"""Structures and boxes: what an atom sees, which rank has it, and where the box ends."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import make_supercell
from fault_models import CHARGED, KINDS
from situation_tests import Runner, chosen, each_cell
from situations import Situation

from mliap_hybrid.testing.structures import rock_salt

pytestmark = pytest.mark.mpi

BULK = rock_salt(2)


def drop(vacuum: tuple[float, float, float]) -> Atoms:
    """A block of salt in a larger box."""
    atoms = rock_salt(2)
    atoms.set_cell(atoms.cell.lengths() + np.array(vacuum))
    atoms.positions += 1.0
    return atoms


def pair(distance: float, edge: float = 14.0) -> Atoms:
    """Na and Cl."""
    return Atoms("NaCl", positions=[[3.0, 4.0, 5.0], [3.0 + distance, 4.0, 5.0]], cell=3 * [edge], pbc=True)


def of_more_types() -> Atoms:
    """Every other sodium is another type, Ar in the data file."""
    atoms = rock_salt(2)
    atoms.symbols[np.flatnonzero(atoms.numbers == 11)[::2]] = "Ar"
    return atoms


def with_argon() -> Atoms:
    """Salt, and atoms beside it that are not the model's."""
    atoms = drop((8.0, 0.0, 0.0))
    return atoms + Atoms("Ar3", positions=[[16.0, 1.0, 1.0], [16.5, 5.0, 5.0], [17.0, 9.0, 5.0]])


def beside_others(lines: str) -> str:
    """The third type is of another style, which does nothing."""
    lines = lines.replace("Na Cl", "Na Cl NULL")
    if "hybrid" in lines:
        return lines
    lines = lines.replace("pair_style      mliap", "pair_style      hybrid/overlay zero 5.0 mliap")
    return lines.replace("* * Na", "* * mliap Na") + "pair_coeff * * zero\n"


ALONE = Atoms("Na", positions=[[3.0, 4.0, 5.0]], cell=3 * [14.0], pbc=True)

SKEWED = make_supercell(BULK, [[1, 0, 0], [1, 1, 0], [-1, 1, 1]])
"""The lattice of the bulk by other vectors, of angles down to 35 degrees."""

TRICLINIC = BULK.copy()
TRICLINIC.set_cell([[11.28, 0, 0], [1.9, 11.0, 0], [-1.3, 2.2, 11.5]], scale_atoms=True)

NOT_PERIODIC = dict.fromkeys(CHARGED, "Cannot use non-periodic boundaries with PPPM")
NET_CHARGE = "the charges of all atoms sum to"
SITUATIONS = {
    "bulk": Situation(BULK),
    "slab with vacuum": Situation(drop((0.0, 0.0, 12.0))),
    "slab, `boundary p p f`": Situation(drop((0.0, 0.0, 2.0)), boundary="p p f", of_solver="kspace_modify slab 3.0\n"),
    "empty subdomain with ghosts": Situation(drop((14.0, 0.0, 0.0)), before="processors * 1 1"),
    "empty ranks": Situation(drop((60.0, 0.0, 0.0)), before="processors * 1 1"),
    "one atom": Situation(
        ALONE, body="velocity all set 9.0 5.0 0.0\nfix move all nve\nrun 8\n", refused={"fixed": NET_CHARGE}
    ),
    "two atoms beyond the cutoff": Situation(pair(6.0)),
    "overlapping atoms, 0.05 Å": Situation(pair(0.05), body="run 0\n", every=1),
    "NULL types": Situation(with_argon(), ("Na", "Cl", "Ar"), change=beside_others),
    "several types of one element": Situation(of_more_types(), ("Na", "Cl", "Ar"), ("Na", "Cl", "Na")),
    "triclinic": Situation(TRICLINIC),
    "strongly skewed": Situation(SKEWED),
    "atoms on one another": Situation(pair(0.0), refused=dict.fromkeys(KINDS, "as a neighbor at 0 Å from it")),
    "boundaries `f f f`": Situation(drop((4.0, 4.0, 4.0)), boundary="f f f", refused=NOT_PERIODIC),
    "boundaries `s s s`": Situation(drop((4.0, 4.0, 4.0)), boundary="s s s", refused=NOT_PERIODIC),
    "boundaries `m s f`": Situation(drop((4.0, 4.0, 4.0)), boundary="m s f", refused=NOT_PERIODIC),
    "boundaries `p f p`": Situation(drop((0.0, 4.0, 0.0)), boundary="p f p", refused=NOT_PERIODIC),
    "`comm_style tiled` and `balance`": Situation(
        drop((14.0, 0.0, 0.0)), before="comm_style tiled", after="balance 1.0 rcb\n"
    ),
    "`fix balance`, bricks": Situation(
        drop((14.0, 0.0, 0.0)), before="processors * 1 1", after="fix even all balance 2 1.0 shift x 20 1.01\n"
    ),
    "`fix balance`, tiles": Situation(
        drop((14.0, 0.0, 0.0)), before="comm_style tiled", after="fix even all balance 2 1.0 rcb\n"
    ),
}


@pytest.fixture(scope="module")
def runner(request, models, tmp_path_factory):
    return Runner(chosen(request, SITUATIONS), models, tmp_path_factory.mktemp("boxes"))


@each_cell(SITUATIONS)
def test_box(runner, cell, row, kind):
    runner.check(row, kind, cell)
