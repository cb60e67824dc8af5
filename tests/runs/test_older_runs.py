"""Runs of older versions go on as these would have gone on; fixtures/prepare_old_runs.py wrote what is compared."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from mliap_hybrid.config import parse_training_file, write_training_file
from mliap_hybrid.fitting.checkpoint import FORMAT_VERSION, read_checkpoint
from mliap_hybrid.fitting.older_checkpoints import upgraded
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.runs import run as run_module
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train

pytestmark = pytest.mark.usefixtures("undrawn_figures")

FOLDER = Path(__file__).parents[1] / "fixtures" / "old_runs"

RUNS = json.loads((FOLDER / "old_runs.json").read_text())

NAMES = ("fitted", "predicted", "direct")
"""With fitted charges; with predicted ones; with fitted ones, direct forces, and L-BFGS."""


def old_run(name, path):
    """Settings of a run of version 5 whose folder is as it was after the first epoch."""
    content = RUNS[name]["settings"]
    data = content["data"] | {"files": [str(FOLDER / "frames.extxyz")]}
    settings = parse_training_file(content | {"run": str(path / "run"), "data": data}, name)
    folder = RunFolder(settings.run)
    folder.create()
    write_training_file(settings, folder.config)
    folder.metrics.write_text(RUNS[name]["metrics"])
    for which in ("last", "best"):
        shutil.copy(FOLDER / f"{name}.pt", folder.checkpoint(which))
    return settings


@pytest.mark.parametrize("name", NAMES)
def test_next_epoch_is_that_of_the_old_version(tmp_path, name, monkeypatch):
    settings = old_run(name, tmp_path)
    path = RunFolder(settings.run).checkpoint("last")
    before = read_checkpoint(path)
    # The frames are read from text, and the last bits of stresses are those of the machine.
    monkeypatch.setattr(run_module, "fingerprint", lambda batches: before.data)
    train(settings, Display(), resume=True, last_epoch=2)
    found = read_checkpoint(path).trainer
    for which in ("part", "average"):
        expected = {n: torch.tensor(values) for n, values in RUNS[name][which].items()}
        expected = upgraded({"part": expected, "average": expected, "optimiser": {}})[which]
        assert found[which].keys() == expected.keys()
        for weight, values in expected.items():
            torch.testing.assert_close(found[which][weight], values, rtol=1e-4, atol=1e-6, msg=f"{which} {weight}")
    assert any(not torch.equal(found["part"][weight], value) for weight, value in before.trainer["part"].items())
    assert found["best_loss"] == pytest.approx(RUNS[name]["best_loss"], rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_upgraded_checkpoints_are_written_as_those_of_today(tmp_path, name, monkeypatch):
    settings = old_run(name, tmp_path)
    path = RunFolder(settings.run).checkpoint("last")
    assert torch.load(path, weights_only=True)["version"] == 5
    before = read_checkpoint(path)
    monkeypatch.setattr(run_module, "fingerprint", lambda batches: before.data)
    assert train(settings, Display(), resume=True) is not None
    assert torch.load(path, weights_only=True)["version"] == FORMAT_VERSION == 7
    assert read_checkpoint(path).trainer["epoch"] == 3


def test_vectors_of_all_weights_have_charges_last():
    part = {
        "network.linear": torch.zeros(2, 3),
        "charges.coordinates": torch.zeros(1),
        "charges.start": torch.zeros(2),
        "force_network.offset": torch.zeros(2),
    }
    vector = torch.arange(9.0)
    optimiser = {"position": vector, "steps": [vector, 2.0 * vector], "value": 1.0, "gradient": torch.zeros(3)}
    found = upgraded({"part": part, "average": part, "optimiser": optimiser, "epoch": 4})
    expected = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 8.0, 6.0])
    assert torch.equal(found["optimiser"]["position"], expected)
    assert torch.equal(found["optimiser"]["steps"][1], 2.0 * expected)
    assert (found["optimiser"]["value"], found["epoch"]) == (1.0, 4)
    assert list(found["part"]) == [
        "heads.heads.energy.members.0.energy.linear",
        "terms.electrostatics.charges.coordinates",
        "terms.electrostatics.charges.start",
        "heads.heads.energy.members.0.slopes.offset",
    ]


def test_trainers_without_weights_stay_as_they_are():
    of_committee = {"epoch": [3, 4]}
    assert upgraded(of_committee) == of_committee


def test_weights_that_no_version_had_are_refused():
    weights = {"heads.other": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"found 'heads\.other'"):
        upgraded({"part": weights, "average": weights, "optimiser": {}})
