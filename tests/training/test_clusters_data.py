"""The three sets with long-range charge transfer that are in the repository, and the scripts that made them."""

import collections
from pathlib import Path

import numpy as np
import pytest

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import read_frames

FOLDER = Path(__file__).parents[2] / "training" / "clusters"
SCRIPTS = ("geometries", "prepare")
COMPOSITIONS = {
    "Ag3+": ({"Ag": 3}, +1),
    "Ag3-": ({"Ag": 3}, -1),
    "C10H2": ({"C": 10, "H": 2}, 0),
    "C10H3+": ({"C": 10, "H": 3}, +1),
    "Na9Cl8+": ({"Na": 9, "Cl": 8}, +1),
    "Na8Cl8+": ({"Na": 8, "Cl": 8}, +1),
}
FILES = sorted(FOLDER.glob("*.extxyz.xz"))


@pytest.fixture(scope="module")
def prepare(scripts):
    return scripts["prepare"]


@pytest.fixture(scope="module")
def geometries(scripts):
    return scripts["geometries"]


def by_system(name):
    systems = collections.defaultdict(list)
    for frame in read_frames([FOLDER / f"{name}.extxyz.xz"]):
        systems[frame.atoms.info["system"]].append(frame.atoms)
    return systems


class TestData:
    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_file_is_small_and_its_labels_are_consistent(self, file):
        assert file.stat().st_size < 2e6
        seen = set()
        for atoms in (frame.atoms for frame in read_frames([file])):
            counts, charge = COMPOSITIONS[atoms.info["system"]]
            assert atoms.symbols.formula.count() == counts
            assert atoms.info["total_charge"] == charge
            assert atoms.info["frame"] not in seen
            seen.add(atoms.info["frame"])
            assert not atoms.pbc.any()
            np.testing.assert_allclose(atoms.arrays["hirshfeld_charges"].sum(), charge, atol=1e-4)
            np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=1e-3)
            np.testing.assert_allclose(atoms.positions.mean(axis=0), 0, atol=1e-6)  # where the dipole is taken about

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_labels_agree_with_each_other(self, file):
        """Hirshfeld charges give most of the dipole moment, of its right sign."""
        labels, found = [], []
        for atoms in (frame.atoms for frame in read_frames([file])):
            labels.append(atoms.get_dipole_moment())
            found.append(atoms.arrays["hirshfeld_charges"] @ atoms.positions)
        assert np.corrcoef(np.ravel(labels), np.ravel(found))[0, 1] > 0.8

    @pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
    def test_every_part_holds_every_system(self, file):
        splits = collections.defaultdict(set)
        for frame in read_frames([file]):
            splits[frame.atoms.info["system"]].add(frame.atoms.info["split"])
        assert all(found == {"train", "validation", "test"} for found in splits.values())

    @pytest.mark.parametrize("name", ["ag3", "carbon_chains", "nacl_clusters"])
    def test_training_files_are_valid(self, name):
        settings = read_training_file(FOLDER / f"{name}.yaml")
        assert settings.electrostatics.predicts
        assert settings.data.keys.total_charge == "total_charge"

    def test_silver_prefers_a_triangle_with_one_charge_and_a_line_with_the_other(self):
        systems = by_system("ag3")
        for system, best in (("Ag3+", 60.0), ("Ag3-", 180.0)):
            lowest = min(systems[system], key=lambda atoms: atoms.get_potential_energy())
            assert max(lowest.get_angle(*sites) for sites in ((0, 1, 2), (1, 2, 0), (2, 0, 1))) == pytest.approx(
                best, abs=12
            )


