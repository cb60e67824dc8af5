"""Dumps of LAMMPS: elements are what the file says, or the user, and a file that does not say them is no data."""

import gzip
import subprocess
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.formats import check_elements_apply
from mliap_hybrid.data.lammps_dump import dump_frames
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.units import KCAL_PER_MOL

RUN = """\
units {units}
atom_style charge
boundary p p p
{box}
mass 1 22.99
mass 2 35.45
set type 1 charge 1.0
set type 2 charge -1.0
displace_atoms all random 0.2 0.2 0.2 4711 units box
pair_style lj/cut 6.0
pair_coeff * * 0.05 2.6
velocity all create 600 7
fix move all nve
timestep {step}
dump known all custom 20 known.dump id type element x y z fx fy fz
dump_modify known element Na Cl format float %.14g
dump x all custom 20 x.dump type id x y z fx fy fz q
dump xs all custom 20 xs.dump id type xs ys zs fx fy fz
dump xu all custom 20 xu.dump id type xu yu zu fx fy fz
dump xsu all custom 20 xsu.dump id type xsu ysu zsu fx fy fz
dump images all custom 20 images.dump id type x y z ix iy iz fx fy fz
dump masses all custom 20 masses.dump id mass x y z fx fy fz
dump_modify x format float %.14g
dump_modify xs format float %.14g units yes
dump_modify xu format float %.14g time yes
dump_modify xsu format float %.14g units yes time yes
dump_modify images format float %.14g
dump_modify masses format float %.14g
{further}
run 60
"""

DUMPS = ("x", "xs", "xu", "xsu", "images", "masses")

BOXES = {
    "orthogonal": "lattice fcc 5.0\nregion r block 0 2 0 2 0 2\ncreate_box 2 r\ncreate_atoms 1 box basis 2 2 basis 4 2",
    "triclinic": "lattice fcc 5.0\nregion r prism 0 2 0 2 0 2 0.7 -0.4 0.6\ncreate_box 2 r\n"
    "create_atoms 1 box basis 2 2 basis 3 2",
    "general": "lattice custom 5.0 a1 1 0.1 0 a2 -0.3 0.9 0.1 a3 0.2 0.1 1.1 basis 0 0 0 basis 0.5 0.5 0.5 "
    "triclinic/general\ncreate_box 2 NULL 0 2 0 2 0 2\ncreate_atoms 1 box basis 2 2",
}


@pytest.fixture(scope="module", params=BOXES)
def folder(request, tmp_path_factory):
    """Dumps of a run in the box, with the types 1 and 2 for Na and Cl."""
    further = ""
    if request.param == "general":
        further = "dump general all custom 20 general.dump id type x y z fx fy fz\n"
        further += "dump_modify general triclinic/general yes format float %.14g"
    return _run(tmp_path_factory.mktemp(request.param), units="metal", box=BOXES[request.param], further=further)


def _run(folder, units, box, further=""):
    step = {"metal": 0.002, "real": 2.0, "electron": 2.0, "lj": 0.001}[units]
    (folder / "in.salt").write_text(RUN.format(units=units, box=box, further=further, step=step))
    lmp = Path(sys.executable).parent / "lmp"
    subprocess.run([lmp, "-in", "in.salt"], cwd=folder, check=True, capture_output=True, timeout=60)
    return folder


def test_all_columns_of_positions_give_the_structures_of_lammps(folder):
    """Those of types alone are the same as those whose elements LAMMPS wrote, which ASE reads itself."""
    known = ase.io.read(folder / "known.dump", ":", format="lammps-dump-text")
    names = [*DUMPS, *(["general"] if (folder / "general.dump").exists() else [])]
    for name in names:
        frames = read_frames([folder / f"{name}.dump"], [] if name == "masses" else ["Na", "Cl"])
        assert len(frames) == len(known) == 4
        for frame, expected in zip(frames, known, strict=True):
            atoms = frame.atoms
            assert (str(atoms.symbols), atoms.pbc.all()) == (str(expected.symbols), True)
            distances = [a.get_all_distances(mic=True) for a in (atoms, expected)]
            np.testing.assert_allclose(*distances, atol=1e-8)
            forces = [a.get_forces() for a in (atoms, expected)]
            if name == "general":  # turned as the cell is
                forces = [np.linalg.norm(f, axis=1) for f in forces]
                assert atoms.get_volume() == pytest.approx(expected.get_volume(), rel=1e-6)
                assert abs(atoms.cell.array[0, 1]) > 0.1
            else:
                np.testing.assert_allclose(atoms.cell.array, expected.cell.array, atol=1e-8)
            np.testing.assert_allclose(*forces, atol=1e-8)
    np.testing.assert_allclose(np.abs(read_frames([folder / "x.dump"], ["Na", "Cl"])[0].atoms.get_initial_charges()), 1)


