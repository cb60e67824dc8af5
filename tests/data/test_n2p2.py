"""The `input.data` format of n2p2 and RuNNer: units, every field, and one clear sentence for every broken line."""

import gzip
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.n2p2 import is_n2p2, read_n2p2, write_n2p2
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.errors import InputError

PUBLISHED = Path(__file__).parents[2] / "../shared/data/longrange/n2p2_4g"
KEYS = LabelKeys(charges="charges", total_charge="total_charge")
SALT = """begin
comment two ions
lattice 10 0 0
lattice 0 12 0
lattice 1 0 14
atom 0 0 1 Na 0.75 0.3 0.10 0.20 0.30
atom 5 0 1 Cl 0.25 0.3 -0.10 -0.20 -0.30
energy -2.5
charge 1
end
"""


@pytest.fixture
def write(tmp_path):
    def _write(text, name="input.data"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return _write


def test_numbers_in_their_units(write):
    """One Bohr is 0.529177 Å, one Hartree 27.211386 eV, so one Hartree/Bohr 51.422067 eV/Å."""
    (atoms,) = read_n2p2(write(SALT))
    assert atoms.get_chemical_formula() == "ClNa"
    assert atoms.pbc.all()
    assert atoms.get_distance(0, 1) == pytest.approx(5 * 0.529177210903)
    np.testing.assert_allclose(atoms.cell[:], 0.529177210903 * np.array([[10, 0, 0], [0, 12, 0], [1, 0, 14]]))
    assert atoms.get_potential_energy() == pytest.approx(-2.5 * 27.211386245988)
    np.testing.assert_allclose(atoms.get_forces()[0], 51.42206747 * np.array([0.1, 0.2, 0.3]), rtol=1e-9)
    np.testing.assert_allclose(atoms.get_forces()[1], -51.42206747 * np.array([0.1, 0.2, 0.3]), rtol=1e-9)
    np.testing.assert_array_equal(atoms.arrays["charges"], [0.75, 0.25])
    assert atoms.info == {"total_charge": 1.0, "comment": "two ions"}


def test_training_finds_the_labels(write):
    frames = read_frames([write(SALT + SALT)])
    assert [frame.source.rpartition(", ")[2] for frame in frames] == ["frame 0", "frame 1"]
    batch = frame_to_batch(frames[1], 4.0, KEYS)
    assert batch.energies.item() == pytest.approx(-2.5 * 27.211386245988)
    assert batch.total_charges.tolist() == [1.0]
    assert batch.charges.tolist() == [0.75, 0.25]
    assert batch.periodic.all()


@pytest.mark.parametrize("name", ["salt.data", "anything.txt", "input.data.gz"])
def test_the_format_is_told_by_its_first_line(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(SALT.encode()) if name.endswith("gz") else SALT.encode())
    assert is_n2p2(path)
    assert len(read_frames([path])) == 1


@pytest.mark.parametrize("content", [b"", b"beginning\nof a book\n", b"2\nbegin\nH 0 0 0\n", bytes(range(128, 256))])
def test_other_files_are_left_to_ase(tmp_path, content):
    path = tmp_path / "other.data"
    path.write_bytes(content)
    assert not is_n2p2(path)


def test_without_lattice_and_charge_a_structure_is_an_isolated_neutral_molecule(write):
    kept = [line for line in SALT.splitlines() if not line.startswith(("lattice", "charge", "comment"))]
    (atoms,) = read_n2p2(write("\n".join(kept)))
    assert not atoms.pbc.any()
    assert atoms.info == {"total_charge": 0.0}


def test_a_lattice_of_zeros_is_none(write):
    """dpdata writes molecules with one."""
    lines = [line if not line.startswith("lattice") else "lattice 0.0 0.0 0.0" for line in SALT.splitlines()]
    (frame,) = read_frames([write("\n".join([*lines, ""]))])
    assert not frame.atoms.pbc.any()
    assert not frame.atoms.cell.any()
    assert frame_to_batch(frame, 4.0, KEYS).positions[1, 0].item() == pytest.approx(5 * 0.529177210903)


def test_written_and_read_again(tmp_path):
    rng = np.random.default_rng(0)
    crystal = Atoms("Na2Cl2", rng.normal(size=(4, 3)), cell=4 * np.eye(3) + rng.normal(size=(3, 3)), pbc=True)
    crystal.arrays["charges"] = rng.normal(size=4)
    crystal.info = {"total_charge": -1.0, "comment": "first line\nsecond line"}
    molecule = Atoms("CO", rng.normal(size=(2, 3)))
    for atoms in (crystal, molecule):
        atoms.calc = SinglePointCalculator(atoms, energy=rng.normal(), forces=rng.normal(size=(len(atoms), 3)))
    path = tmp_path / "input.data"
    write_n2p2(path, [crystal, molecule])
    for before, after in zip([crystal, molecule], read_n2p2(path), strict=True):
        assert list(after.symbols) == list(before.symbols)
        np.testing.assert_array_equal(after.pbc, before.pbc)
        np.testing.assert_allclose(after.positions, before.positions, atol=1e-9)
        np.testing.assert_allclose(after.cell[:], before.cell[:], atol=1e-9)
        np.testing.assert_allclose(after.get_forces(), before.get_forces(), atol=1e-8)
        assert after.get_potential_energy() == pytest.approx(before.get_potential_energy(), abs=1e-8)
        np.testing.assert_allclose(after.arrays["charges"], before.arrays.get("charges", np.zeros(2)), atol=1e-9)
        assert after.info == {"total_charge": 0.0, **before.info}


def test_ase_reads_what_is_written(tmp_path):
    """Its own reader, in the versions that have one, is independent of ours."""
    runner = pytest.importorskip("ase.io.runner")
    atoms = Atoms("NaCl", [(0.1, 0.2, 0.3), (2.5, 0.0, 0.0)], cell=[5.0, 6.0, 7.0], pbc=True)
    atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=[(0.1, 0.2, 0.3), (-0.1, -0.2, -0.3)])
    write_n2p2(tmp_path / "input.data", [atoms])
    with (tmp_path / "input.data").open() as stream:
        (other,) = runner.read_runnerdata(stream, slice(None))
    np.testing.assert_allclose(other.positions, atoms.positions, atol=1e-7)
    np.testing.assert_allclose(other.get_forces(), atoms.get_forces(), atol=1e-7)
    assert other.get_potential_energy() == pytest.approx(-3.0, abs=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("end\n", "", r"is cut short: the structure that begins in line 1 has no 'end'"),
        ("energy -2.5\n", "", r"structure from line 1: there is no energy"),
        ("energy -2.5\n", "energy -2.5\nenergy -2.5\n", r"line 9: the structure has a second 'energy'"),
        ("energy", "enrgy", r"line 8: unknown keyword 'enrgy': did you mean 'energy'\?"),
        ("energy -2.5", "energy", r"line 8: 'energy' needs 1 finite number, found ''"),
        ("charge 1", "charge one", r"line 9: 'charge' needs 1 finite number, found 'one'"),
        ("lattice 1 0 14\n", "", r"found 2 lattice vectors; expected three, or none"),
        ("lattice 1 0 14", "lattice 1 0", r"line 5: 'lattice' needs 3 finite numbers, found '1 0'"),
        ("Na", "Qq", r"line 6: 'Qq' is not an element"),
        ("Na", "X", r"line 6: 'X' is not an element"),
        (" -0.30\n", "\n", r"line 7: an atom has 8 columns; expected 9: x y z element charge unused fx fy fz"),
        ("atom 5", "atom nan", r"line 7: 'atom' needs 8 finite numbers, found 'nan 0 1"),
        ("0.10", "1e999", r"line 6: 'atom' needs 8 finite numbers"),
        ("0.75", "q", r"line 6: 'atom' needs 8 finite numbers, found '0 0 1 q"),
        ("end\n", "end\natom 5 0 1 Cl 0 0 0 0 0\n", r"line 11: expected 'begin' of a structure, found 'atom'"),
        ("lattice 10", "begin\nlattice 10", r"line 3: unknown keyword 'begin'"),
    ],
)
def test_a_broken_file_is_refused_with_its_line(write, old, new, message):
    assert SALT.count(old) >= 1
    with pytest.raises(InputError, match=message):
        read_frames([write(SALT.replace(old, new, 1))])


