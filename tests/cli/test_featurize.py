"""The verb featurize: what it writes and prints, and one line for each mistake."""

import json
import sys

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.cli import main as module
from mliap_hybrid.config import write_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.model_factory import make_features
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.structures import rock_salt

FRAMES = [rock_salt(1, rattle=0.2, seed=1), Atoms("NaCl", [[0, 0, 0], [0, 0, 2.4]]), Atoms("Na")]
"""No labels, different sizes, one atom alone."""

FRAMES[0].positions = FRAMES[0].positions.round(8)  # as many digits as the file has


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return small_settings(tmp_path_factory.mktemp("train"))


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, settings):
    """Exit status, standard output and standard error of `mliap-hybrid featurize arguments`, run in `tmp_path`."""

    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["mliap-hybrid", "featurize", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            module.main()
        captured = capsys.readouterr()
        return caught.value.code or 0, captured.out, captured.err

    ase.io.write(tmp_path / "data.extxyz", FRAMES)
    write_training_file(settings, tmp_path / "train.yaml")
    return call


@pytest.fixture
def direct(settings):
    """Batches and featuriser of train.yaml."""
    return [frame_to_batch(a, settings.features.cutoff) for a in FRAMES], make_features(settings, (11, 17))


def test_file_holds_the_features(run, direct, tmp_path):
    status, output, errors = run("data.extxyz", "--config", "train.yaml", "--output", "f.npz")
    assert (status, errors) == (0, "")
    batches, features = direct
    with np.load(tmp_path / "f.npz") as file:
        assert set(file) == {"features", "frame", "numbers", "labels", "selected", "settings"}
        expected = torch.cat([features(batch.geometry()) for batch in batches])
        np.testing.assert_allclose(file["features"], expected.numpy(), rtol=1e-10, atol=1e-13)  # by the kernels
        assert file["frame"].tolist() == [0] * 8 + [1, 1, 2]
        assert file["numbers"].tolist() == [z for atoms in FRAMES for z in atoms.numbers]
        assert file["labels"].tolist() == features.feature_labels
        assert json.loads(str(file["settings"]))["elements"] == ["Na", "Cl"]
    assert f"{features.n_features} features of 11 atoms in 3 frames" in output
    assert "% of the variance lies along" in output
    for label, mean in zip(features.feature_labels, expected.mean(0).tolist(), strict=True):
        assert any(f" {label} " in line and f" {mean:.4g} " in line for line in output.splitlines()), label


def test_derivatives_lead_from_one_structure_to_the_next(run, direct, tmp_path):
    """dF = sum_p dF/dr_p (dr_j - dr_i), from the file's own indices, against moved atoms."""
    assert run("data.extxyz", "--config", "train.yaml", "--jacobian", "-o", "f.npz")[0] == 0
    step = 1e-4 * np.random.default_rng(0).normal(size=(11, 3))
    ends = []
    for sign in (1, -1):
        frames = [atoms.copy() for atoms in FRAMES]
        for atoms, change in zip(frames, np.split(step, [8, 10]), strict=True):
            atoms.positions += sign * change
        moved = [frame_to_batch(atoms, direct[1].cutoff).geometry() for atoms in frames]
        ends.append(torch.cat([direct[1](geometry) for geometry in moved]).numpy())
    with np.load(tmp_path / "f.npz") as file:
        along = np.einsum("pxf,px->pf", file["jacobian"], step[file["pair_j"]] - step[file["pair_i"]])
        change = np.zeros_like(file["features"])
        np.add.at(change, file["pair_i"], along)
        assert file["pair_vectors"].shape == (len(file["pair_i"]), 3)
    np.testing.assert_allclose(change, (ends[0] - ends[1]) / 2, rtol=1e-4, atol=1e-6 * np.abs(change).max())


def test_selection_keeps_its_columns(run, tmp_path):
    run("data.extxyz", "--config", "train.yaml", "-o", "all.npz")
    status, output, _ = run("data.extxyz", "--config", "train.yaml", "--select", "fps", "--number", "5", "-o", "f.npz")
    assert status == 0
    assert "selected" in output
    with np.load(tmp_path / "f.npz") as file, np.load(tmp_path / "all.npz") as whole:
        assert file["features"].shape == (11, 5)
        np.testing.assert_array_equal(file["features"], whole["features"][:, file["selected"]])
        assert file["labels"].tolist() == whole["labels"][file["selected"]].tolist()


def test_constant_features_are_marked(run, tmp_path):
    ase.io.write(tmp_path / "crystal.extxyz", rock_salt(1, rattle=0.0)[[0]])
    status, output, _ = run("crystal.extxyz", "--config", "train.yaml")
    assert status == 0
    lines = [line for line in output.splitlines() if line.startswith("│")]
    assert lines
    assert all("constant" in line for line in lines)
    assert f"{len(lines)} of them constant" in output


def test_cache_that_featurize_fills_is_the_one_that_training_reads(run, tmp_path):
    ase.io.write(tmp_path / "labelled.extxyz", labelled_frames(2))
    for computed in (2, 0):
        status, output, _ = run(
            "labelled.extxyz", "--config", "train.yaml", "--cache", "cache", "-o", f"{computed}.npz"
        )
        assert status == 0
        assert f"{2 - computed} frames from the cache" in output
        assert f"{computed} computed and kept there" in output
    with np.load(tmp_path / "0.npz") as a, np.load(tmp_path / "2.npz") as b:
        np.testing.assert_array_equal(a["features"], b["features"])
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_data_of_the_training_file(run):
    status, output, _ = run("--config", "train.yaml")
    assert status == 0
    assert "of 128 atoms in 16 frames" in output


def test_named_set(run):
    status, output, _ = run("data.extxyz", "--set", "gmp-classic")
    assert status == 0
    assert "n=3 s=2" in output


def test_existing_file_is_kept_unless_told(run, tmp_path):
    (tmp_path / "f.npz").write_text("precious")
    status, _, errors = run("data.extxyz", "-o", "f.npz")
    assert status == 1
    assert "f.npz exists already; choose another name or give --overwrite" in errors
    assert (tmp_path / "f.npz").read_text() == "precious"
    assert run("data.extxyz", "--config", "train.yaml", "-o", "f.npz", "--overwrite")[0] == 0
    assert len(np.load(tmp_path / "f.npz")["features"]) == 11


MISTAKES = {
    "nothing": ([], "there is nothing to featurize"),
    "no such file": (["none.extxyz"], "none.extxyz does not exist"),
    "unreadable file": (["broken.extxyz"], "broken.extxyz: an extended xyz file ends within a frame"),
    "element without density": (["heavy.extxyz"], "density table 'gth-pbe' has no Og (Z = 118)"),
    "no number": (["nan.extxyz"], "nan.extxyz, frame 0: atom 1 has the position"),
    "two atoms at one place": (["twins.extxyz"], "twins.extxyz, frame 0: atoms 0 and 1 are"),
    "not npz": (["data.extxyz", "-o", "f.txt"], "expected a name that ends in .npz"),
    "no folder": (["data.extxyz", "--config", "train.yaml", "-o", "none/f.npz"], "cannot write none/f.npz"),
    "unknown set": (["data.extxyz", "--set", "gmp-2d"], "features.set"),
    "set and config": (["data.extxyz", "--set", "gmp-2c", "--config", "train.yaml"], "exclude each other"),
    "half a selection": (["data.extxyz", "--select", "fps"], "--select and --number belong together"),
    "too many": (
        ["data.extxyz", "--config", "train.yaml", "--select", "cur", "--number", "999"],
        "cannot select 999 of",
    ),
    "unknown selection": (["data.extxyz", "--select", "fsp", "--number", "4"], "features.selection"),
    "cache is a file": (["data.extxyz", "--config", "train.yaml", "--cache", "data.extxyz"], "cannot make the feature"),
}


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_is_one_line_and_a_status(run, tmp_path, kind):
    (tmp_path / "broken.extxyz").write_text("3\nLattice\nNa 0 0\n")
    (tmp_path / "nan.extxyz").write_text("2\npbc=F\nNa 0 0 0\nCl 0 nan 2\n")
    (tmp_path / "twins.extxyz").write_text("2\npbc=F\nNa 0 0 0\nCl 0 0 0\n")
    (tmp_path / "heavy.extxyz").write_text("2\npbc=F\nNa 0 0 0\nOg 0 0 3\n")
    arguments, expected = MISTAKES[kind]
    before = set(tmp_path.rglob("*"))
    status, _, errors = run(*arguments)
    assert status == 1
    assert errors.startswith("error: ")
    assert expected in errors
    assert errors.count("\n") == 1
    assert set(tmp_path.rglob("*")) == before
