"""Files of densities: both formats there and back, their units, and files that are wrong."""

from pathlib import Path

import numpy as np
import pytest
from ase.data import atomic_numbers
from scipy.integrate import quad

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.density_files import (
    load_table,
    read_g,
    read_g_folder,
    read_gpsp,
    write_g,
    write_g_folder,
    write_gpsp,
)
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.testing.structures import random_structure
from mliap_hybrid.units import BOHR

PUBLISHED = Path(__file__).parents[2] / "../shared/reference/gmp"


@pytest.fixture(scope="module")
def table() -> DensityTable:
    return load_table("gth-pbe")


def assert_same(found: DensityTable, expected: DensityTable) -> None:
    assert sorted(found.densities) == sorted(expected.densities)
    for number, density in expected.densities.items():
        np.testing.assert_allclose(found[number].amplitudes, density.amplitudes, rtol=1e-15)
        np.testing.assert_allclose(found[number].exponents, density.exponents, rtol=1e-15)


def test_gpsp_there_and_back(tmp_path: Path, table: DensityTable) -> None:
    path = tmp_path / "copy.gpsp"
    write_gpsp(path, table, comments=["for a test"])
    assert path.read_text().startswith("# for a test\n! 86 elements\n****\nH 1 ")
    assert_same(load_table(path), table)


def test_g_there_and_back(tmp_path: Path, table: DensityTable) -> None:
    written = write_g_folder(tmp_path / "densities", table)
    assert len(written) == 86
    assert written[28].name == "Cu_pseudodensity.g"
    assert_same(load_table(tmp_path / "densities"), table)
    assert_same(load_table(str(written[28])), table.subset([29]))
    # The published reader takes two numbers from every line: there must be nothing else.
    assert all(len(list(map(float, line.split()))) == 2 for line in written[28].read_text().splitlines())


def test_features_are_the_same_from_either_format(tmp_path: Path, table: DensityTable) -> None:
    geometry = frame_to_batch(random_structure(8, ["Na", "Cl"], None, seed=3), 5.0).geometry()
    settings = {"orders": (0, 1, 2), "widths": (0.5, 1.0), "cutoff": 5.0, "elements": (11, 17)}
    write_g_folder(tmp_path / "g", table.subset([11, 17]))
    write_gpsp(tmp_path / "table.gpsp", table)
    from_g = GaussianMultipoles(table=tmp_path / "g", **settings)(geometry)
    from_gpsp = GaussianMultipoles(table=tmp_path / "table.gpsp", **settings)(geometry)
    np.testing.assert_allclose(from_g, from_gpsp, rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("Cu_coredensity_6.g", "Cu"),
        ("O_totaldensity_7.g", "O"),
        ("He.g", "He"),
        ("Na_pseudodensity.v3.g", "Na"),
        ("Cl.v2.g", "Cl"),
    ],
)
def test_element_from_the_name(tmp_path: Path, name: str, symbol: str) -> None:
    (tmp_path / name).write_text("1.0\t2.0\n")
    assert list(load_table(tmp_path / name).densities) == [atomic_numbers[symbol]]
    assert list(read_g(tmp_path / name, "Xe").densities) == [54]


@pytest.mark.parametrize("name", ["H.g", "H.gpsp"])
def test_files_are_in_angstrom(tmp_path: Path, table: DensityTable, name: str) -> None:
    """The written numbers by themselves: one electron at 1.5 a_0 on average, with the radius in Å."""
    path = tmp_path / name
    if path.suffix == ".g":
        write_g(path, table[1])
    else:
        write_gpsp(path, table.subset([1]))
    b, beta = np.array([line.split() for line in path.read_text().splitlines() if len(line.split()) == 2][-5:], float).T
    electrons = np.sum(b * (np.pi / beta) ** 1.5)
    radius = np.sum(2 * np.pi * b / beta**2) / electrons
    assert electrons == pytest.approx(1.0, rel=1e-3)
    assert radius == pytest.approx(1.5 * BOHR, rel=0.12)  # PBE without spin: 9 % above the exact atom
    density = load_table(path)[1]
    electrons, _ = quad(lambda r: 4 * np.pi * r**2 * density(np.array(r)), 0, 15)
    assert electrons == pytest.approx(1.0, rel=1e-3)
    assert density(np.array(0.0)) == pytest.approx(b.sum())


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published tables lie beside the repository, not in it")
@pytest.mark.parametrize("name", ["NC-SR.gpsp", "QE-kjpaw.gpsp"])
def test_published_tables_are_read(name: str) -> None:
    table = load_table(PUBLISHED / name)
    carbon = table[6]
    mean_radius, _ = quad(lambda r: 4 * np.pi * r**3 * carbon(np.array(r)) / carbon.n_electrons, 0, 15)
    assert len(table.densities) > 80
    if name.startswith("NC"):  # norm-conserving: the whole valence, as large as the shipped one
        assert carbon.n_electrons == pytest.approx(4.0, rel=0.01)
        assert mean_radius == pytest.approx(0.89, rel=0.02)