def test_a_structure_without_atoms_is_refused(write):
    with pytest.raises(InputError, match="from line 1: there are no atoms"):
        read_frames([write("begin\nenergy 1\nend\n")])


def test_writing_refuses_what_the_format_cannot_hold(tmp_path):
    atoms = Atoms("Cu", cell=[3.0, 3.0, 9.0], pbc=[True, True, False])
    atoms.calc = SinglePointCalculator(atoms, energy=0.0, forces=np.zeros((1, 3)))
    with pytest.raises(InputError, match="periodic in some directions only"):
        write_n2p2(tmp_path / "input.data", [atoms])
    with pytest.raises(InputError, match="structure 0 has no energy and no forces"):
        write_n2p2(tmp_path / "input.data", [Atoms("H")])
    (tmp_path / "input.data").write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_n2p2(tmp_path / "input.data", [])
    assert (tmp_path / "input.data").read_text() == "mine"


@pytest.mark.skipif(not PUBLISHED.exists(), reason="the published four-generation excerpts are not here")
class TestPublished:
    def test_carbon_chains_carry_their_charge(self):
        frames = [frame.atoms for frame in read_frames([PUBLISHED / "Carbon_chain_4G.input.data"])]
        assert len(frames) == 128
        for atoms in frames:
            n_hydrogen = (atoms.symbols == "H").sum()
            assert atoms.info["total_charge"] == {2: 0.0, 3: 1.0}[n_hydrogen]
            # Hirshfeld charges on a grid: their sum is the total charge within some 1e-4 e.
            assert atoms.arrays["charges"].sum() == pytest.approx(atoms.info["total_charge"], abs=2e-3)
            assert 1.0 < atoms.get_all_distances()[np.triu_indices(len(atoms), 1)].min() < 1.2  # a C-H bond in Å

    def test_water_has_the_density_of_ice(self):
        frames = [frame.atoms for frame in read_frames([PUBLISHED / "H2O_RPBE-D3_4G.input.data"])]
        assert len(frames) == 20
        for atoms in frames:
            assert atoms.pbc.all()
            density = atoms.get_masses().sum() / atoms.get_volume() * 1.66054  # g/cm^3
            assert 0.8 < density < 1.2
            np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=0.05)

    def test_labels_agree_with_ase(self):
        runner = pytest.importorskip("ase.io.runner")
        path = PUBLISHED / "Carbon_chain_4G.input.data"
        with path.open() as stream:
            others = list(runner.read_runnerdata(stream, slice(None)))
        for ours, other in zip(read_n2p2(path), others, strict=True):
            np.testing.assert_allclose(ours.positions, other.positions, rtol=1e-7)
            np.testing.assert_allclose(ours.get_forces(), other.get_forces(), rtol=1e-7, atol=1e-9)
            assert ours.get_potential_energy() == pytest.approx(other.get_potential_energy(), rel=1e-7)
