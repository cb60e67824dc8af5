"""`mliap-hybrid convert`: every format in, one format out, and nothing where something is wrong."""

import ase.io
import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.db import connect
from verbs import run

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.n2p2 import write_n2p2
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.testing.metal_alloy import alloy_frames
from mliap_hybrid.units import BOHR, HARTREE, STRESS_UNITS


@pytest.fixture(scope="module")
def alloy():
    return alloy_frames(12)


def convert(monkeypatch, capsys, *arguments):
    status, out, err = run(monkeypatch, capsys, "convert", *arguments)
    assert status == 0, err
    return out


def compare(path, frames, atol=1e-7):
    """Frames that were written have the labels of those that they were made from, under the usual names."""
    read = read_frames([path])
    assert len(read) == len(frames)
    keys = LabelKeys(virial="virial") if "deepmd" in str(path) else LabelKeys(stress="stress")
    for frame, atoms in zip(read, frames, strict=True):
        batch = frame_to_batch(frame, 2.0, keys)
        np.testing.assert_array_equal(batch.numbers.numpy(), atoms.numbers)
        np.testing.assert_allclose(batch.positions.numpy(), atoms.positions, atol=atol)
        assert batch.energies.item() == pytest.approx(atoms.get_potential_energy(), abs=atol)
        np.testing.assert_allclose(batch.forces.numpy(), atoms.calc.results["forces"], atol=atol)
        virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
        np.testing.assert_allclose(batch.virials[0].numpy(), virial, atol=1e-5)


@pytest.mark.parametrize("output", ["out.extxyz", "deepmd/npy:systems"])
def test_formats_that_are_written(alloy, tmp_path, monkeypatch, capsys, output):
    ase.io.write(tmp_path / "in.traj", alloy)
    form, colon, name = output.rpartition(":")
    out = convert(monkeypatch, capsys, tmp_path / "in.traj", "-o", f"{form}{colon}{tmp_path / name}")
    assert "wrote 12 frames" in out
    assert "12 crystals" in out
    compare(type(tmp_path)(f"{form}{colon}{tmp_path / name}"), alloy)


def test_n2p2_is_written(alloy, tmp_path, monkeypatch, capsys):
    ase.io.write(tmp_path / "in.traj", alloy)
    convert(monkeypatch, capsys, tmp_path / "in.traj", "-o", tmp_path / "input.data")
    batch = frame_to_batch(read_frames([tmp_path / "input.data"])[3], 2.0, LabelKeys())
    assert batch.energies.item() == pytest.approx(alloy[3].get_potential_energy(), abs=1e-8)
    np.testing.assert_allclose(batch.forces.numpy(), alloy[3].get_forces(), atol=1e-8)


def test_warnings_name_the_units_that_were_read(alloy, tmp_path, monkeypatch, capsys):
    """An input.data of n2p2 in eV and Å, which its format is not; its column of charges is zero, as in most of them."""
    structures = []
    for atoms in alloy:
        in_bohr = atoms.copy()
        in_bohr.set_cell(atoms.cell.array * BOHR, scale_atoms=True)
        results = {"energy": atoms.get_potential_energy() * HARTREE, "forces": atoms.get_forces() * HARTREE / BOHR}
        in_bohr.calc = SinglePointCalculator(in_bohr, **results)
        structures.append(in_bohr)
    write_n2p2(tmp_path / "input.data", structures)
    out = " ".join(convert(monkeypatch, capsys, tmp_path / "input.data", "-o", tmp_path / "out.extxyz").split())
    assert "read as bohr; in Å it would be" in out
    assert "'charges'" in out
    assert "is zero in all" not in out
    units = ("--energy-unit", "eV", "--length-unit", "Å")
    out = convert(monkeypatch, capsys, tmp_path / "input.data", *units, "-o", tmp_path / "right.extxyz")
    assert "Warning" not in out


def test_names_and_units_of_others(alloy, tmp_path, monkeypatch, capsys):
    """Entries of other names, in Ha, bohr and kbar of VASP's sign, and one frame without a stress."""
    frames = []
    for index, atoms in enumerate(alloy):
        copy = atoms.copy()
        copy.set_cell(copy.cell.array / BOHR, scale_atoms=True)
        copy.info |= {"dft_energy": atoms.get_potential_energy() / HARTREE, "config_type": "bulk", "Qtot": 1.0}
        copy.arrays["dft_forces"] = atoms.get_forces() * BOHR / HARTREE
        if index:
            copy.info["dft_stress"] = -atoms.get_stress(voigt=False).ravel() / STRESS_UNITS["kbar"]
        frames.append(copy)
    ase.io.write(tmp_path / "in.extxyz", frames)
    units = ("--energy-unit", "Ha", "--length-unit", "bohr", "--stress-unit=-kbar")
    out = convert(monkeypatch, capsys, tmp_path / "in.extxyz", "-o", tmp_path / "out.extxyz", *units)
    assert "'dft_stress'; 1 frames lack it" in out
    assert "total charges from 'Qtot'" in out
    read = ase.io.read(tmp_path / "out.extxyz", ":")
    assert "stress" not in read[0].calc.results
    assert read[0].info["total_charge"] == 1.0
    assert read[0].info["config_type"] == "bulk"
    assert not {"dft_energy", "dft_stress", "Qtot"} & set(read[1].info)
    # Positions and forces are written with eight digits.
    for atoms, expected in zip(read, alloy, strict=True):
        np.testing.assert_allclose(atoms.positions, expected.positions, atol=1e-7)
        np.testing.assert_allclose(atoms.get_forces(), expected.get_forces(), atol=1e-6)
    np.testing.assert_allclose(read[5].get_stress(), alloy[5].get_stress(), atol=1e-8)