GOOD = "! 1 elements\n****\nH 1 1\n0.5 2.0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected '! N elements'"),
        ("# only a comment\n", "expected '! N elements'"),
        (GOOD.replace("! 1", "! 2"), "announces 2 elements but has 1"),
        (GOOD.replace("! 1", "! one"), "line 1: expected a number, found 'one'"),
        (GOOD.replace("****", "***"), r"line 2: expected '\*\*\*\*'"),
        (GOOD.replace("H 1 1", "H 1"), "line 3: expected 'symbol Z n_primitives', found 'H 1'"),
        (GOOD.replace("H 1", "He 1"), "line 3: expected 'a symbol and its atomic number', found 'He 1 1'"),
        (GOOD.replace("H 1", "H -1"), "a symbol and its atomic number"),
        (GOOD.replace("H 1", "Xx 119"), "a symbol and its atomic number"),
        (GOOD.replace("H 1 1", "H 1 0"), "line 3: expected 'one or more primitives', found 'H 1 0'"),
        (GOOD.replace("H 1 1", "H 1 -1"), "one or more primitives"),
        (GOOD + "****\nH 1 1\n0.5 2.0\n", "line 6: H is there twice"),
        (GOOD.replace("0.5 2.0", "0.5"), "line 4: expected 'B beta', found '0.5'"),
        (GOOD.replace("0.5 2.0\n", ""), "line 3: expected 'B beta', found ''"),
        (GOOD.replace("2.0", "two"), "line 4: expected a number, found 'two'"),
        (GOOD.replace("2.0", "-2.0"), "line 4: expected 'finite B and beta > 0', found '0.5 -2.0'"),
        (GOOD.replace("2.0", "0"), "beta > 0"),
        (GOOD.replace("0.5", "nan"), "finite B"),
        (GOOD.replace("2.0", "inf"), "finite B"),
    ],
)
def test_malformed_gpsp(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.gpsp"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_gpsp(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Cu.g", "", "has no Gaussian: expected one or more lines 'B beta'"),
        ("Cu.g", "1.0 2.0\n\n3.0\n", "Cu.g', line 3: expected 'B beta', found '3.0'"),
        ("Cu.g", "1.0 2.0 3.0\n", "line 1: expected 'B beta', found '1.0 2.0 3.0'"),
        ("Cu.g", "1.0 b\n", "line 1: expected a number, found 'b'"),
        ("Cu.g", "1.0 -2.0\n", "line 1: expected 'finite B and beta > 0', found '1.0 -2.0'"),
        ("cu.g", "1.0 2.0\n", "'cu' is no element"),
        ("X_.g", "1.0 2.0\n", "'X' is no element"),
        ("density_Cu.g", "1.0 2.0\n", "'density' is no element; expected its symbol at the beginning"),
    ],
)
def test_malformed_g(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_g(tmp_path / name)
    with pytest.raises(InputError, match=message):  # one bad file spoils the folder
        load_table(tmp_path)


def test_folders_that_are_no_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected \.g files such as Cu_pseudodensity.g, found none"):
        load_table(tmp_path)
    write_g(tmp_path / "C_coredensity_5.g", PseudoDensity(np.ones(1), np.ones(1)))
    write_g(tmp_path / "C_totaldensity_7.g", PseudoDensity(np.ones(1), np.ones(1)))
    with pytest.raises(InputError, match=r"C_coredensity_5.g and C_totaldensity_7.g are both of C"):
        read_g_folder(tmp_path)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'gth-pbe'"):
        load_table("gth-pbee")
    for read in (read_gpsp, read_g):
        with pytest.raises(InputError, match="cannot read"):
            read("/nowhere/H.none")
    (tmp_path / "H.g").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read"):
        load_table(tmp_path / "H.g")


def test_folder_beside_the_training_file(tmp_path: Path, table: DensityTable) -> None:
    write_g_folder(tmp_path / "mine", table.subset([1]))
    (tmp_path / "train.yaml").write_text("data:\n  files: [a.extxyz]\nfeatures:\n  density_table: mine\n")
    settings = read_training_file(tmp_path / "train.yaml")
    assert list(load_table(settings.features.density_table).densities) == [1]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("1e308 2.0\n", "expected up to 1e\\+12"),
        ("1.0 1e200\n", "expected 1e-06 to 1e\\+12"),
        ("1.0 1e-320\n", "expected 1e-06 to 1e\\+12"),
    ],
)
def test_densities_of_no_atom(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "H.g").write_text("1.0 1.0\n" + lines)
    with pytest.raises(InputError, match=message):
        load_table(tmp_path)


def test_a_count_of_primitives_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.gpsp").write_text(f"! 1 elements\n****\nH 1 {10**30}\n1.0 1.0\n")
    with pytest.raises(InputError, match="expected up to 10000"):
        load_table(tmp_path / "a.gpsp")
