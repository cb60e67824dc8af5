"""Kernels and plugin under the address and undefined-behaviour sanitizers of gcc: any report ends the process.

The package is built once more, with the same commands and a compiler that adds the sanitizers, into a folder of its
own, which the runs below import in place of the installed one. Leaks are not looked for: Python and LAMMPS keep what
they need to the end.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.known_distances import with_distance
from mliap_hybrid.testing.models import charge_predicting_model
from mliap_hybrid.testing.structures import random_structure

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]

SOURCES = Path(__file__).resolve().parents[2]

COMPILER = """#!/bin/sh
exec {compiler} "$@" -O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
"""

TESTS = (
    "tests/kernels/test_native_backend.py",
    "tests/kernels/test_network_gradients.py",
    "tests/kernels/test_pair_sums.py",
    "tests/kernels/test_pointers.py",
)
"""Values, derivatives and second derivatives of all kernels, beside torch and finite differences."""

ELEMENTS = ["Na", "Cl"]
CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])

INPUT = """\
units metal
atom_style charge
read_data atoms.data
{potential}
velocity all create 300 7
fix move all nve
timestep 0.0002
neigh_modify every 2 delay 0 check no
thermo 2
fix distances all pair 2 mliap distance 1
compute most all reduce max f_distances
thermo_style custom step pe press c_most
run 6
"""


def _library(name: str) -> str:
    """Path of a library of gcc."""
    found = subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return str(Path(found.stdout.strip()).resolve())


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Environment in which Python and LAMMPS load the sanitized libraries."""
    pytest.importorskip("setuptools", "77")
    if shutil.which("g++") is None or not Path(_library("libasan.so")).is_file():
        pytest.skip("g++ or its libasan is not installed")
    folder = tmp_path_factory.mktemp("sanitized")
    compiler = folder / "compiler"
    compiler.write_text(COMPILER.format(compiler="g++"))
    compiler.chmod(0o755)
    command = [
        sys.executable,
        "setup.py",
        "-q",
        "build",
        "--build-base",
        folder / "base",
        "--build-lib",
        folder / "lib",
    ]
    subprocess.run(command, cwd=SOURCES, env=os.environ | {"CXX": str(compiler)}, check=True)
    return os.environ | {
        "PYTHONPATH": str(folder / "lib"),
        # The sanitizer's library must be the first of a process; it looks for C++ exceptions in the second.
        "LD_PRELOAD": f"{_library('libasan.so')} {_library('libstdc++.so.6')}",
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=0:exitcode=99",
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "OMP_NUM_THREADS": "1",
    }


def _run(command, environment, folder):
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=environment, **output)
    for word in ("AddressSanitizer", "runtime error:"):
        place = done.stdout.find(word)
        assert place < 0, done.stdout[max(0, place - 500) : place + 4000]
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_the_sanitized_libraries_are_those_that_run(environment, tmp_path):
    code = "import mliap_hybrid.kernels.library as k; k.open_library(); print(open('/proc/self/maps').read())"
    maps = _run([sys.executable, "-c", code], environment, tmp_path)
    assert f"{environment['PYTHONPATH']}/mliap_hybrid/kernels/native/mliap_hybrid_kernels.so" in maps
    assert "libasan" in maps


def test_kernels(environment, tmp_path):
    tests = [SOURCES / test for test in TESTS]
    options = ["-q", "-x", "-p", "no:cacheprovider", "--rootdir", SOURCES, "-c", SOURCES / "pyproject.toml"]
    code = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    assert " passed" in _run([sys.executable, "-c", code, *options, *tests], environment, tmp_path)


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_native_steps_with_predicted_charges_and_guard(environment, tmp_path, ranks):
    atoms = in_lammps_orientation(random_structure(24, ELEMENTS, CELL, seed=2))
    model = with_distance(charge_predicting_model())
    manifest = export_model(model, tmp_path / "model.pt", allow_small_box=True)
    write_data_file(tmp_path / "atoms.data", atoms, ELEMENTS, manifest.description.constants("charge"))
    potential = potential_block(manifest, "model.pt", accuracy=1e-4).replace("model.pt 0", "model.pt 0 guard warn")
    (tmp_path / "in.lammps").write_text(INPUT.format(potential=potential))
    scripts = Path(sys.executable).parent
    start = [scripts / "mpiexec", "-n", ranks] if ranks > 1 else []
    said = _run([*start, scripts / "lmp", "-in", "in.lammps"], environment, tmp_path)
    assert "Loop time" in said