def test_cells_and_paths_of_atoms_are_those_of_the_structures(folder):
    """What spectra take from a frame is what ASE makes of it; only unwrapped positions and image flags go on."""
    for name in ("x", "xs", "xu", "xsu", "images", *(["general"] if (folder / "general.dump").exists() else [])):
        for raw, expected in zip(dump_frames(folder / f"{name}.dump"), dump_frames(folder / "xu.dump"), strict=True):
            atoms = raw.atoms(["Na", "Cl"])
            np.testing.assert_allclose(raw.cell, atoms.cell.array, atol=1e-10)
            positions, is_unwrapped = raw.positions()
            assert is_unwrapped == (name in ("xu", "xsu", "images"))
            if is_unwrapped:
                paths = [p - p[0] for p in (positions, expected.positions()[0])]
                np.testing.assert_allclose(*paths, atol=1e-8)
            steps = np.linalg.solve(raw.cell.T, (positions - atoms.positions).T).T  # (n_atoms, 3)
            np.testing.assert_allclose(steps - steps[0], np.round(steps - steps[0]), atol=1e-8)


@pytest.mark.parametrize("units", ["real", "electron", "lj"])
def test_units_of_the_file_count(tmp_path, units):
    """Where LAMMPS writes them; else it is `data.units` that says them."""
    box = "lattice sc 5.0\n" if units != "lj" else "lattice sc 0.008\n"
    box += "region r block 0 2 0 2 0 2\ncreate_box 2 r\ncreate_atoms 1 box"
    folder = _run(tmp_path, units, box)
    with_units, without = folder / "xs.dump", folder / "xu.dump"
    if units == "lj":
        with pytest.raises(InputError, match="units 'lj', which are not converted: expected metal, real"):
            read_frames([with_units], ["Na", "Cl"])
        return
    said = {"real": LabelUnits(energy="kcal/mol"), "electron": LabelUnits(energy="Ha", length="bohr")}[units]
    keys = LabelKeys(forces="forces", energy="energy")
    batches = [
        frame_to_batch(read_frames([file], ["Na", "Cl"])[-1], 4.0, keys, given, allow_missing=True)
        for file, given in ((with_units, None), (without, said), (with_units, said))
    ]
    as_written = read_frames([without], ["Na", "Cl"])[-1].atoms.get_forces()
    if units == "real":
        np.testing.assert_allclose(batches[1].labels["forces"], as_written * KCAL_PER_MOL, rtol=1e-12)
    for batch in batches[::2]:
        np.testing.assert_allclose(batch.cells, batches[1].cells, rtol=1e-6)
        np.testing.assert_allclose(batch.labels["forces"], batches[1].labels["forces"], rtol=1e-6, atol=1e-10)
    frame, other = read_frames([with_units], ["Na", "Cl"])[0], LabelUnits(energy="eV")
    with pytest.raises(InputError, match="the file says its own units"):
        frame_to_batch(frame, 4.0, keys, other, allow_missing=True)


def dump(path, columns, rows, box="pp pp pp", bounds="0 9"):
    lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", str(len(rows)), f"ITEM: BOX BOUNDS {box}"]
    path.write_text("\n".join([*lines, *[bounds] * 3, f"ITEM: ATOMS {columns}", *rows, ""]))
    return path


@pytest.mark.parametrize(
    ("columns", "rows", "elements"),
    [
        ("id type element x y z fx fy fz", ["2 1 Na 0 0 3 0 0 1", "1 2 Cl 0 0 0 0 0 -1"], "ClNa"),
        ("id mass x y z fx fy fz", ["2 22.99 0 0 3 0 0 1", "1 35.45 0 0 0 0 0 -1"], "ClNa"),
    ],
)
def test_elements_and_forces_of_each_atom(tmp_path, columns, rows, elements):
    (frame,) = read_frames([dump(tmp_path / "run.lammpstrj", columns, rows)])
    assert str(frame.atoms.symbols) == elements
    np.testing.assert_allclose(frame.atoms.get_forces()[:, 2], [-1.0, 1.0])
    assert suspicious_frames([frame], LabelKeys(energy="none")) == []


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_types_are_no_elements(tmp_path, suffix):
    """ASE would read hydrogen and helium."""
    path = dump(tmp_path / "run.lammpstrj", "id type x y z fx fy fz", ["1 1 0 0 0 0 0 1", "2 2 0 0 3 0 0 -1"])
    assert str(ase.io.read(path).symbols) == "HHe"
    if suffix:
        (tmp_path / "run.lammpstrj.gz").write_bytes(gzip.compress(path.read_bytes()))
    file = tmp_path / f"run.lammpstrj{suffix}"
    with pytest.raises(InputError, match=r"without elements \(columns id type x.*--elements 'Na Cl'.*ID element Na Cl"):
        read_frames([file])
    (frame,) = read_frames([Path(f"lammps-dump-text:{file}")], ["Na", "Cl"])
    assert str(frame.atoms.symbols) == "NaCl"


