"""The NaCl data set that is in the repository, and the script that made it."""

import collections
import importlib
import io
import lzma
import sys
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

FOLDER = Path(__file__).parents[2] / "training" / "nacl"


@pytest.fixture(scope="module")
def scripts():
    """The two scripts of the folder, imported as they import each other."""
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module("prepare"), importlib.import_module("geometries")
    sys.path.remove(str(FOLDER))
    for name in ("prepare", "geometries"):
        del sys.modules[name]


@pytest.fixture(scope="module")
def prepare(scripts):
    return scripts[0]


@pytest.fixture(scope="module")
def geometries(scripts):
    return scripts[1]


@pytest.fixture(scope="module")
def frames(prepare):
    with lzma.open(
        prepare.DATA_FILE, "rt"
    ) as file:  # ASE, given the name, unpacks it again from the start for each frame
        return ase.io.read(io.StringIO(file.read()), ":", format="extxyz")


@pytest.fixture
def crystal():
    atoms = bulk("NaCl", "rocksalt", a=5.64, cubic=True) * (2, 2, 2)
    atoms.rattle(0.05, seed=0)
    return atoms


class TestData:
    def test_file_is_small(self, prepare):
        assert prepare.DATA_FILE.stat().st_size < 5e6

    def test_every_planned_frame_is_there_once(self, geometries, frames):
        planned = [f"{run.name}/{n:02d}" for run in geometries.PLAN for n in range(run.n_frames)]
        assert [atoms.info["frame"] for atoms in frames] == planned
        assert len(set(planned)) == len(planned)

    def test_no_net_force_and_no_net_charge(self, frames):
        for atoms in frames:
            assert atoms.symbols.formula.count() == {"Na": 32, "Cl": 32}
            np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=2e-6)
            np.testing.assert_allclose(atoms.arrays["gfn1_charges"].sum(), 0, atol=1e-5)

    def test_labels_agree_with_each_other(self, frames):
        """Forces explain energies: displaced by u from its sites, a harmonic crystal has E - E_0 = -1/2 sum F.u."""
        group = [atoms for atoms in frames if atoms.info["frame"].startswith("tosi_fumi_md_solid_300K_5.64A")]
        positions = np.array([atoms.get_scaled_positions() for atoms in group])  # (n_frames, n_atoms, 3)
        order = [match_sites(positions[0], other) for other in positions]
        positions = np.array([frame[sites] for frame, sites in zip(positions, order, strict=True)])
        edge = group[0].cell.lengths()[0]
        moved = (positions - positions[0] + 0.5) % 1 - 0.5
        displacements = edge * (moved - moved.mean(axis=0))  # (n_frames, n_atoms, 3), Å
        displacements -= displacements.mean(axis=1, keepdims=True)
        forces = np.array([atoms.get_forces()[sites] for atoms, sites in zip(group, order, strict=True)])
        work = -0.5 * (forces * displacements).sum(axis=(1, 2))  # (n_frames,), eV
        energies = np.array([atoms.get_potential_energy() for atoms in group])
        slope, _ = np.polyfit(work, energies, 1)
        assert np.corrcoef(work, energies)[0, 1] > 0.9
        assert slope == pytest.approx(1.0, abs=0.25)

    def test_stress_of_a_compressed_crystal_pushes_and_of_a_stretched_one_pulls(self, frames):
        """ASE's sign: positive stress pulls inwards. GFN1-xTB's own lattice constant is 5.47 Å."""
        traces = collections.defaultdict(list)
        for atoms in frames:
            traces[atoms.info["frame"].split("/")[0]].append(np.trace(atoms.get_stress(voigt=False)))
        assert np.mean(traces["tosi_fumi_md_solid_300K_5.64A"]) > 0.01
        assert max(traces["compressed_solid_700K_5.60A"]) < np.mean(traces["tosi_fumi_md_solid_700K_5.60A"])

    def test_splits_are_blocks_in_time_and_test_is_never_next_to_train(self, frames):
        runs = collections.defaultdict(list)
        for atoms in frames:
            runs[atoms.info["frame"].split("/")[0]].append(atoms.info["split"])
        for splits in runs.values():
            assert splits == sorted(splits, key=["train", "validation", "test"].index)
            assert set(splits) == {"train", "validation", "test"}

    def test_some_frames_hold_close_contacts(self, frames):
        nearest = [neighbor_list("d", a, 4.0).min() for a in frames if a.info["source"] == "close_contact"]
        assert min(nearest) < 1.9
        assert max(nearest) < 2.6


def match_sites(reference, positions):
    """Index of the atom nearest to each reference site, in scaled coordinates of a cubic cell."""
    difference = (positions[None, :, :] - reference[:, None, :] + 0.5) % 1 - 0.5
    return np.argmin((difference**2).sum(axis=2), axis=1)


class TestPrepare:
    def test_strain_moves_ions_with_the_cell_and_keeps_it_symmetric(self, geometries, crystal):
        before = crystal.copy()
        geometries.strain(crystal, np.random.default_rng(1))
        strain = np.linalg.solve(before.cell[:], crystal.cell[:]) - np.eye(3)
        np.testing.assert_allclose(strain, strain.T, atol=1e-12)
        assert 0.01 < np.abs(strain).max() <= 0.04
        np.testing.assert_allclose(crystal.get_scaled_positions(), before.get_scaled_positions(), atol=1e-10)

    def test_push_together_moves_two_ions_and_not_their_centre(self, geometries, crystal):
        before = crystal.positions.copy()
        geometries.push_together(crystal, np.random.default_rng(0))
        shift = crystal.positions - before
        assert (np.abs(shift).max(axis=1) > 1e-9).sum() == 2
        np.testing.assert_allclose(shift.sum(axis=0), 0, atol=1e-12)
        assert 1.8 <= neighbor_list("d", crystal, 6.0).min() <= 3.0

    @pytest.mark.parametrize("n_frames", [6, 8, 12, 50])
    def test_split_holds_out_an_eighth_twice(self, geometries, n_frames):
        splits = collections.Counter(geometries.split_of_frame(n, n_frames) for n in range(n_frames))
        assert splits["test"] == splits["validation"] == max(1, round(n_frames / 8))

    def test_a_frame_cut_short_is_dropped_and_the_rest_kept(self, prepare, crystal, tmp_path):
        part = tmp_path / "labelled.extxyz"
        for n in range(3):
            crystal.info["frame"] = f"run/{n}"
            crystal.calc = SinglePointCalculator(crystal, energy=1.0 * n, forces=np.zeros((64, 3)))
            ase.io.write(part, crystal, append=True)
        text = part.read_text()
        for n_cut in (1, 40, 3000):
            part.write_text(text[:-n_cut])
            assert [atoms.info["frame"] for atoms in prepare.whole_frames(part)] == ["run/0", "run/1"]
        part.write_text(text[:100])
        assert prepare.whole_frames(part) == []

    def test_an_existing_data_file_is_not_replaced(self, prepare, tmp_path):
        output = tmp_path / "nacl64.extxyz.xz"
        output.write_text("mine")
        with pytest.raises(SystemExit, match="--force"):
            prepare.make(output, tmp_path / "scratch", force=False)
        assert output.read_text() == "mine"
