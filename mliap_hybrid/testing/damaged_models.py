"""Model files that are damaged or edited on purpose, for tests that they are refused or the same."""

from __future__ import annotations

import copy
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.model_files.schema import digest_of
from mliap_hybrid.testing.gdml_molecules import box_of_ammonia, molecule_model
from mliap_hybrid.testing.models import (
    charge_predicting_model,
    contracted_model,
    direct_force_model,
    sodium_chloride_model,
)
from mliap_hybrid.testing.structures import rock_salt

MODELS: dict[str, Callable[[], HybridModel]] = {
    "predicted charges": charge_predicting_model,
    "committee": lambda: committee_model([sodium_chloride_model(seed=seed) for seed in range(2)]),
    "direct forces": direct_force_model,
    "molecules": molecule_model,
    "contractions": contracted_model,
}
"""Kinds of models, by what is in their files."""


def model_content(kind: str, folder: Path) -> bytes:
    """Bytes of the file of one of `MODELS`, which is written into a folder."""
    model, path = MODELS[kind](), folder / "model.pt"
    example = box_of_ammonia(1) if kind == "molecules" else rock_salt(1)
    export_model(model, path, allow_non_conservative=True, example=frame_to_batch(example, model.cutoff))
    return path.read_bytes()


def records_of(content: bytes) -> tuple[bytes, bytes]:
    """Manifest and weights of a model file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = {name.split("/", 1)[-1]: name for name in archive.namelist()}
        return archive.read(names["data/0"]), archive.read(names["data/1"])


def write_records(path: Path, manifest: bytes, weights: bytes, compression: int = zipfile.ZIP_STORED) -> None:
    """A model file of any two records."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, record in {"data.pkl": b"", "data/0": manifest, "data/1": weights}.items():
            archive.writestr(f"archive/{name}", record)


def with_digest(manifest: dict[str, Any], weights: bytes) -> bytes:
    """The manifest with a digest that fits, as an attacker would make it."""
    manifest = {key: value for key, value in manifest.items() if key != "digest"}
    return json.dumps(manifest | {"digest": digest_of(manifest, weights)}).encode()


VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    1.5,
    10**30,
    1e308,
    -1e308,
    "",
    "x",
    "Na",
    [],
    [[]],
    {},
    {"Na": 1.0},
    [1e9],
    [0, 0],
]
"""What entries of a manifest are replaced by."""


def _places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """All paths into a JSON value."""
    yield here
    children: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _places(child, (*here, key))


def edited_manifest(manifest: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    """One entry replaced, taken away, doubled or added."""
    edited = copy.deepcopy(manifest)
    places = [place for place in _places(edited) if place and place[0] != "digest" and "positions" not in place]
    *outer, key = places[random.integers(len(places))]
    parent: Any = edited
    for step in outer:
        parent = parent[step]
    kind = random.integers(6)
    if kind == 0:
        del parent[key]
    elif kind == 1 and isinstance(parent, list):
        parent.insert(0, parent[key])
    elif kind == 2 and isinstance(parent, dict):
        parent["unheard_of"] = parent[key]
    else:
        parent[key] = copy.deepcopy(VALUES[random.integers(len(VALUES))])
    return edited


def edited_tensors(tensors: dict[str, Tensor], random: np.random.Generator) -> dict[str, Tensor]:
    """One tensor of another shape, type, name or value, or gone, or one too many."""
    edited = {name: tensor.clone() for name, tensor in tensors.items()}
    name = sorted(edited)[random.integers(len(edited))]
    tensor = edited[name]
    kinds: dict[str, Callable[[], Any]] = {
        "gone": lambda: edited.pop(name),
        "unknown": lambda: edited.update({"network.unheard_of": tensor.clone()}),
        "renamed": lambda: edited.update({name.replace(".", "_"): edited.pop(name)}),
        "longer": lambda: edited.update({name: torch.cat([tensor, tensor])}),
        "shorter": lambda: edited.update({name: tensor[:0]}),
        "deeper": lambda: edited.update({name: tensor[None]}),
        "one number": lambda: edited.update({name: torch.zeros((), dtype=tensor.dtype)}),
        "whole numbers": lambda: edited.update({name: tensor.to(torch.int32)}),
        "booleans": lambda: edited.update({name: tensor > 0}),
        "halves": lambda: edited.update({name: tensor.to(torch.float16)}),
        "floats": lambda: edited.update({name: tensor.to(torch.float32)}),
        "complex": lambda: edited.update({name: tensor.to(torch.complex64)}),
        "nan": lambda: edited.update({name: torch.full_like(tensor.double(), torch.nan)}),
        "infinite": lambda: edited.update({name: torch.full_like(tensor.double(), torch.inf)}),
        "huge": lambda: edited.update({name: torch.full_like(tensor, 10**12)}),
        "negative": lambda: edited.update({name: -tensor - 1}),
        "zero": lambda: edited.update({name: torch.zeros_like(tensor)}),
    }
    kinds[sorted(kinds)[random.integers(len(kinds))]]()
    return edited
