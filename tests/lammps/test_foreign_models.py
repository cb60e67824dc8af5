"""No file runs code without the user's word: a harmless payload writes a marker where it is unpickled."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from lammps_runs import run
from test_plugin_pair_style import ARGON, MODEL, save, system

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.cli.load import load_any_model
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.bridge import open_file
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.testing.toy_models import LennardJones

SECONDS = 20.0


class Payload:
    """Writes a file where it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path, str]]:
        return Path.write_text, (self.marker, "the payload has run")


def _plant(directory: Path, name: str) -> tuple[Path, Path]:
    """A file that would write the marker, and the marker."""
    path, marker = directory / name, directory / "marker"
    if path.suffix == ".pt":
        torch.save(Payload(marker), path)
    else:
        path.write_bytes(pickle.dumps(Payload(marker)))
    return path, marker


@pytest.mark.parametrize("name", ["model.pt", "model.pkl", "bare.pt"])
@pytest.mark.parametrize(
    "opener",
    [
        lambda path: open_unified(str(path)),
        lambda path: open_file(str(path)),
        read_model,
        HybridCalculator,
        load_any_model,
    ],
    ids=["open_unified", "bridge", "read_model", "ase", "cli"],
)
def test_a_payload_is_refused_and_does_not_run(tmp_path, name, opener):
    path, marker = _plant(tmp_path, "bare.pkl" if name == "bare.pt" else name)
    if name == "bare.pt":
        path = path.rename(tmp_path / name)
    with pytest.raises(InputError, match=r"not a model file|not written by"):
        opener(path)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["model.pt", "model.pkl"])
def test_the_users_word_opens_it(tmp_path, name):
    """Both ways of Python; the marker shows that the payload is one."""
    for opener in (open_file, open_unified):
        path, marker = _plant(tmp_path, name)
        opener(str(path), trusted=True)
        assert marker.exists()
        marker.unlink()


@pytest.mark.parametrize("ranks", [None, pytest.param(2, marks=pytest.mark.mpi)])
@pytest.mark.parametrize("word", ["", " trusted no"])
def test_lammps_asks_for_the_word(tmp_path, ranks, word):
    _, marker = _plant(tmp_path, "model.pkl")
    lines = system() + MODEL.replace(" trusted yes", word) + "run 0\n"
    result = run(tmp_path, lines, ranks, timeout=SECONDS)
    assert result.status != 0
    assert result.text.count("pair_style mliap unified model.pkl 0 trusted yes") == 1
    assert "Traceback" not in result.text
    assert not marker.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("trusted", "Illegal pair_style mliap unified trusted command: missing argument(s)"),
        ("trusted perhaps", "Expected boolean parameter instead of 'perhaps'"),
    ],
)
def test_a_word_that_is_none(tmp_path, words, message):
    save(tmp_path, LennardJones(["Ne", "Ar"], *ARGON))
    result = run(tmp_path, system() + MODEL.replace("trusted yes", words) + "run 0\n", timeout=SECONDS)
    assert result.status != 0
    assert message in result.text


def test_a_pickle_of_a_module_that_is_not_there(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"cno_such_module_here\nModel\n.")
    with pytest.raises(InputError, match="needs the Python module 'no_such_module_here'"):
        open_file(str(tmp_path / "model.pkl"), trusted=True)
