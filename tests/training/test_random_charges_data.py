"""The gas of known charges: is what the file says what was meant, by a Coulomb sum of other hands."""

import collections
from pathlib import Path

import numpy as np
import pytest

from mliap_hybrid.config import read_training_file
from mliap_hybrid.data.reading import read_frames

FOLDER = Path(__file__).parents[2] / "training" / "random_charges"
SCRIPTS = ("prepare",)


@pytest.fixture(scope="module")
def prepare(scripts):
    return scripts["prepare"]


@pytest.fixture(scope="module")
def frames(prepare):
    return [frame.atoms for frame in read_frames([prepare.DATA_FILE])]


def test_file_is_small(prepare):
    assert prepare.DATA_FILE.stat().st_size < 2e6


def test_frames_hold_as_many_positive_as_negative_particles(frames):
    for atoms in frames:
        assert atoms.symbols.formula.count() == {"Na": 64, "Cl": 64}
        np.testing.assert_array_equal(atoms.arrays["true_charges"], np.where(atoms.symbols == "Na", 1, -1))
        np.testing.assert_allclose(atoms.get_forces().sum(axis=0), 0, atol=0.02)  # 128 forces of three decimals


def test_cells_differ_in_size_and_belong_to_one_split_each(frames):
    edges, splits = collections.defaultdict(set), collections.defaultdict(set)
    for atoms in frames:
        cell = atoms.info["frame"].split("/")[0]
        edges[cell].add(atoms.cell.lengths()[0])
        splits[cell].add(atoms.info["split"])
    assert len(frames) == 1000
    assert all(len(edges[cell]) == len(splits[cell]) == 1 for cell in edges)
    assert min(min(edge) for edge in edges.values()) < 13.5
    assert max(max(edge) for edge in edges.values()) > 18.5


def test_labels_agree_with_another_ewald_sum(prepare, frames):
    """pymatgen and a plain sum of pairs against LAMMPS, which made the labels; the forces by differences of both."""
    atoms = frames[-1]
    assert atoms.get_potential_energy() == pytest.approx(prepare.expected_energy(atoms), abs=1e-4)
    i, energies = 70, []
    for sign in (+1, -1):
        moved = atoms.copy()
        moved.positions[i, 1] += sign * 1e-3
        energies.append(prepare.expected_energy(moved))
    assert -(energies[0] - energies[1]) / 2e-3 == pytest.approx(atoms.get_forces()[i, 1], abs=2e-3)


def test_training_file_is_valid_and_trains_on_no_charge():
    settings = read_training_file(FOLDER / "train.yaml")
    assert settings.electrostatics.predicts
    assert settings.loss.charges == 0


def test_an_existing_data_file_is_not_replaced(prepare, tmp_path):
    output = tmp_path / "random_charges.extxyz.xz"
    output.write_text("mine")
    with pytest.raises(SystemExit, match="--force"):
        prepare.make(output, force=False)
    assert output.read_text() == "mine"
