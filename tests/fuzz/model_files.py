"""Model files: flipped bits, cut ends, edited manifests and edited weights, the last two with a digest that fits."""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from hypothesis import strategies as st
from kind import Kind

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.lammps.unified import HybridUnified, open_unified
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model_files.model_file import Manifest, read_model
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

LONGEST_CUTOFF = 10.0
"""Å: edited models with a longer one are not evaluated."""


@dataclass(frozen=True)
class Sound:
    """The file of a model as it should be."""

    content: bytes
    manifest: Manifest
    tensors: dict[str, torch.Tensor]


@functools.cache
def _sound(model: str) -> Sound:
    with tempfile.TemporaryDirectory() as folder:
        content = model_content(model, Path(folder))
        return Sound(content, *read_model(Path(folder) / "model.pt"))


MODEL = st.sampled_from(sorted(MODELS))


@st.composite
def _flipped(draw: Any) -> tuple[str, int]:
    """A model and the bit of its file that flips."""
    model = draw(MODEL)
    return model, draw(st.integers(0, 8 * len(_sound(model).content) - 1))


def _check_flipped(case: tuple[str, int], folder: Path) -> None:
    model, bit = case
    changed = bytearray(_sound(model).content)
    changed[bit // 8] ^= 1 << bit % 8
    _check_same(bytes(changed), model, folder)


@st.composite
def _cut(draw: Any) -> tuple[str, int]:
    """A model and how much of its file is there."""
    model = draw(MODEL)
    return model, draw(st.integers(0, len(_sound(model).content) - 1))


def _check_cut(case: tuple[str, int], folder: Path) -> None:
    model, kept = case
    _check_same(_sound(model).content[:kept], model, folder)


def _check_same(content: bytes, model: str, folder: Path) -> None:
    """What opens, in either way, is the model of the file before."""
    path, sound = folder / "model.pt", _sound(model)
    path.write_bytes(content)
    opened = open_unified(str(path))
    assert isinstance(opened, HybridUnified)
    for manifest, tensors in ((opened.manifest, opened.tensors), read_model(path)):
        assert manifest == sound.manifest
        assert tensors.keys() == sound.tensors.keys()
        assert all(torch.equal(tensors[name], sound.tensors[name]) for name in tensors)


def _edits() -> st.SearchStrategy[tuple[str, int]]:
    """A model and the seed of the edit."""
    return st.tuples(MODEL, st.integers(0, 2**32 - 1))


def _check_manifest(case: tuple[str, int], folder: Path) -> None:
    manifest, weights = records_of(_sound(case[0]).content)
    edited = edited_manifest(json.loads(manifest), np.random.default_rng(case[1]))
    write_records(folder / "model.pt", with_digest(edited, weights), weights)
    _check_opens(folder / "model.pt")


def _check_tensors(case: tuple[str, int], folder: Path) -> None:
    manifest, weights = records_of(_sound(case[0]).content)
    edited = edited_tensors(safetensors.torch.load(weights), np.random.default_rng(case[1]))
    weights = safetensors.torch.save(edited)
    write_records(folder / "model.pt", with_digest(json.loads(manifest), weights), weights)
    _check_opens(folder / "model.pt")


def _check_opens(path: Path) -> None:
    """What opens says energies and forces that are finite, or refuses the structure."""
    model, manifest = load_exported(path)
    assert isinstance(open_unified(str(path)), HybridUnified)
    if manifest.description.cutoff > LONGEST_CUTOFF:
        return
    atoms = rock_salt(1) if 11 in model.elements else box_of_ammonia(1)
    prediction = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    assert torch.isfinite(prediction.energies).all()
    assert torch.isfinite(prediction.forces).all()


KINDS = (
    Kind("models: flipped bits", "the same model", 5_000, _flipped, _check_flipped),
    Kind("models: cut ends", "the same model", 1_500, _cut, _check_cut),
    Kind("models: edited manifests", "energies and forces finite", 1_500, _edits, _check_manifest),
    Kind("models: edited weights", "energies and forces finite", 1_500, _edits, _check_tensors),
)