def test_databases_keep_charges_and_forces_on_fixed_atoms(alloy, tmp_path, monkeypatch, capsys):
    with connect(tmp_path / "frames.db") as database:
        for index, atoms in enumerate(alloy):
            copy = atoms.copy()
            copy.set_constraint(FixAtoms([0, 1]))
            copy.calc = SinglePointCalculator(copy, **atoms.calc.results)
            database.write(copy, charge=float(index % 2), key_value_pairs={"config_type": "alloy"})
    convert(monkeypatch, capsys, tmp_path / "frames.db", "-o", tmp_path / "out.extxyz")
    compare(tmp_path / "out.extxyz", alloy)
    assert [atoms.info["total_charge"] for atoms in ase.io.read(tmp_path / "out.extxyz", ":4")] == [0, 1, 0, 1]


def test_free_energies_come_first(alloy, tmp_path, monkeypatch, capsys):
    frames = []
    for atoms in alloy:
        copy = atoms.copy()
        results = {**atoms.calc.results, "free_energy": atoms.get_potential_energy()}
        copy.calc = SinglePointCalculator(copy, **{**results, "energy": results["energy"] + 0.05})
        frames.append(copy)
    ase.io.write(tmp_path / "in.traj", frames)
    out = convert(monkeypatch, capsys, tmp_path / "in.traj", "-o", tmp_path / "out.extxyz")
    assert "'free_energy'; no frame lacks it" in out
    compare(tmp_path / "out.extxyz", alloy)
    convert(monkeypatch, capsys, tmp_path / "in.traj", "-o", tmp_path / "e0.extxyz", "--energy-key", "energy")
    e0 = ase.io.read(tmp_path / "e0.extxyz", 0).get_potential_energy()
    assert e0 == pytest.approx(alloy[0].get_potential_energy() + 0.05, abs=1e-8)


def test_spins_become_multiplicities(tmp_path, monkeypatch, capsys):
    frames = []
    for spin, charge in ((0, 0), (2, 0), (1, -1)):
        atoms = molecule("O2")
        atoms.calc = SinglePointCalculator(atoms, energy=-1.0 - spin, forces=np.full((2, 3), 0.1))
        atoms.info |= {"spin": spin, "charge": charge}
        frames.append(atoms)
    ase.io.write(tmp_path / "in.extxyz", frames)
    out = convert(monkeypatch, capsys, tmp_path / "in.extxyz", "-o", tmp_path / "out.extxyz")
    assert "numbers of unpaired electrons 2S from 'spin'" in out
    infos = [atoms.info for atoms in ase.io.read(tmp_path / "out.extxyz", ":")]
    assert [info["multiplicity"] for info in infos] == [1, 3, 2]
    assert not any("spin" in info for info in infos)


def test_nothing_is_overwritten_or_left_behind(alloy, tmp_path, monkeypatch, capsys):
    ase.io.write(tmp_path / "in.traj", alloy)
    (tmp_path / "out.extxyz").write_text("mine")
    status, _, err = run(monkeypatch, capsys, "convert", tmp_path / "in.traj", "-o", tmp_path / "out.extxyz")
    assert status == 1
    assert "exists: name another file, or add --force" in err
    broken = alloy[0].copy()
    broken.calc = SinglePointCalculator(broken, energy=np.nan, forces=np.full((4, 3), np.inf))
    ase.io.write(tmp_path / "broken.traj", [*alloy, broken])
    status, _, err = run(
        monkeypatch, capsys, "convert", tmp_path / "broken.traj", "-o", tmp_path / "out.extxyz", "--force"
    )
    assert status == 1
    assert "frame 12" in err
    assert (tmp_path / "out.extxyz").read_text() == "mine"
    convert(monkeypatch, capsys, tmp_path / "in.traj", "-o", tmp_path / "out.extxyz", "--force")
    compare(tmp_path / "out.extxyz", alloy)
    slab = alloy[0].copy()
    slab.calc = alloy[0].calc
    slab.pbc = (True, True, False)
    ase.io.write(tmp_path / "slab.traj", slab)
    for output in ("n2p2:new", "deepmd/npy:new"):
        form, name = output.split(":")
        status, _, err = run(monkeypatch, capsys, "convert", tmp_path / "slab.traj", "-o", f"{form}:{tmp_path / name}")
        assert status == 1
        assert "periodic in some directions only" in err
        assert not (tmp_path / "new").exists()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"in.traj", "broken.traj", "slab.traj", "out.extxyz"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-o", "out.txt"), "expected a name ending in .extxyz"),
        (("-o", "out.extxyz", "--energy-unit", "Hartree"), "unknown energy unit 'Hartree'"),
        (("-o", "out.extxyz", "--forces-key", "fources"), "fources"),
        (("-o", "out.extxyz", "--subtract-d3", "PBX"), "PBX"),
    ],
)
def test_mistakes_are_one_sentence(alloy, tmp_path, monkeypatch, capsys, arguments, said):
    monkeypatch.chdir(tmp_path)
    ase.io.write("in.traj", alloy[:2])
    status, _, err = run(monkeypatch, capsys, "convert", "in.traj", *arguments)
    assert status == 1
    assert said in err
    assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.traj"]


