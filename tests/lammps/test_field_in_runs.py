"""The keyword `field` of the pair style: the numbers of Python, on any number of ranks, natively and by Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lammps_runs import OUTPUT, Run, assert_same, run, run_well
from native_models import MODELS

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.structure import in_electric_field
from mliap_hybrid.testing.dipole_models import with_dipoles
from mliap_hybrid.testing.models import charge_predicting_model
from mliap_hybrid.testing.structures import random_structure
from mliap_hybrid.units import KCAL_PER_MOL, LAMMPS_METAL_PRESSURE

pytestmark = pytest.mark.mpi

FIELD = (0.11, -0.07, 0.23)  # V/Å
CELL = np.array([[11.4, 0.0, 0.0], [1.9, 11.2, 0.0], [-1.3, 2.2, 11.8]])
CHARGED = ("fixed charges", "shifted charges", "charge increments")
PLAIN = "units {units}\nnewton {newton}\natom_style charge\nread_data ../atoms.data\n{potential}\n"
DYNAMICS = "velocity all create 300 7\nfix move all nve\ntimestep 0.0002\nthermo 4\n"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Name of a model -> folder, its lines, and the structure, whose atoms lie in several images of the box."""
    found = {}
    atoms = in_lammps_orientation(random_structure(24, ["Na", "Cl"], CELL, seed=2))
    atoms.set_cell(np.diag([2.2, 1.0, 1.0]) @ CELL)  # half of the box is empty, and two of four ranks
    images = np.random.default_rng(4).integers(-1, 2, (24, 3))
    for name in CHARGED:
        folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
        placed = atoms.copy()  # LAMMPS wraps the atoms, and keeps by how many vectors of the cell
        placed.positions += images @ atoms.cell.array
        manifest = export_model(MODELS[name](), folder / "model.pt")
        write_data_file(folder / "atoms.data", placed, ["Na", "Cl"], manifest.description.constants("charge"))
        found[name] = folder, potential_block(manifest, "../model.pt", accuracy=1e-5), placed
    return found


def with_field(potential: str, field=FIELD, native: str = "yes") -> str:
    """The lines of a model in a field."""
    return potential.replace("model.pt 0", f"model.pt 0 field {' '.join(map(str, field))} native {native}")


def one(folder: Path, lines: str, potential: str, ranks=None, newton="on", units="metal", before="") -> Run:
    return run_well(
        folder, before + PLAIN.format(potential=potential, newton=newton, units=units) + OUTPUT + lines, ranks
    )


def tensor(run: Run) -> np.ndarray:
    """Virial (6,) in eV: xx, yy, zz, xy, xz, yz."""
    row = run.thermo[0]
    pressures = np.array([row[name] for name in ("Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz")])
    return pressures * row["Volume"] / LAMMPS_METAL_PRESSURE


@pytest.mark.parametrize("name", CHARGED)
def test_what_the_field_adds_is_what_it_adds_in_python(exported, name):
    """To energy, forces and virial; Python's are tested against differences."""
    folder, potential, atoms = exported[name]
    model = MODELS[name]()
    batch = frame_to_batch(atoms, model.cutoff)
    fields = (FIELD, (0.0, 0.0, 0.0))
    within, without = (Evaluator(model).predict(in_electric_field(batch, field), ["dipole"]) for field in fields)
    on, off = (
        one(folder / f"by_python_{k}", "run 0\n", lines) for k, lines in enumerate((with_field(potential), potential))
    )
    frames = [np.stack([run.frames()[0][f"f{x}"] for x in "xyz"], axis=1) for run in (on, off)]
    np.testing.assert_allclose(frames[0] - frames[1], within.forces - without.forces, rtol=0, atol=1e-9)
    assert on.thermo[0]["PotEng"] - off.thermo[0]["PotEng"] == pytest.approx(
        float(within.energies - without.energies), abs=1e-8
    )
    product = np.outer(within.others["dipole"][0], FIELD)  # M (x) E: its other part is the torque
    virial = (within.virials - without.virials)[0].numpy() + 0.5 * (product - product.T)
    expected = virial[[0, 1, 2, 1, 2, 2], [0, 1, 2, 0, 0, 1]]  # a box sheared by xy moves x by y
    np.testing.assert_allclose(tensor(on) - tensor(off), expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "several"),
    [
        (CHARGED[0], [(2, "off", "yes")]),
        (CHARGED[1], [(4, "on", "yes")]),
        (CHARGED[2], [(4, "off", "yes"), (2, "on", "no")]),
    ],
)
def test_native_steps_and_ranks(exported, name, several):
    """Along a trajectory; without Newton's third law between ranks, too."""
    folder, potential, _ = exported[name]
    native = one(folder / "native", DYNAMICS + "run 8\n", with_field(potential))
    python = one(folder / "python", DYNAMICS + "run 8\n", with_field(potential, native="no"))
    assert_same(python, native, 1e-10)
    for ranks, newton, by in several:
        grid = f"processors {ranks} 1 1\n"
        potential_there = with_field(potential, native=by)
        found = one(folder / f"ranks{ranks}{by}", DYNAMICS + "run 8\n", potential_there, ranks, newton, before=grid)
        assert_same(found, native, 1e-10)