@pytest.mark.parametrize(
    ("columns", "rows", "elements", "said"),
    [
        ("id type x y z", ["1 3 0 0 0"], "Na Cl", "atoms of type 3, but 2 elements were named"),
        ("id type x y z", ["1 0 0 0 0"], "Na Cl", "atoms of type 0, but 2 elements were named"),
        ("id type x y z", ["1 OW 0 0 0"], "Na Cl", "atoms of type OW, but 2 elements were named"),
        ("id x y z", ["1 0 0 0"], "Na Cl", "no column `type`"),
        ("id type element x y z", ["1 1 Na 0 0 0"], "K", "says Na in its column element where K was named"),
        ("id type element x y z", ["1 1 OW 0 0 0"], "", "'OW' in the column element is no element"),
        ("id mass x y z", ["1 2.014 0 0 0"], "", "mass '2.014', which is that of no element"),
        ("id type x y z", ["1 1 0 0"], "Na", "not complete: expected 1 atoms with 5 columns"),
        ("id type q", ["1 1 0"], "Na", "cannot be read"),
        ("id type x y z", [], "Na", "the frame of step 0 has no atoms"),
    ],
)
def test_elements_that_cannot_be_told(tmp_path, columns, rows, elements, said):
    with pytest.raises(InputError, match=said):
        read_frames([dump(tmp_path / "run.dump", columns, rows)], elements.split())


@pytest.mark.parametrize(
    ("columns", "row", "elements"),
    [
        ("id type element x y z", "1 1 C 0 0 0", "Na"),  # what LAMMPS writes unless it is told
        ("id type element x y z", "1 1 OW 0 0 0", "O"),
        ("id type element x y z", "1 1 O 0 0 0", "O"),
        ("id type mass x y z", "1 1 3.024 0 0 0", "H"),  # made heavier for longer steps
    ],
)
def test_named_elements_count(tmp_path, columns, row, elements):
    (frame,) = read_frames([dump(tmp_path / "run.dump", columns, [row])], elements.split())
    assert str(frame.atoms.symbols) == elements


def test_a_box_that_does_not_say_what_is_periodic(tmp_path):
    with pytest.raises(InputError, match="does not say which directions are periodic"):
        read_frames([dump(tmp_path / "run.dump", "id type x y z", ["1 1 0 0 0"], "")], ["Na"])
    (frame,) = read_frames([dump(tmp_path / "run.dump", "id type x y z", ["1 1 0 0 0"], "pp fs pp")], ["Na"])
    assert frame.atoms.pbc.tolist() == [True, False, True]


def test_elements_for_no_dump(tmp_path):
    (tmp_path / "a.xyz").write_text("1\n\nH 0 0 0\n")
    path = dump(tmp_path / "run.dump", "id type x y z", ["1 1 0 0 0"])
    check_elements_apply(["Na"], [tmp_path / "a.xyz", path], "--elements")
    check_elements_apply([], [tmp_path / "a.xyz"], "--elements")
    with pytest.raises(InputError, match=r"data\.elements names the elements .* none of 1 files is a text dump"):
        check_elements_apply(["Na"], [tmp_path / "a.xyz"], "data.elements")
    with pytest.raises(InputError, match="--elements: 'Q' is no element"):
        check_elements_apply(["Na", "Q"], [path], "--elements")


def test_several_types_of_carbon_are_told(tmp_path):
    """What LAMMPS writes where `dump_modify element` was left out."""
    columns = "id type element x y z fx fy fz"
    path = dump(tmp_path / "run.lammpstrj", columns, ["1 1 C 0 0 0 0 0 1", "2 2 C 0 0 3 0 0 -1"])
    (sentence,) = suspicious_frames(read_frames([path]), LabelKeys(energy="none"))
    assert "all atoms of 1 of 1 frames are carbon" in sentence
    assert "dump_modify ID element" in sentence
    path = dump(path, columns, ["1 1 C 0 0 0 0 0 1", "2 1 C 0 0 3 0 0 -1"])
    assert suspicious_frames(read_frames([path]), LabelKeys(energy="none")) == []