class TestPrepare:
    def test_the_salt_cluster_is_a_crystal_block_without_one_chlorine(self, geometries):
        whole, less = geometries.salt_cluster(), geometries.salt_cluster_without_sodium()
        assert whole.symbols.formula.count() == {"Na": 9, "Cl": 8}
        assert less.symbols.formula.count() == {"Na": 8, "Cl": 8}
        np.testing.assert_array_equal(whole.positions[1:], less.positions)
        distances = whole.get_all_distances()
        same = whole.numbers[:, None] == whole.numbers
        assert distances[~same].min() == pytest.approx(2.8)
        assert distances[same & (distances > 0)].min() == pytest.approx(2.8 * np.sqrt(2))

    def test_move_outwards(self, geometries):
        cluster = geometries.salt_cluster()
        before = cluster.copy()
        geometries.move_outwards(cluster, 5, 0.7)
        shift = cluster.positions - before.positions
        assert np.linalg.norm(shift[5]) == pytest.approx(0.7)
        np.testing.assert_array_equal(np.delete(shift, 5, axis=0), 0)
        centre = np.delete(before.positions, 5, axis=0).mean(axis=0)
        assert np.linalg.norm(cluster.positions[5] - centre) > np.linalg.norm(before.positions[5] - centre)

    def test_every_silver_triangle_comes_with_both_charges(self, geometries):
        frames = list(geometries.silver_trimers(seed=3))
        assert len(frames) == 2 * geometries.N_TRIANGLES
        for plus, minus in zip(frames[::2], frames[1::2], strict=True):
            assert (plus.info["total_charge"], minus.info["total_charge"]) == (1.0, -1.0)
            assert plus.info["split"] == minus.info["split"]
            np.testing.assert_array_equal(plus.positions, minus.positions)

    def test_a_frame_cut_short_is_dropped_and_the_rest_kept(self, prepare, geometries, tmp_path):
        part = tmp_path / "labelled.extxyz"
        frames = [geometries.carbon_chain(), geometries.protonated_chain(), geometries.carbon_chain()]
        for atoms in frames:
            atoms.write(part, format="extxyz", append=True)
        text = part.read_text()
        for n_cut in (1, 40, 200):
            part.write_text(text[:-n_cut])
            assert [len(atoms) for atoms in prepare.whole_frames(part)] == [12, 13]
        part.write_text(text[:100])
        assert prepare.whole_frames(part) == []


class TestPBE:
    """Needs PySCF, as `pip install 'mliap_hybrid[labels]'` brings it."""

    @pytest.fixture
    def pbe(self, scripts):
        pytest.importorskip("pyscf")
        import pbe

        return pbe

    @pytest.mark.parametrize(("symbol", "n_electrons"), [("H", 1), ("C", 6), ("Ag", 19)])
    def test_free_atoms_hold_their_electrons(self, pbe, symbol, n_electrons):
        distances = np.linspace(1e-4, 20.0, 20001)  # Bohr
        density = pbe.free_atom_density(symbol, distances)
        assert np.trapezoid(4 * np.pi * distances**2 * density, distances) == pytest.approx(n_electrons, abs=1e-4)

    @pytest.mark.parametrize("total_charge", [0, 1])
    def test_forces_and_dipole_of_a_small_molecule(self, pbe, geometries, total_charge):
        """A force by differences; the dipole moment as the derivative of nothing but its own definition: q r."""
        from ase import Atoms

        molecule = Atoms("HCl", [(0.0, 0.0, 0.0), (0.1, 0.2, 1.3)])
        labels = pbe.pbe(molecule, total_charge)
        energies = []
        for sign in (+1, -1):
            moved = molecule.copy()
            moved.positions[0, 2] += sign * 5e-3
            energies.append(pbe.pbe(moved, total_charge, with_forces=False).energy)
        assert -(energies[0] - energies[1]) / 1e-2 == pytest.approx(labels.forces[0, 2], abs=2e-3)
        assert labels.charges.sum() == pytest.approx(total_charge)
        assert labels.charges[0] > 0.05  # hydrogen is the positive end
        away = molecule.copy()
        away.positions += (3.0, 0.0, 0.0)
        shifted = pbe.pbe(away, total_charge, with_forces=False)
        np.testing.assert_allclose(shifted.dipole - labels.dipole, (3.0 * total_charge, 0, 0), atol=1e-3)