@pytest.mark.parametrize("name", CHARGED)
def test_moment_by_compute_pair(exported, name):
    """That of Python, also of `field 0 0 0`, which does nothing else."""
    folder, potential, atoms = exported[name]
    model = MODELS[name]()
    end = "thermo_modify format float %.17g norm no\nrun 0\n"
    lines = "compute m all pair mliap\nthermo_style custom step pe c_m[*]\n" + end
    blocks = [with_field(potential, field) for field in (FIELD, (0, 0, 0))]
    found = [one(folder / f"moment{k}", lines, block).thermo[0] for k, block in enumerate(blocks)]
    plain = one(folder / "plain", "thermo_style custom step pe\n" + end, potential)
    expected = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff), ["dipole"]).others["dipole"][0]
    for row in found:
        np.testing.assert_allclose([row[f"c_m[{k}]"] for k in (1, 2, 3)], expected, rtol=0, atol=1e-9)
    assert found[1]["PotEng"] == pytest.approx(plain.thermo[0]["PotEng"], rel=1e-13)
    assert found[0]["PotEng"] - found[1]["PotEng"] == pytest.approx(-float(expected.numpy() @ FIELD), abs=1e-8)


def test_units_real(exported):
    folder, potential, _ = exported["charge increments"]
    metal = one(folder / "metal", "run 0\n", with_field(potential))
    found = one(folder / "real", "run 0\n", with_field(potential), units="real")
    assert found.thermo[0]["PotEng"] * KCAL_PER_MOL == pytest.approx(metal.thermo[0]["PotEng"], rel=1e-5)
    for a, b in zip(found.frames(), metal.frames(), strict=True):
        np.testing.assert_allclose(a["fx"] * KCAL_PER_MOL, b["fx"], rtol=0, atol=1e-4)


def test_dipoles_in_a_field(tmp_path):
    """By the exact sum, on two ranks, as in Python."""
    model = with_dipoles(charge_predicting_model("increments"), permanent="constant", induced="predicted")
    export_model(model, tmp_path / "model.pt", coulomb_engine="exact")
    atoms = in_lammps_orientation(random_structure(8, ["Na", "Cl"], CELL, seed=2, closest=2.2))
    write_data_file(tmp_path / "atoms.data", atoms, ["Na", "Cl"], None)
    potential = "pair_style mliap unified ../model.pt 0\npair_coeff * * Na Cl\n"
    start = PLAIN.format(potential=with_field(potential), newton="on", units="metal")
    start += "thermo_style custom step pe\nthermo_modify format float %.17g norm no\n"
    start += "dump atoms all custom 1 atoms.dump id fx fy fz\ndump_modify atoms sort id format float %.17g\nrun 0\n"
    batch = in_electric_field(frame_to_batch(atoms, model.cutoff), FIELD)
    expected = Evaluator(model).predict(batch)
    found = run_well(tmp_path / "run", start, 2)
    assert found.thermo[0]["PotEng"] == pytest.approx(float(expected.energies[0]), abs=1e-7)
    forces = np.stack([found.frames()[0][f"f{x}"] for x in "xyz"], axis=1)
    np.testing.assert_allclose(forces, expected.forces, rtol=0, atol=1e-8)


def test_refused(exported, tmp_path):
    """Where there are no charges, where the field is incomplete, and what lacks the charges' response."""
    folder, potential, _ = exported["charge increments"]
    export_model(MODELS["short-range"](), tmp_path / "model.pt")
    bare = "pair_style mliap unified ../model.pt 0 field 0 0 0.1\npair_coeff * * Na Cl\n"
    wrong = {
        "is for models with charges": (tmp_path, bare),
        "Illegal pair_style mliap unified field command": (folder, bare.replace(" 0 0 0.1", " 0 0.1")),
        "write pair_style mliap unified FILE 0 field EX EY EZ": (folder, potential + "\nfix e all efield 0 0 0.1\n"),
    }
    (tmp_path / "atoms.data").write_text((folder / "atoms.data").read_text())
    for number, (message, (where, lines)) in enumerate(wrong.items()):
        found = run(where / f"wrong{number}", PLAIN.format(potential=lines, newton="on", units="metal") + "run 0\n")
        assert found.status != 0
        assert message in found.text, found.text
