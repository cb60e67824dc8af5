"""Distances to the training set in runs, and what a run does where they are large."""

from __future__ import annotations

import re

import ase.io
import numpy as np
import pytest
from lammps_runs import run, run_well
from many_inputs import errors_of
from native_models import MODELS

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.testing.known_distances import with_distance
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.mpi

NAMES = ("short-range", "shifted charges", "contractions")
ELEMENTS = ["Na", "Cl"]
CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])
ATOMS = in_lammps_orientation(random_structure(24, ELEMENTS, CELL, seed=2))

START = """\
units metal
atom_style charge
read_data ../atoms.data
{potential}
velocity all create 300 7
fix move all nve
timestep 0.0002
neigh_modify every 2 delay 0 check no
thermo 4
"""

DISTANCES = """\
fix distances all pair 2 mliap distance 1
compute most all reduce max f_distances
compute mean all reduce ave f_distances
thermo_style custom step c_most c_mean
thermo_modify format float %.17g
dump atoms all custom 4 atoms.dump id type f_distances
dump_modify atoms sort id format float %.17g
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Name of a model -> folder with its file and a structure's data, and its input lines."""
    found = {}
    for name in (*NAMES, "committee"):
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        manifest = export_model(with_distance(MODELS[name]()), folder / "model.pt", allow_small_box=True)
        write_data_file(folder / "atoms.data", ATOMS, ELEMENTS, manifest.description.constants("charge"))
        found[name] = folder, potential_block(manifest, "../model.pt", accuracy=1e-5)
    return found


def expected_distances(folder, atoms=ATOMS):
    return HybridCalculator(folder / "model.pt").get_property("training_distances", atoms)


@pytest.mark.parametrize("name", NAMES)
def test_distances_are_those_of_ase_with_and_without_python(exported, name):
    folder, potential = exported[name]
    lines = START.format(potential=potential) + DISTANCES + "run 8\n"
    native = run_well(folder / "native", lines)
    with_python = run_well(folder / "python", lines.replace("model.pt 0", "model.pt 0 native no"))
    for frames in zip(native.frames(), with_python.frames(), strict=True):
        np.testing.assert_allclose(*(frame["f_distances"] for frame in frames), rtol=1e-9)
    expected = expected_distances(folder)
    np.testing.assert_allclose(native.frames()[0]["f_distances"], expected, rtol=1e-7)
    row = native.thermo[0]
    assert (row["c_most"], row["c_mean"]) == pytest.approx((expected.max(), expected.mean()), rel=1e-7)


SPREADS = """\
fix spreads all pair 4 mliap force_spread 1
dump spreads all custom 4 spreads.dump id f_spreads
dump_modify spreads sort id format float %.17g
"""


@pytest.mark.parametrize(("python", "ranks"), [(False, None), (False, 4), (True, 2)])
def test_spread_of_a_committee(exported, python, ranks):
    folder, potential = exported["committee"]
    lines = START.format(potential=potential) + SPREADS + "run 0\n"
    if python:
        lines = lines.replace("model.pt 0", "model.pt 0 native no")
    found = run_well(folder / f"spread{python}{ranks}", lines, ranks).frames("spreads.dump")[0]["f_spreads"]
    expected = HybridCalculator(folder / "model.pt").get_property("force_spread", ATOMS)
    np.testing.assert_allclose(found, expected, atol=1e-7 * expected.max())


