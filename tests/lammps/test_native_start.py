"""How a rank starts: without torch where the file has a native record, and with the same numbers as by torch."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from lammps_runs import OUTPUT, assert_same, run, run_well
from native_models import MODELS

from mliap_hybrid.lammps.check import check_model
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.model_files.safe_records import read_records
from mliap_hybrid.model_files.schema import digest_of
from mliap_hybrid.testing.structures import random_structure

pytestmark = pytest.mark.mpi

SPARED = ("torch", "ase", "scipy", "pydantic", "matplotlib", "mpi4py", "triton", "yaml")
"""What a run without Python in its steps must not import."""

CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])

RUN = """\
units {units}
atom_style charge
{ranks}read_data ../atoms.data
{potential}
velocity all create 300 7
fix move all nve
timestep {timestep}
neigh_modify every 2 delay 0 check no
thermo 4
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Name of a model -> folder with its file and a structure's data, and its input lines."""
    found = {}
    atoms = in_lammps_orientation(random_structure(24, ["Na", "Cl"], CELL, seed=2))
    for name in ("short-range", "committee", "fixed charges", "charge increments", "sees the total charge"):
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        dtype = "float32" if name == "committee" else "float64"
        manifest = export_model(MODELS[name](), folder / "model.pt", dtype=dtype)
        write_data_file(folder / "atoms.data", atoms, ["Na", "Cl"], manifest.description.constants("charge"))
        found[name] = folder, potential_block(manifest, "../model.pt", accuracy=1e-5)
    return found


