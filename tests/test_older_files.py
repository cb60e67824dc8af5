"""Checkpoints and model files of older versions have the energies and forces that these versions gave them."""

import json
from pathlib import Path

import numpy as np
import pytest

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.checkpoint import FORMAT_VERSION, read_checkpoint, write_checkpoint
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model_files.schema import SCHEMA_VERSION
from mliap_hybrid.testing.structures import rock_salt

FIXTURES = Path(__file__).parent / "fixtures"

NUMBERS = json.loads((FIXTURES / "older_files.json").read_text())
"""File -> energy and forces (prepare_older_files.py)."""

CHECKPOINTS = [name for name in NUMBERS if not name.startswith("model_schema")]


def assert_as_before(name, model, batch):
    found, expected = predict(model, batch), NUMBERS[name]
    assert found.energies.item() == pytest.approx(expected["energy"], rel=0, abs=1e-10)
    np.testing.assert_allclose(found.forces, expected["forces"], rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_checkpoints(name, tmp_path):
    checkpoint = read_checkpoint(FIXTURES / name)
    assert_as_before(name, checkpoint.model, checkpoint.example)
    write_checkpoint(checkpoint, tmp_path / "now.pt")
    again = read_checkpoint(tmp_path / "now.pt")
    assert_as_before(name, again.model, again.example)
    assert again.trainer["epoch"] == checkpoint.trainer["epoch"] == 1


@pytest.mark.parametrize("name", sorted(set(NUMBERS) - set(CHECKPOINTS)))
def test_model_files(name):
    model, manifest = load_exported(FIXTURES / name)
    assert f"schema_{manifest.schema_version}" in name
    assert_as_before(name, model, frame_to_batch(rock_salt(1), model.cutoff))


def test_there_is_a_file_of_each_version():
    checkpoints = {f"checkpoint_version_{version}.pt" for version in range(1, FORMAT_VERSION + 1) if version != 5}
    assert checkpoints | {"old_runs/fitted.pt"} <= set(CHECKPOINTS)  # the latter is of version 5
    assert all((FIXTURES / f"model_schema_{version}.pt").exists() for version in range(1, SCHEMA_VERSION + 1))