@pytest.mark.parametrize("python", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_any_number_of_ranks(exported, python):
    """Empty ones among them: all atoms lie in one half of the box."""
    folder, potential = exported["short-range"]
    lines = START.format(potential=potential).replace("read_data ../atoms.data", "read_data ../half.data")
    if python:
        lines = lines.replace("model.pt 0", "model.pt 0 native no")
    half = ATOMS.copy()
    half.set_cell(np.diag([40.0, 14.0, 14.0]))
    half.wrap()
    write_data_file(folder / "half.data", half, ELEMENTS, None)
    totals = "compute guard all pair mliap\n"
    lines = (
        lines.replace("model.pt 0", "model.pt 0 guard warn every 4")
        + totals
        + DISTANCES.replace("c_mean\n", "c_mean c_guard[1] c_guard[2]\n")
    )
    several = (2,) if python else (2, 4)  # each rank with Python imports torch
    found = [run_well(folder / f"ranks{python}{n}", lines + "run 4\n", n) for n in (None, *several)]
    for other in found:
        for frame, reference in zip(other.frames(), found[0].frames(), strict=True):
            np.testing.assert_allclose(frame["f_distances"], reference["f_distances"], rtol=1e-10)
        for row in other.thermo:
            assert row["c_guard[1]"] == pytest.approx(row["c_most"], rel=1e-13)
            assert row["c_guard[2]"] == pytest.approx(row["c_mean"], rel=1e-13)


@pytest.mark.parametrize("ranks", [None, 4])
def test_halt_ends_all_ranks_with_one_sentence(exported, ranks):
    folder, potential = exported["short-range"]
    expected = expected_distances(folder)
    atom = int(expected.argmax())
    lines = START.format(potential=potential).replace("model.pt 0", "model.pt 0 guard halt threshold 1.5")
    found = run(folder / f"halt{ranks}", lines + "run 8\n", ranks)
    assert found.status != 0
    sentences = re.findall(r"At step 0, atom (\d+) \((\w+)\) is at a distance of (\S+) from", found.text)
    symbol = ATOMS.get_chemical_symbols()[atom]
    assert sentences == [(str(atom + 1), symbol, f"{expected[atom]:.4g}")]
    assert "beyond the threshold of 1.5" in found.text
    assert "the run ends here (guard halt)" in found.text


def test_warnings_and_structures_come_once_in_so_many_steps(exported):
    folder, potential = exported["short-range"]
    lines = START.format(potential=potential)
    limits = "threshold 1.5 every 2 pause 6 file far.extxyz"
    lines = lines.replace("model.pt 0", f"model.pt 0 guard dump {limits}") + "run 12\n"
    found = run_well(folder / "dump", lines, 4)
    assert re.findall(r"WARNING: At step (\d+)", found.text) == ["0", "6", "12"]
    structures = ase.io.read(folder / "dump" / "far.extxyz", ":")
    assert [atoms.info["step"] for atoms in structures] == [0, 6, 12]
    first, expected = structures[0], expected_distances(folder)
    atom = int(expected.argmax())
    assert first.info["atom"] == atom + 1
    assert first.info["distance"] == pytest.approx(expected[atom], rel=1e-5)
    np.testing.assert_allclose(first.arrays["distance"], expected[first.arrays["id"] - 1], rtol=1e-5)
    numbers = ATOMS.numbers[first.arrays["id"] - 1]
    assert (first.numbers == numbers).all()
    # What the atom sees, and so its energy's derivative by its own place, is all there.
    cutoff = HybridCalculator(folder / "model.pt").model.cutoff
    distances = np.linalg.norm(first.positions - first.positions[0], axis=1)
    assert distances.max() < cutoff
    images = ATOMS.repeat(3)
    centre = images.positions[13 * len(ATOMS) + atom]
    assert (np.linalg.norm(images.positions - centre, axis=1) < cutoff).sum() == len(first)


@pytest.mark.parametrize("ranks", [None, 2])
def test_a_disk_that_is_full(exported, ranks):
    folder, potential = exported["short-range"]
    guard = "model.pt 0 guard dump threshold 0.1 file /dev/full"
    found = run(
        folder / f"full{ranks}", START.format(potential=potential).replace("model.pt 0", guard) + "run 8\n", ranks
    )
    assert found.status != 0
    assert found.text.count("Cannot write the file /dev/full of guard dump: No space left on device") == 1


def test_mistakes_are_told(exported, tmp_path):
    folder, potential = exported["short-range"]
    export_model(MODELS["short-range"](), tmp_path / "old.pt", allow_small_box=True)
    start = START.format(potential=potential).replace("../", f"{folder}/")
    old = start.replace(f"{folder}/model.pt", str(tmp_path / "old.pt"))

    def guarded(lines: str, words: str) -> str:
        return re.sub(r"(\w+\.pt 0)", rf"\1 {words}", lines) + "run 0\n"

    said = errors_of(
        tmp_path,
        {
            "word": guarded(start, "guard stop"),
            "without guard": guarded(start, "every 4"),
            "range": guarded(start, "guard warn every 0"),
            "old model": guarded(old, "guard warn"),
            "fix of an old model": old + "fix distances all pair 1 mliap distance 1\nrun 0\n",
            "silent": guarded(start, "guard halt threshold 1e6"),
        },
    )
    assert "Unknown guard stop" in said["word"]
    assert "need a guard" in said["without guard"]
    assert "out of range" in said["range"]
    assert "old.pt does not: train and export it" in said["old model"]
    assert "cannot extract distance_flag" in said["fix of an old model"]
    assert said["silent"] == ""
