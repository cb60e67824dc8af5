"""The verb `plot features`, as a user meets it: a picture, or one line that says what is wrong."""

import sys
from typing import get_args

import pytest
from ase import Atoms
from ase.build import molecule
from ase.io import write
from matplotlib.image import imread

from mliap_hybrid.cli import main as module
from mliap_hybrid.config import FeatureSettings
from mliap_hybrid.features.density_files import load_table, write_g_folder
from mliap_hybrid.testing.structures import rock_salt


def run(monkeypatch, capsys, *arguments):
    """Exit status, standard output and standard error of `mliap-hybrid plot features arguments`."""
    monkeypatch.setattr(sys, "argv", ["mliap-hybrid", "plot", "features", *map(str, arguments)])
    with pytest.raises(SystemExit) as caught:
        module.main()
    captured = capsys.readouterr()
    return caught.value.code or 0, captured.out, captured.err


@pytest.fixture
def ethanol(tmp_path):
    """A file with two frames: ethanol, and rock salt."""
    path = tmp_path / "two.extxyz"
    write(path, [molecule("CH3CH2OH"), rock_salt(1)])
    return path


def assert_is_a_picture(path):
    pixels = imread(path)  # (height, width, 4), 0 to 1
    assert min(pixels.shape[:2]) > 500
    assert (pixels[..., :3].min(-1) < 0.9).mean() > 0.02  # not blank


@pytest.mark.parametrize("name", get_args(FeatureSettings.model_fields["set"].annotation))
def test_named_sets(ethanol, monkeypatch, capsys, name):
    output = ethanol.parent / "picture.png"
    status, text, errors = run(monkeypatch, capsys, ethanol, "-o", output, "--set", name)
    assert (status, errors) == (0, "")
    assert f"wrote {output}: " in text
    assert "features of 9 atoms" in text
    assert_is_a_picture(output)


def test_defaults_and_the_last_frame(ethanol, monkeypatch, capsys):
    output = ethanol.parent / "picture.png"
    status, text, _ = run(monkeypatch, capsys, ethanol, "-o", output, "--index", "-1")
    assert status == 0
    assert "features of 8 atoms" in text
    assert_is_a_picture(output)


def test_training_file_with_densities_of_its_own(ethanol, monkeypatch, capsys, tmp_path):
    write_g_folder(tmp_path / "mine", load_table("gth-pbe").subset([1, 6, 8]))
    (tmp_path / "train.yaml").write_text(
        "data: {files: [not_there.extxyz]}\n"
        "features: {set: gmp-classic, max_order: 5, widths: [0.4, 0.8, 1.2], density_table: mine}\n"
    )
    arguments = (ethanol, "-o", tmp_path / "p.png", "--config", tmp_path / "train.yaml")
    status, text, errors = run(monkeypatch, capsys, *arguments)
    assert (status, errors) == (0, "")
    assert "18 features of 9 atoms" in text
    assert_is_a_picture(tmp_path / "p.png")
    status, _, errors = run(monkeypatch, capsys, *arguments, "--index", 1, "--overwrite")
    assert status == 1
    assert "has no Na (Z = 11); its elements are: H C O" in errors


def test_lengths_of_the_training_file(ethanol, monkeypatch, capsys, tmp_path):
    """The same molecule in bohr gives the same picture."""
    in_bohr = molecule("CH3CH2OH")
    in_bohr.positions /= 0.529177210903
    write(tmp_path / "bohr.extxyz", in_bohr)
    (tmp_path / "bohr.yaml").write_text("data: {files: [a.extxyz], units: {length: bohr}}\n")
    assert run(monkeypatch, capsys, ethanol, "-o", tmp_path / "a.png")[0] == 0
    arguments = (tmp_path / "bohr.extxyz", "-o", tmp_path / "b.png", "--config", tmp_path / "bohr.yaml")
    status, _, errors = run(monkeypatch, capsys, *arguments)
    assert (status, errors) == (0, "")
    difference = abs(imread(tmp_path / "a.png") - imread(tmp_path / "b.png"))
    assert (difference > 0.02).mean() < 1e-3


def test_nothing_is_overwritten(ethanol, monkeypatch, capsys, tmp_path):
    (tmp_path / "old.png").write_text("precious")
    status, _, errors = run(monkeypatch, capsys, ethanol, "-o", tmp_path / "old.png")
    assert status == 1
    assert "old.png exists already; choose another name or give --overwrite" in errors
    assert (tmp_path / "old.png").read_text() == "precious"
    assert run(monkeypatch, capsys, ethanol, "-o", tmp_path / "old.png", "--overwrite")[0] == 0
    assert_is_a_picture(tmp_path / "old.png")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.extxyz", "-o", "p.png"], "none.extxyz does not exist"),
        (["two.extxyz", "-o", "p.gif"], "p.gif: expected a name that ends in .png, .pdf, .svg"),
        (["two.extxyz", "-o", "nowhere/p.png"], "the folder nowhere does not exist"),
        (["two.extxyz", "-o", "p.png", "--index", "2"], "--index 2: two.extxyz has 2 frames; expected 0 to 1"),
        (["two.extxyz", "-o", "p.png", "--set", "gmp-classik"], "gmp-classi"),
        (["two.extxyz", "-o", "p.png", "--config", "none.yaml"], "cannot read the training file none.yaml"),
        (["two.extxyz", "-o", "p.png", "--config", "a.yaml", "--set", "gmp-2c"], "exclude each other"),
        (["radium.extxyz", "-o", "p.png"], "has no Ra (Z = 88)"),
        (["broken.extxyz", "-o", "p.png"], "atom 1 has the position"),
        (["same.extxyz", "-o", "p.png"], "two atoms at one place"),
        (["two.extxyz"], "--output"),
    ],
)
def test_mistakes(ethanol, monkeypatch, capsys, arguments, message):
    folder = ethanol.parent
    monkeypatch.chdir(folder)
    write("radium.extxyz", Atoms("Ra"))
    write("broken.extxyz", Atoms("H2", positions=[[0, 0, 0], [0, 0, float("nan")]]))
    write("same.extxyz", Atoms("H2", positions=[[0, 0, 0], [0, 0, 0]]))
    status, _, errors = run(monkeypatch, capsys, *arguments)
    assert status != 0
    assert message in errors
    assert "Traceback" not in errors
    assert not list(folder.glob("p.*"))
