"""Files of the feature cache: raw features of a few frames each, written at once or not at all.

The name of a file is the hash of its content. So a damaged one gives itself away, and processes that write the same
frames at the same time write the same file.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.fitting.raw_features import ComputedFeatures
from mliap_hybrid.structure import Batch
from mliap_hybrid.whole_file import UNFINISHED, whole_file

SUFFIX = ".safetensors"

ABANDONED = 3600.0
"""Seconds after which a file that was never finished belongs to a process that is no more."""


def frame_key(batch: Batch) -> str:
    """Hash of all that the features of a frame depend on: atoms, positions, lattice and neighbour pairs; no labels."""
    digest = hashlib.sha256()
    for tensor in (batch.numbers, batch.positions, batch.cells, batch.periodic, batch.pair_i, batch.pair_j):
        digest.update(tensor.numpy().tobytes())
    digest.update(batch.pair_shifts.numpy().tobytes())
    return digest.hexdigest()[:32]


def write_shard(featuriser: Featuriser, batches: Sequence[Batch], folder: Path, with_derivatives: bool) -> Path:
    """Compute the raw features of some frames and write them to one file of `folder`.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    source = ComputedFeatures(featuriser)
    tensors: dict[str, Tensor] = {}
    for batch in batches:
        key = frame_key(batch)
        if with_derivatives:
            raw_features = source.features_and_jacobian(batch)
            tensors |= {f"{key}.features": raw_features.features, f"{key}.jacobian": raw_features.jacobian}
        else:
            tensors[f"{key}.features"] = source.features(batch)
    content = safetensors.torch.save(tensors)
    path = folder / (hashlib.sha256(content).hexdigest()[:32] + SUFFIX)
    write_atomically(path, content)
    return path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that no reader ever sees a part of it.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        with whole_file(path, several_writers=True) as file:
            file.write(content)
    except OSError as error:
        raise InputError(f"cannot write the feature cache {path.parent}: {error.strerror}") from None


def remove_abandoned(folder: Path) -> None:
    """Remove what killed processes left half written."""
    for path in folder.glob(UNFINISHED):
        with contextlib.suppress(OSError):  # another process may remove it first, or alone be allowed to
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink()


def frames_of_shard(path: Path) -> list[str]:
    """Keys of the frames that a file says it holds; none if it cannot be read."""
    try:
        with safetensors.safe_open(path, framework="pt") as shard:
            names = shard.keys()
            return [name.removesuffix(".features") for name in names if name.endswith(".features")]
    except (safetensors.SafetensorError, OSError):
        return []


def is_intact(path: Path) -> bool:
    """Whether a file holds what was written to it."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest().startswith(path.name.removesuffix(SUFFIX))
    except OSError:  # another process removed it
        return False