def test_d3_is_taken_off(alloy, tmp_path, monkeypatch, capsys):
    pytest.importorskip("dftd3")
    from mliap_hybrid.data.dispersion_correction import D3, Dispersion

    ase.io.write(tmp_path / "in.traj", alloy[:2])
    arguments = (tmp_path / "in.traj", "-o", tmp_path / "rest.extxyz", "--subtract-d3", "PBE", "--d3-cutoff", "9")
    out = convert(monkeypatch, capsys, *arguments)
    assert "dispersion/d3 bj pbe 9 9" in out
    energy, forces, _ = Dispersion(D3("PBE", "bj", 9.0, 9.0)).of(alloy[1])
    rest = ase.io.read(tmp_path / "rest.extxyz", 1)
    assert rest.get_potential_energy() == pytest.approx(alloy[1].get_potential_energy() - energy, abs=1e-7)
    np.testing.assert_allclose(rest.get_forces(), alloy[1].get_forces() - forces, atol=1e-7)
    arguments = (tmp_path / "rest.extxyz", "-o", tmp_path / "twice.extxyz", "--subtract-d3", "PBE")
    status, _, err = run(monkeypatch, capsys, "convert", *arguments)
    assert status == 1
    assert "has been taken off these labels before" in err


def test_a_training_file_names_formats(alloy, tmp_path):
    """The format before a path stays where the path is taken relative to the training file."""
    from mliap_hybrid.config import read_training_file

    text = "data:\n  files: ['vasp/outcar:runs/OUTCAR', plain.extxyz, 'odd:name.extxyz']\n"
    (tmp_path / "train.yaml").write_text(text)
    files = read_training_file(tmp_path / "train.yaml").data.files
    assert [str(file) for file in files] == [
        f"vasp/outcar:{tmp_path}/runs/OUTCAR",
        f"{tmp_path}/plain.extxyz",
        f"{tmp_path}/odd:name.extxyz",
    ]


def test_a_molecule_keeps_its_dipole(tmp_path, monkeypatch, capsys):
    atoms = molecule("CH3OH")
    atoms.calc = EMT()
    results = {
        "energy": atoms.get_potential_energy(),
        "forces": atoms.get_forces(),
        "dipole": np.array([0.1, 0.2, 0.3]),
    }
    atoms.calc = SinglePointCalculator(atoms, **results)
    ase.io.write(tmp_path / "in.traj", atoms)
    convert(monkeypatch, capsys, tmp_path / "in.traj", "-o", tmp_path / "out.extxyz")
    np.testing.assert_allclose(ase.io.read(tmp_path / "out.extxyz").get_dipole_moment(), [0.1, 0.2, 0.3])


def test_elements_of_a_dump(tmp_path, monkeypatch, capsys):
    """Those of the types, of dumps alone; other files beside them do not need them."""
    head = "ITEM: TIMESTEP\n7\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n0 9\n0 9\n0 9\n"
    (tmp_path / "run.dump").write_text(head + "ITEM: ATOMS id type xs ys zs\n2 1 0.5 0 0\n1 2 0 0 0\n")
    ase.io.write(tmp_path / "other.xyz", molecule("H2O"))
    status, _, err = run(monkeypatch, capsys, "convert", tmp_path / "run.dump", "-o", tmp_path / "a.extxyz")
    assert status
    assert "--elements 'Na Cl'" in err
    convert(
        monkeypatch, capsys, tmp_path / "run.dump", tmp_path / "other.xyz", "-o", tmp_path / "a.extxyz",
        "--elements", "Na, Cl",
    )  # fmt: skip
    salt, water = ase.io.read(tmp_path / "a.extxyz", ":")
    assert (str(salt.symbols), str(water.symbols)) == ("ClNa", "OH2")
    np.testing.assert_allclose(salt.positions, [[0, 0, 0], [4.5, 0, 0]], atol=1e-7)
    status, _, err = run(
        monkeypatch, capsys, "convert", tmp_path / "other.xyz", "-o", tmp_path / "b.extxyz", "--elements", "Na Cl"
    )
    assert status
    assert "none of 1 files is a text dump" in " ".join(err.split())
