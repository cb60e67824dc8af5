"""Dumps of LAMMPS: elements are what the file says, and a file that does not say them is no data."""

import gzip

import ase.io
import numpy as np
import pytest

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.reading import read_frames
from mliap_hybrid.data.suspect_frames import suspicious_frames
from mliap_hybrid.errors import InputError


def dump(path, columns, rows):
    lines = ["ITEM: TIMESTEP", "0", "ITEM: NUMBER OF ATOMS", str(len(rows)), "ITEM: BOX BOUNDS pp pp pp"]
    path.write_text("\n".join([*lines, *["0 9"] * 3, f"ITEM: ATOMS {columns}", *rows, ""]))
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
    with pytest.raises(InputError, match=r"without elements \(columns id type x.*dump_modify ID element Na Cl"):
        read_frames([tmp_path / f"run.lammpstrj{suffix}"])


def test_several_types_of_carbon_are_told(tmp_path):
    """What LAMMPS writes where `dump_modify element` was left out."""
    columns = "id type element x y z fx fy fz"
    path = dump(tmp_path / "run.lammpstrj", columns, ["1 1 C 0 0 0 0 0 1", "2 2 C 0 0 3 0 0 -1"])
    (sentence,) = suspicious_frames(read_frames([path]), LabelKeys(energy="none"))
    assert "all atoms of 1 of 1 frames are carbon" in sentence
    assert "dump_modify ID element" in sentence
    path = dump(path, columns, ["1 1 C 0 0 0 0 0 1", "2 1 C 0 0 3 0 0 -1"])
    assert suspicious_frames(read_frames([path]), LabelKeys(energy="none")) == []
