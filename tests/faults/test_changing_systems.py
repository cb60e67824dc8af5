"""Atoms that come and go, boxes that change their shape, and steps that are not those of dynamics."""

from __future__ import annotations

import numpy as np
import pytest
from fault_models import CHARGED, KINDS, PREDICTED
from lammps_runs import Run
from situation_tests import Runner, chosen, each_cell
from situations import DYNAMICS, Situation
from test_boxes import BULK, TRICLINIC, drop, of_more_types

pytestmark = pytest.mark.mpi

SUM = "the charges of all atoms sum to"
FILM = drop((0.0, 0.0, 12.0))
MOLECULE = """A molecule of salt

2 atoms

Coords

1 0.0 0.0 0.0
2 0.0 0.0 2.3

Types

1 1
2 2

Charges

1 0.8
2 -0.8
"""
ABOVE = "region above block EDGE EDGE EDGE EDGE 15.0 20.0\n"
START = DYNAMICS.replace("run 8\n", "")
MONTE_CARLO = "neigh_modify every 1 delay 0 check no\nfix mc all gcmc {} 1 29494 300.0 {} full_energy{}\nrun 8\n"
NO_KSPACE_OF_OTHERS = dict.fromkeys(PREDICTED, "runs KSpace by itself")


def atoms_came(result: Run) -> None:
    """There are more in the end."""
    assert result.thermo[-1]["Atoms"] > result.thermo[0]["Atoms"]


def atoms_went(result: Run) -> None:
    """There are fewer in the end."""
    assert result.thermo[-1]["Atoms"] < result.thermo[0]["Atoms"]


def atoms_exchanged(result: Run) -> None:
    """The number of atoms has changed."""
    assert len({row["Atoms"] for row in result.thermo}) > 1


def atoms_moved(result: Run) -> None:
    """Some trials were accepted."""
    frames = result.frames()
    assert np.abs(frames[-1]["x"] - frames[0]["x"]).max() > 1e-3


def energy_fell(result: Run) -> None:
    """By what the forces did: the model is not at a minimum in the beginning."""
    assert result.thermo[-1]["PotEng"] < result.thermo[0]["PotEng"] - 0.1


SITUATIONS = {
    "`delete_atoms`, a pair of ions": Situation(
        BULK, body=START + "run 4\ngroup some id 1 2\ndelete_atoms group some compress no\nrun 4\n", also=atoms_went
    ),
    "`delete_atoms`, one ion": Situation(
        BULK,
        body=START + "run 4\ngroup some id 1\ndelete_atoms group some compress no\nrun 4\n",
        also=atoms_went,
        refused={"fixed": SUM},
    ),
    "`fix deposit`, atoms": Situation(
        FILM,
        body=START + ABOVE + "fix rain all deposit 2 1 3 4711 region above near 3.0\nrun 8\n",
        also=atoms_came,
        refused={"fixed": r"has the charge \+0.000000 e in LAMMPS"},
    ),
    "`fix deposit`, molecules with charges": Situation(
        FILM,
        body="molecule salt salt.txt\n"
        + START
        + ABOVE
        + "fix rain all deposit 2 0 3 4711 region above near 3.0 mol salt\nrun 8\n",
        files={"salt.txt": MOLECULE},
        also=atoms_came,
    ),
    "`fix evaporate`": Situation(
        BULK,
        body=START + "region all block INF INF INF INF INF INF\nfix dry all evaporate 3 1 all 4711\nrun 8\n",
        ranks_agree=False,
        also=atoms_went,
        refused={"fixed": SUM},
    ),
    "`fix gcmc`, moves": Situation(
        BULK,
        body=MONTE_CARLO.format("1 0 20", "-1.0 0.2", ""),
        ranks_agree=False,
        also=atoms_moved,
        refused=NO_KSPACE_OF_OTHERS,
    ),
    "`fix gcmc`, exchange": Situation(
        drop((4.0, 4.0, 4.0)),
        body=MONTE_CARLO.format("1 20 20", "-1.0 0.2", " overlap_cutoff 2.2"),
        ranks_agree=False,
        also=atoms_exchanged,
        refused=NO_KSPACE_OF_OTHERS | {"fixed": SUM},
    ),
    "`fix gcmc`, exchange of ions": Situation(
        drop((4.0, 4.0, 4.0)),
        body=MONTE_CARLO.format("1 20 20", "1.0 0.2", " overlap_cutoff 2.2 charge 0.8"),
        ranks_agree=False,
        senseless=dict.fromkeys(("none", *PREDICTED), "charges of ions are those of a model with fixed charges"),
        refused={"fixed": SUM},
    ),
    "`neigh_modify exclude`, a group": Situation(
        BULK,
        body="group some id 1:20\nneigh_modify exclude group some some\n" + DYNAMICS,
        refused=dict.fromkeys(KINDS, "neigh_modify exclude hides pairs of groups some and some"),
    ),
    "`neigh_modify exclude`, from all": Situation(
        of_more_types(),
        ("Na", "Cl", "Ar"),
        ("Na", "Cl", "Na"),
        seen=("Na", "Cl", "NULL"),
        body="group some type 3\nneigh_modify exclude group some all\n" + DYNAMICS.replace("run 8", "run 4"),
        refused=dict.fromkeys(CHARGED, "neigh_modify exclude hides 16 charged atoms"),
    ),
    "`change_box`": Situation(
        TRICLINIC,
        body=START + "run 4\nchange_box all x scale 1.03 xy final 1.2 yz delta 0.4 remap units box\nrun 4\n",
    ),
    "`fix deform`": Situation(
        TRICLINIC, body=START + "fix shear all deform 3 xy erate 1.0 z scale 1.01 remap v\nrun 8\n"
    ),
    "`fix npt`": Situation(
        TRICLINIC,
        body=START.replace("fix move all nve", "fix move all npt temp 300 300 0.1 tri 0.0 0.0 0.1") + "run 8\n",
        rounding=1e-9,
    ),
    "`replicate`": Situation(BULK, after="replicate 1 2 1\n"),
    "`minimize`": Situation(BULK, body="minimize 0.0 1e-3 8 40\n", also=energy_fell, rounding=1e-8),
    "`fix box/relax`": Situation(
        BULK,
        body="fix relax all box/relax aniso 0.0 vmax 0.002\nminimize 0.0 1e-3 8 40\n",
        also=energy_fell,
        rounding=1e-8,
    ),
}


@pytest.fixture(scope="module")
def runner(request, models, tmp_path_factory):
    return Runner(chosen(request, SITUATIONS), models, tmp_path_factory.mktemp("changing"))


@each_cell(SITUATIONS)
def test_changing_system(runner, cell, row, kind):
    runner.check(row, kind, cell)
