"""Damaged and edited model files: refused in one sentence of the package's own, or the model is what it was."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib

import numpy as np
import pytest
import safetensors.torch
import torch

from mliap_hybrid.ase import HybridCalculator
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import FORMAT
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.lammps.unified import HybridUnified, open_unified
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.testing.damaged_models import (
    MODELS,
    edited_manifest,
    edited_tensors,
    model_content,
    records_of,
    with_digest,
    write_records,
)
from mliap_hybrid.testing.gdml_molecules import box_of_ammonia
from mliap_hybrid.testing.structures import rock_salt


@pytest.fixture(scope="module", params=MODELS)
def content(request, tmp_path_factory):
    """Bytes of a model file of each kind."""
    return model_content(request.param, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def records(content):
    """Manifest and weights."""
    return records_of(content)


def _refusal(path):
    """What is said against a file; None where it opens, in every way to open it, and gives finite numbers."""
    try:
        model, manifest = load_exported(path)
        opened = open_unified(str(path))
    except InputError as error:
        said = str(error)
        assert "\n" not in said
        assert len(said) < 1000
        return said
    assert isinstance(opened, HybridUnified)
    if manifest.description.cutoff > 10.0:
        return None
    atoms = rock_salt(1) if 11 in model.elements else box_of_ammonia(1)
    try:
        Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    except InputError as error:
        return str(error)
    return None


def _flip(content, tmp_path, n_flips, n_cuts):
    """Flipped bits and cut ends: (refused, identical); anything else fails."""
    random, path = np.random.default_rng(5), tmp_path / "damaged.pt"
    path.write_bytes(content)
    original, tensors = read_model(path)
    refused = identical = 0
    damaged = []
    for bit in random.integers(8 * len(content), size=n_flips).tolist():
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        damaged.append(bytes(changed))
    damaged += [content[:kept] for kept in random.integers(len(content), size=n_cuts).tolist()]
    for changed in damaged:
        path.write_bytes(changed)
        said = set()
        for opener in (read_model, lambda each: open_unified(str(each))):
            try:
                opened = opener(path)
            except InputError:
                said.add("refused")
                continue
            manifest, found = opened if isinstance(opened, tuple) else (opened.manifest, opened.tensors)
            assert manifest == original
            assert found.keys() == tensors.keys()
            assert all(torch.equal(found[name], tensors[name]) for name in tensors)
            said.add("identical")
        refused, identical = refused + ("refused" in said), identical + (said == {"identical"})
    assert refused + identical == n_flips + n_cuts
    return refused, identical


def test_flipped_bits_and_cut_ends(content, tmp_path):
    refused, identical = _flip(content, tmp_path, 40, 15)
    assert refused > 30
    assert identical >= 0


@pytest.mark.slow
def test_a_thousand_flipped_bits_and_three_hundred_cut_ends(content, tmp_path):
    refused, _ = _flip(content, tmp_path, 1000, 300)
    assert refused > 1000


@pytest.mark.parametrize("n_edits", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_edited_manifests_with_a_fresh_digest(records, tmp_path, n_edits):
    random, path = np.random.default_rng(1), tmp_path / "edited.pt"
    manifest, answers = json.loads(records[0]), []
    for _ in range(n_edits):
        write_records(path, with_digest(edited_manifest(manifest, random), records[1]), records[1])
        answers.append(_refusal(path))
    assert sum(answer is not None for answer in answers) > n_edits / 2


@pytest.mark.parametrize("n_edits", [25, pytest.param(200, marks=pytest.mark.slow)])
def test_edited_tensors_with_a_fresh_digest(records, tmp_path, n_edits):
    random, path = np.random.default_rng(2), tmp_path / "edited.pt"
    manifest, tensors, answers = json.loads(records[0]), safetensors.torch.load(records[1]), []
    for _ in range(n_edits):
        weights = safetensors.torch.save(edited_tensors(tensors, random))
        write_records(path, with_digest(manifest, weights), weights)
        answers.append(_refusal(path))
    assert sum(answer is not None for answer in answers) > n_edits / 2


def test_edited_headers_of_the_weights_with_a_fresh_digest(records, tmp_path):
    """Flipped bits in the header of the safetensors record, and lengths that are not there."""
    random, path = np.random.default_rng(3), tmp_path / "edited.pt"
    manifest, weights = json.loads(records[0]), records[1]
    (length,) = struct.unpack("<Q", weights[:8])
    edited = [struct.pack("<Q", n) + weights[8:] for n in (0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1)]
    edited += [b"", weights[:7], weights[:-8], weights + b"12345678", weights[: 8 + length]]
    for bit in random.integers(8 * 8, 8 * (8 + length), size=25).tolist():
        changed = bytearray(weights)
        changed[bit // 8] ^= 1 << bit % 8
        edited.append(bytes(changed))
    for changed in edited:
        write_records(path, with_digest(manifest, changed), changed)
        assert _refusal(path) is not None


@pytest.mark.parametrize("depth", [200, 100_000])
def test_nested_json(records, tmp_path, depth):
    nested = '{"a":' * depth + "1" + "}" * depth
    text = records[0].decode().replace('"provenance": {', '"provenance": {"deep": ' + nested + ", ", 1)
    write_records(tmp_path / "deep.pt", text.encode(), records[1])
    assert "manifest" in _refusal(tmp_path / "deep.pt")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "-1e21", "9" * 30, "9" * 5000])
def test_numbers_that_are_none(records, tmp_path, number):
    text = json.dumps(json.loads(records[0]) | {"total_charge": 0.125}).replace("0.125", number)
    write_records(tmp_path / "number.pt", text.encode(), records[1])
    assert "manifest" in _refusal(tmp_path / "number.pt")


def test_a_compressed_record_is_not_unpacked(records, tmp_path, monkeypatch):
    """It could ask for gigabytes; here for 1 MB, which is never made."""
    write_records(tmp_path / "small.pt", records[0] + b" " * 2**20, records[1], zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(zlib, "decompressobj", None)
    monkeypatch.setattr(zipfile, "_get_decompressor", None)
    with pytest.raises(InputError, match="is compressed or larger than the file"):
        read_model(tmp_path / "small.pt")


def test_a_record_that_is_there_twice(records, tmp_path):
    path = tmp_path / "twice.pt"
    write_records(path, *records)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data/1", records[1])
    with pytest.raises(InputError, match="holds the record data/1 twice"):
        read_model(path)


def test_what_else_is_given_in_the_place_of_a_model(tmp_path, records):
    """Folders, empty files, text, a checkpoint, files that may not be read: one sentence each, in every place."""
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("units metal\n")
    torch.save({"format": FORMAT, "version": 5, "a": torch.ones(2), "b": torch.ones(2)}, tmp_path / "checkpoint.pt")
    expected = {
        "folder": "cannot (read|find) the model file",
        "empty": "is damaged or is not a model file",
        "text": "is damaged or is not a model file",
        "checkpoint": "is a checkpoint of a run, not a model file: give the run folder",
        "none": "cannot (read|find) the model file",
    }
    for name, message in expected.items():
        for opener in (read_model, HybridCalculator, lambda path: open_unified(str(path))):
            with pytest.raises(InputError, match=message):
                opener(tmp_path / f"{name}.pt")
