"""Runs in parts, again, and by other integrators: they end where the uninterrupted run does."""

from __future__ import annotations

import numpy as np
import pytest
from lammps_runs import Run
from situation_tests import Runner, chosen, each_cell
from situations import DYNAMICS, Situation
from test_boxes import BULK, TRICLINIC

pytestmark = pytest.mark.mpi

START = DYNAMICS.replace("run 8\n", "")
GO_ON = "fix move all nve\ntimestep 0.0002\nneigh_modify every 1 delay 0 check no\nrun 4\n"
AGAIN = "undump atoms\nunfix move\nrerun atoms.dump first 0 last 8 dump x y z box yes\n"
RESPA = "respa 2 2 pair {} kspace 2"


def again_the_same(result: Run) -> None:
    """The second half of the rows has the energies and pressures of the first."""
    rows = result.thermo
    assert len(rows) == 6
    for name in ("PotEng", *(f"c_strain[{m}]" for m in range(1, 7))):
        there, here = (np.array([row[name] for row in half]) for half in (rows[:3], rows[3:]))
        np.testing.assert_allclose(here, there, rtol=0, atol=1e-9 * np.abs(there).max(), err_msg=name)


def energy_is_kept(result: Run) -> None:
    """Of potential and motion, 3/2 (n - 1) k T, eV, in steps whose error is some 1e-4 of it."""
    n = result.thermo[0]["Atoms"] - 1
    kinetic = np.array([1.5 * n * 8.617333e-5 * row["Temp"] for row in result.thermo])
    total = kinetic + [row["PotEng"] for row in result.thermo]
    assert np.ptp(kinetic) > 0.1
    assert np.ptp(total) < 0.01 * np.ptp(kinetic)


SITUATIONS = {
    "one run": Situation(TRICLINIC, also=energy_is_kept),
    "run in two parts": Situation(TRICLINIC, body=START + "run 4\nrun 4\n", ends_as="one run"),
    "`run ... pre no`": Situation(TRICLINIC, body=START + "run 4 post no\nrun 4 pre no\n", ends_as="one run"),
    "restart": Situation(
        TRICLINIC,
        body=START + "run 4\nwrite_restart half.restart\nclear\nread_restart half.restart\nPOTENTIALPRINT" + GO_ON,
        ends_as="one run",
    ),
    "restart of a data file": Situation(
        TRICLINIC,
        body=START
        + "run 4\nwrite_data half.data nocoeff\nclear\nunits metal\natom_style charge\nread_data half.data\n"
        + "reset_timestep 4\n"
        + "POTENTIALPRINT"
        + GO_ON,
        ends_as="one run",
    ),
    "`clear`, and again": Situation(
        TRICLINIC,
        body=DYNAMICS + "clear\nunits metal\natom_style charge\nread_data DATA\nPOTENTIALPRINT" + DYNAMICS,
        ends_as="one run",
    ),
    "`rerun`": Situation(TRICLINIC, body=DYNAMICS + AGAIN, also=again_the_same, ends_as="one run"),
    "`run_style respa`, one level": Situation(
        TRICLINIC, body=START + f"run_style {RESPA.format(2)}\nrun 8\n", ends_as="one run"
    ),
    "`run_style respa`, PPPM outside": Situation(
        BULK, body=START + f"run_style {RESPA.format(1)}\nrun 8\n", also=energy_is_kept
    ),
}


@pytest.fixture(scope="module")
def runner(request, models, tmp_path_factory):
    return Runner(chosen(request, SITUATIONS), models, tmp_path_factory.mktemp("parts"))


@each_cell(SITUATIONS)
def test_run_in_parts(runner, cell, row, kind):
    runner.check(row, kind, cell)
