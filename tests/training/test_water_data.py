"""The water data set that is in the repository, and the scripts that made it."""

import collections
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.neighborlist import neighbor_list

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import read_frames

FOLDER = Path(__file__).parents[2] / "training" / "water"
SCRIPTS = ("geometries", "prepare")


@pytest.fixture(scope="module")
def prepare(scripts):
    return scripts["prepare"]


@pytest.fixture(scope="module")
def geometries(scripts):
    return scripts["geometries"]


@pytest.fixture(scope="module")
def frames(prepare):
    return [frame.atoms for frame in read_frames([prepare.DATA_FILE])]


@pytest.fixture
def lattice(geometries):
    """64 turned molecules on a lattice, as the dynamics starts."""
    text = geometries.lammps_data(12.5, np.random.default_rng(0))
    rows = text.split("Atoms\n\n")[1].split("\n\nBonds")[0].splitlines()
    positions = np.array([row.split()[4:] for row in rows], dtype=float)
    return Atoms("OHH" * 64, positions, cell=[12.5] * 3, pbc=True)


class TestData:
    def test_file_is_small(self, prepare):
        assert prepare.DATA_FILE.stat().st_size < 2e6

    def test_every_planned_frame_is_there_once(self, geometries, frames):
        planned = [f"{run.name}/{n:02d}" for run in geometries.PLAN for n in range(run.n_frames)]
        assert [atoms.info["frame"] for atoms in frames] == planned

    def test_frames_are_64_neutral_molecules_without_net_force(self, frames):
        for atoms in frames:
            assert (atoms.numbers.reshape(64, 3) == [8, 1, 1]).all()
            bonds = [atoms.get_distances(3 * n, [3 * n + 1, 3 * n + 2], mic=True) for n in range(64)]
            assert 0.8 < np.min(bonds) < np.max(bonds) < 1.25  # Å
            np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=2e-3)  # five decimals
            np.testing.assert_allclose(atoms.arrays["gfn1_charges"].sum(), 0, atol=2e-3)

    def test_charges_follow_the_surroundings(self, frames):
        """Oxygen is negative, hydrogen positive, and both vary by some hundredths of e."""
        for symbol, sign in (("O", -1), ("H", +1)):
            charges = np.concatenate([a.arrays["gfn1_charges"][a.symbols == symbol] for a in frames])
            assert (sign * charges > 0.2).all()
            assert 0.005 < charges.std() < 0.1

    def test_dense_water_pushes_outwards_more_than_thin_water(self, frames):
        stress = collections.defaultdict(list)
        for atoms in frames:
            stress[atoms.info["frame"].split("/")[0]].append(np.trace(atoms.get_stress(voigt=False)))
        assert np.mean(stress["spc_md_300K_1.10"]) < np.mean(stress["spc_md_300K_0.90"])

    def test_splits_are_blocks_in_time(self, frames):
        runs = collections.defaultdict(list)
        for atoms in frames:
            runs[atoms.info["frame"].split("/")[0]].append(atoms.info["split"])
        for splits in runs.values():
            assert splits == sorted(splits, key=["train", "validation", "test"].index)
            assert set(splits) == {"train", "validation", "test"}

    def test_training_file_is_valid(self):
        assert read_training_file(FOLDER / "train.yaml").electrostatics.predicts


class TestPrepare:
    def test_density_of_the_cells(self, geometries):
        """64 molecules of 18.015 g/mol at 1 g/cm^3 fill a cube of 12.42 Å."""
        run = next(run for run in geometries.PLAN if run.density == 1.0)
        assert run.edge == pytest.approx(12.42, abs=0.01)

    def test_strain_keeps_the_molecules(self, geometries, lattice):
        before = lattice.copy()
        lattice.wrap()
        geometries.strain(lattice, np.random.default_rng(1))
        strain = np.linalg.solve(before.cell[:], lattice.cell[:]) - np.eye(3)
        np.testing.assert_allclose(strain, strain.T, atol=1e-12)
        assert 0.005 < np.abs(strain).max() <= 0.03
        for n in (0, 17, 63):
            arms = [a.get_distances(3 * n, [3 * n + 1, 3 * n + 2], mic=True) for a in (before, lattice)]
            np.testing.assert_allclose(arms[1], arms[0], atol=1e-9)

    def test_push_together_moves_one_molecule_towards_its_neighbour(self, geometries, lattice):
        before = lattice.copy()
        geometries.push_together(lattice, np.random.default_rng(0))
        shift = np.linalg.norm(lattice.positions - before.positions, axis=1)
        assert (shift > 1e-9).sum() == 3
        nearest = [neighbor_list("d", a, {("O", "O"): 6.0}).min() for a in (before, lattice)]
        assert 0.2 <= nearest[0] - nearest[1] <= 0.7

    def test_a_frame_cut_short_is_dropped_and_the_rest_kept(self, prepare, frames, tmp_path):
        part = tmp_path / "labelled.extxyz"
        for atoms in frames[:3]:
            atoms.write(part, format="extxyz", append=True)
        text = part.read_text()
        for n_cut in (1, 40, 3000):
            part.write_text(text[:-n_cut])
            assert len(prepare.whole_frames(part)) == 2
        part.write_text(text[:100])
        assert prepare.whole_frames(part) == []

    def test_an_existing_data_file_is_not_replaced(self, prepare, tmp_path):
        output = tmp_path / "water64.extxyz.xz"
        output.write_text("mine")
        with pytest.raises(SystemExit, match="--force"):
            prepare.make(output, tmp_path / "scratch", force=False)
        assert output.read_text() == "mine"
