"""The ethanol data set that is in the repository, and the script that made it."""

from pathlib import Path

import numpy as np
import pytest
from ase.build import molecule

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import read_frames
from mliap_hybrid.sgdml.molecules import molecules_from_frames
from mliap_hybrid.sgdml.search import search_sigma, symmetries_of

FOLDER = Path(__file__).parents[2] / "training" / "ethanol"
SCRIPTS = ("prepare",)
KCAL = 0.0433641
"""eV."""


@pytest.fixture(scope="module")
def prepare(scripts):
    return scripts["prepare"]


@pytest.fixture(scope="module")
def labelled(prepare):
    return read_frames([prepare.DATA_FILE])


@pytest.fixture(scope="module")
def frames(labelled):
    return [frame.atoms for frame in labelled]


@pytest.fixture(scope="module")
def molecules(labelled):
    return molecules_from_frames(labelled)


class TestData:
    def test_file_is_small(self, prepare):
        assert prepare.DATA_FILE.stat().st_size < 7e5

    def test_every_planned_frame_is_there_once(self, prepare, frames):
        planned = [f"{run.name}/{n:02d}" for run in prepare.PLAN for n in range(prepare.FRAMES_PER_RUN)]
        assert [atoms.info["frame"] for atoms in frames] == planned

    def test_atoms_are_in_one_order_and_whole_molecules(self, frames):
        template = molecule("CH3CH2OH")
        bonded = [(0, 1), (1, 2), (2, 3), (1, 4), (1, 5), (0, 6), (0, 7), (0, 8)]
        for atoms in frames:
            assert (atoms.numbers == template.numbers).all()
            assert not atoms.pbc.any()
            lengths = [atoms.get_distance(i, j) / template.get_distance(i, j) for i, j in bonded]
            assert 0.75 < min(lengths) < max(lengths) < 1.35

    def test_forces_neither_move_nor_turn_the_molecule(self, frames):
        for atoms in frames:
            np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=1e-5)
            torque = np.cross(atoms.positions, atoms.get_forces()).sum(axis=0)  # eV
            np.testing.assert_allclose(torque, 0, atol=1e-4)

    def test_energy_of_the_vibrations_is_that_of_the_temperature(self, frames):
        """About half of 21 degrees of freedom times k_B T; hydroxyl and methyl are no harmonic oscillators."""
        energies = np.array([atoms.get_potential_energy() for atoms in frames])
        temperatures = np.array([atoms.info["T"] for atoms in frames])
        minimum = -310.0558  # gauche
        for temperature in (500, 600, 700):
            mean = energies[temperatures == temperature].mean() - minimum
            assert mean == pytest.approx(21 / 2 * 8.617333e-5 * temperature, rel=0.1)

    def test_hydroxyl_and_methyl_have_turned(self, prepare, frames):
        places = [(prepare.conformer(atoms), prepare.methyl_place(atoms)) for atoms in frames]
        assert {place for place, _ in places} == {"trans", "gauche+", "gauche-"}
        assert {place for _, place in places} == {"methyl-1", "methyl-2", "methyl-3"}
        for names in zip(*places, strict=True):
            assert min(names.count(name) for name in set(names)) > 100

    def test_symmetries_are_found(self, molecules):
        assert len(symmetries_of(molecules)) == 6

    def test_two_hundred_frames_give_forces_within_one_kcal(self, molecules):
        order = np.random.default_rng(0).permutation(molecules.n_frames)
        permutations = symmetries_of(molecules)
        search = search_sigma(molecules, order[:200], order[200:400], [10.0], permutations)
        assert search.errors[10.0].force_mae < 1.0 * KCAL
        assert search.errors[10.0].energy_mae < 0.3 * KCAL

    def test_training_file_is_valid(self, frames):
        settings = read_training_file(FOLDER / "train.yaml")
        trained = 1 - settings.data.validation - settings.data.test
        assert settings.gdml.n_train <= trained * len(frames)


class TestPrepare:
    @pytest.mark.parametrize(
        ("angle", "name"), [(60, "gauche+"), (180, "trans"), (300, "gauche-"), (-60, "gauche-"), (121, "trans")]
    )
    def test_conformers(self, prepare, angle, name):
        atoms = molecule("CH3CH2OH")
        atoms.set_dihedral(*prepare.HYDROXYL, angle, indices=[3])
        assert prepare.conformer(atoms) == name

    def test_an_existing_data_file_is_not_replaced(self, prepare, tmp_path):
        output = tmp_path / "ethanol.extxyz.xz"
        output.write_text("mine")
        with pytest.raises(SystemExit, match="--force"):
            prepare.make(output, tmp_path / "scratch", force=False)
        assert output.read_text() == "mine"

    def test_finished_trajectories_are_not_run_again(self, prepare, monkeypatch, tmp_path):
        ran = []

        def frames_of(run):
            ran.append(run.name)
            if len(ran) == 3:
                raise KeyboardInterrupt
            return [molecule("CH3CH2OH")]

        monkeypatch.setattr(prepare, "frames_of", frames_of)
        output = tmp_path / "ethanol.extxyz.xz"
        with pytest.raises(KeyboardInterrupt):
            prepare.make(output, tmp_path, force=False)
        assert not output.exists()
        prepare.make(output, tmp_path, force=False)
        assert sorted(ran) == sorted([run.name for run in prepare.PLAN] + [prepare.PLAN[2].name])
        assert len(read_frames([output])) == len(prepare.PLAN)
