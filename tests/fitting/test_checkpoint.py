"""Checkpoints: nothing is lost, nothing is executed, and what cannot be read is said."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting import checkpoint as module
from mliap_hybrid.fitting.checkpoint import load_model, read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings

ENERGY_OF_THE_THIRD_VERSION = 5.6201727350034645
"""Energy in eV that the model of the stored checkpoint gave to its example when it was written."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    settings = small_settings(tmp_path_factory.mktemp("run"), electrostatics={"charges": "reference"})
    train(settings, Display(), last_epoch=1)
    return settings.run


def test_written_and_read_again(run, tmp_path):
    first = read_checkpoint(RunFolder(run).checkpoint("last"))
    write_checkpoint(first, tmp_path / "again.pt")
    second = read_checkpoint(tmp_path / "again.pt")
    assert second.data == first.data
    assert second.initial_fit.elements == first.initial_fit.elements
    assert torch.equal(second.initial_fit.whitening.matrix, first.initial_fit.whitening.matrix)
    before, after = predict(first.model, first.example), predict(second.model, second.example)
    assert torch.equal(before.energies, after.energies)
    assert torch.equal(before.forces, after.forces)
    assert first.example.energies is None
    assert [path.name for path in tmp_path.iterdir()] == ["again.pt"]  # no temporary file is left


def test_a_write_that_fails_leaves_the_old_file(run, tmp_path, monkeypatch):
    checkpoint = read_checkpoint(RunFolder(run).checkpoint("last"))
    path = tmp_path / "last.pt"
    write_checkpoint(checkpoint, path)
    before = path.read_bytes()

    def full_disk(content, file):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.torch, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(checkpoint, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", [0, 10, 1000, -200])
def test_truncated_checkpoint_is_refused(run, tmp_path, size):
    content = RunFolder(run).checkpoint("last").read_bytes()
    path = tmp_path / "last.pt"
    path.write_bytes(content[:size])
    with pytest.raises(InputError, match="it is damaged or of another kind"):
        read_checkpoint(path)


def test_checkpoint_of_the_third_version(tmp_path):
    """Written before forces could be direct, with fitted charges."""
    checkpoint = read_checkpoint(Path(__file__).parents[1] / "fixtures" / "checkpoint_version_3.pt")
    assert checkpoint.model.is_conservative
    assert checkpoint.trainer["epoch"] == 1
    prediction = predict(checkpoint.model, checkpoint.example)
    write_checkpoint(checkpoint, tmp_path / "now.pt")
    again = predict(read_checkpoint(tmp_path / "now.pt").model, checkpoint.example)
    assert torch.equal(again.forces, prediction.forces)
    assert prediction.energies.item() == pytest.approx(ENERGY_OF_THE_THIRD_VERSION, abs=1e-9)


def test_newer_version_is_refused(run, tmp_path):
    content = torch.load(RunFolder(run).checkpoint("last"), weights_only=True)
    content |= {"version": module.FORMAT_VERSION + 1, "package": "9.9"}
    torch.save(content, tmp_path / "new.pt")
    with pytest.raises(InputError, match=r"version \d+, written by mliap_hybrid 9\.9.*upgrade mliap_hybrid"):
        read_checkpoint(tmp_path / "new.pt")


def test_other_files_are_refused(tmp_path):
    torch.save({"weights": torch.ones(3)}, tmp_path / "other.pt")
    with pytest.raises(InputError, match="is not a checkpoint of mliap_hybrid"):
        read_checkpoint(tmp_path / "other.pt")
    with pytest.raises(InputError, match="does not exist"):
        read_checkpoint(tmp_path / "none.pt")
    with pytest.raises(InputError, match="is not a run folder"):
        load_model(tmp_path)


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_code_in_a_checkpoint_is_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Harmful()))
    torch.save({"format": module.FORMAT, "version": 1, "trainer": Harmful()}, tmp_path / "worse.pt")
    for name in ("bad.pt", "worse.pt"):
        with pytest.raises(InputError, match="cannot be read as a checkpoint"):
            read_checkpoint(tmp_path / name)
    assert not (tmp_path / "harmed").exists()


@pytest.mark.parametrize("value", ["gone", None, 3, [], {}, {"a": torch.ones(1)}])
def test_a_checkpoint_with_other_content_is_refused(run, tmp_path, value):
    """Each part of it, one after the other, is missing or something else: one sentence, or it is not needed."""
    whole = torch.load(RunFolder(run).checkpoint("last"), weights_only=True)
    for name in ("version", "model", "example", "terms"):
        content = dict(whole)
        if value == "gone":
            del content[name]
        else:
            content[name] = value
        if (name, value) in (("version", 3), ("terms", None)):
            continue
        torch.save(content, tmp_path / "edited.pt")
        with pytest.raises(InputError, match=r"content is damaged|fewer"):
            read_checkpoint(tmp_path / "edited.pt")


def test_weights_of_another_shape_are_refused(run, tmp_path):
    content = torch.load(RunFolder(run).checkpoint("last"), weights_only=True)
    content["model"]["tensors"]["network.offset"] = torch.zeros(7, dtype=torch.float64)
    torch.save(content, tmp_path / "edited.pt")
    with pytest.raises(InputError, match=r"tensor 'network.offset' of the model has shape \(7,\), expected"):
        read_checkpoint(tmp_path / "edited.pt")