@pytest.fixture
def without_packages(tmp_path, monkeypatch):
    """Processes find modules in the place of these packages that say so and stop."""
    for name in SPARED:
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "__init__.py").write_text(f"raise ImportError('{name} was asked for')\n")
    places = [str(tmp_path / "packages"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(places))


def lines_of(potential: str, units: str = "metal", ranks: str = "", end: str = "run 8\n") -> str:
    """A few steps of dynamics with all output."""
    timestep = {"metal": 0.0002, "real": 0.2}[units]
    start = RUN.format(units=units, potential=potential, ranks=ranks, timestep=timestep)
    return start + OUTPUT.replace("custom 1", "custom 4") + end


def with_record(source: Path, target: Path, native: bytes) -> None:
    """A model file with another native record, or none, and a digest that fits."""
    records = read_records(source)
    content = json.loads(records.manifest)
    digest = digest_of(content, records.weights, native)
    written = [json.dumps(content | {"digest": digest}).encode(), records.weights, *([native] if native else [])]
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
        for k, record in enumerate(written):
            archive.writestr(f"archive/data/{k}", record)


def as_by_torch(folder: Path, name: str = "by_torch.pt") -> str:
    """The same model in a file without a native record, as older versions wrote."""
    with_record(folder / "model.pt", folder / name, b"")
    return name


@pytest.mark.parametrize("name", ["short-range", "committee", "fixed charges", "charge increments"])
def test_a_run_imports_nothing_that_it_spares(exported, without_packages, name):
    folder, potential = exported[name]
    run_well(folder / "spared1", lines_of(potential))
    run_well(folder / "spared2", lines_of(potential), 2)


def test_what_is_spared_is_found_where_it_is_needed(exported, without_packages):
    """With Python in each step: the fixture works."""
    folder, potential = exported["short-range"]
    failed = run(folder / "needed", lines_of(potential.replace("model.pt 0", "model.pt 0 native no")))
    assert failed.status != 0
    assert "was asked for" in failed.text


@pytest.mark.parametrize(
    ("name", "ranks"), [("committee", 1), ("fixed charges", 2), ("charge increments", 1), ("sees the total charge", 2)]
)
def test_the_same_numbers_as_by_torch(exported, name, ranks):
    """To the last bit: a file with a record and one without it."""
    folder, potential = exported[name]
    by_torch = potential.replace("model.pt", as_by_torch(folder))
    both = [run_well(folder / end, lines_of(block), ranks) for end, block in (("a", potential), ("b", by_torch))]
    assert_same(*both, 0.0)


@pytest.mark.parametrize("name", ["fixed charges", "charge increments"])
def test_four_ranks_two_of_them_empty(exported, without_packages, name):
    """A slab of atoms in one half of a long box."""
    folder, potential = exported[name]
    longer = "change_box all z final 0 60 units box\n"
    found = [
        run_well(folder / f"slab{n}", lines_of(potential, ranks=grid, end=longer + "run 4\n"), n)
        for n, grid in ((1, ""), (4, "processors 1 1 4\n"))
    ]
    assert_same(found[1], found[0], 1e-10)


def test_units_of_a_run(exported, without_packages):
    """The same energies in kcal/mol."""
    folder, potential = exported["short-range"]
    metal, real = (
        run_well(folder / units, lines_of(potential, units, end="run 0\n")).thermo[0]["PotEng"]
        for units in ("metal", "real")
    )
    assert real == pytest.approx(metal / 0.043364104241800934, rel=1e-12)


def test_the_total_charge_of_an_input(exported, tmp_path):
    """Networks that see it get that of the input, as in Python."""
    folder, potential = exported["sees the total charge"]
    charged = potential.replace("model.pt 0", "model.pt 0 total_charge 2.0")
    found = [
        run_well(folder / f"charged{k}", lines_of(block, end="run 0\n"))
        for k, block in enumerate((charged, charged.replace("2.0", "2.0 native no"), potential))
    ]
    assert_same(found[0], found[1], 1e-11)
    energies = [each.thermo[0]["PotEng"] for each in found]
    assert abs(energies[0] - energies[2]) > 1e-3


def test_files_of_older_versions_start(tmp_path):
    """By torch, without Python in the steps."""
    shutil.copyfile(Path(__file__).parents[1] / "fixtures" / "model_schema_7.pt", tmp_path / "model.pt")
    manifest = read_model(tmp_path / "model.pt")[0]
    atoms = in_lammps_orientation(random_structure(24, ["Na", "Cl"], CELL, seed=2))
    write_data_file(tmp_path / "atoms.data", atoms, ["Na", "Cl"], manifest.description.constants("charge"))
    potential = potential_block(manifest, "../model.pt", accuracy=1e-5)
    in_python = potential.replace("model.pt 0", "model.pt 0 native no")
    blocks = {"a": potential, "b": in_python}
    both = [run_well(tmp_path / name, lines_of(block, end="run 0\n")) for name, block in blocks.items()]
    assert_same(*both, 1e-11)


def test_a_damaged_record_ends_a_run(exported):
    """With one sentence, on all ranks."""
    folder, potential = exported["short-range"]
    with_record(folder / "model.pt", folder / "damaged.pt", read_records(folder / "model.pt").native[:-8])
    failed = run(folder / "damaged", lines_of(potential.replace("model.pt", "damaged.pt")), 2)
    assert failed.status != 0
    assert failed.text.count("the native record is damaged") == 1
    assert "Traceback" not in failed.text


@pytest.mark.parametrize("name", ["short-range", "fixed charges"])
def test_check_finds_a_record_of_another_model(exported, name):
    """Which is sound in itself: the energies of atoms are others by a thousandth of an electronvolt."""
    folder, _ = exported[name]
    arrays = dict(safetensors.numpy.load(read_records(folder / "model.pt").native))
    arrays["network0.offset"] = arrays["network0.offset"] + 1e-3
    with_record(folder / "model.pt", folder / "other.pt", safetensors.numpy.save(arrays))
    atoms = random_structure(24, ["Na", "Cl"], CELL, seed=2)
    found = {file: check_model(folder / file, (1,), atoms) for file in ("model.pt", "other.pt")}
    assert all(comparison.ok for comparison in found["model.pt"])
    wrong = {comparison.what.partition(": ")[2] for comparison in found["other.pt"] if not comparison.ok}
    assert wrong == {"LAMMPS on 1 rank - Python", "LAMMPS on 1 rank - with Python in each step"}
