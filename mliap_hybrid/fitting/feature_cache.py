"""The feature cache: a folder in which the features of frames are kept, so that each is computed once.

A sub-folder holds the frames of one set of features, and its name is the hash of their description, the numbers of the
densities included; a frame is found by the hash of its atoms and pairs. Changed settings so lead to another sub-folder,
and changed frames are not found. Labels play no part.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.fitting.feature_shards import (
    SUFFIX,
    frame_key,
    frames_of_shard,
    is_intact,
    remove_abandoned,
    write_atomically,
    write_shard,
)
from mliap_hybrid.fitting.memory import check_disk
from mliap_hybrid.fitting.raw_features import ComputedFeatures, RawFeatures, size_of_raw_features
from mliap_hybrid.fitting.worker_processes import FinishedFrames, map_chunks
from mliap_hybrid.structure import Batch
from mliap_hybrid.version import __version__

logger = logging.getLogger(__name__)

SCHEMA = 1
"""Raised when what is stored for a frame changes; part of the hash of the settings."""

SHARD_BYTES = 2**25
"""About this much goes into one file: small enough that little is lost when a run is killed."""

SHARD_FRAMES = 64
"""At most this many frames go into one file, so that there is work for many processes."""

OPEN_SHARDS = 4
"""Files that are kept open."""

CHANGE = 1e-4
"""Relative difference of features above which the code that computes them must have changed."""

Track = Callable[[Iterable[Batch], str], Iterable[Batch]]
"""Hands the batches on while it shows how many are done: track(batches, what)."""


class FeatureCache:
    """Features of frames, from a folder; `fill` it before reading. A `FeatureSource`."""

    def __init__(
        self, folder: Path, featuriser: Featuriser, description: Mapping[str, Any], with_derivatives: bool = True
    ):
        """Name the cache; nothing is read or written.

        Parameters
        ----------
        folder : Path
            Folder of the cache, with a sub-folder for each set of features.
        featuriser : Featuriser
        description : mapping
            Everything that determines its features, as plain data for JSON.
        with_derivatives : bool
            Whether the derivatives are kept, too: `features_and_jacobian` needs them. These are nearly all of the size.
        """
        self.featuriser = featuriser
        self.description = dict(description)
        self.with_derivatives = with_derivatives
        content = {"schema": SCHEMA, "features": self.description}
        settings = json.dumps(content if with_derivatives else content | {"derivatives": False}, sort_keys=True)
        self.path = folder / f"features-{hashlib.sha256(settings.encode()).hexdigest()[:16]}"
        self._shard_of: dict[str, Path] = {}
        """Key of a frame -> file that holds it and is known to be sound."""
        # Files are mapped into memory, and what is mapped counts as used: few of them at a time.
        self._open_shard = functools.lru_cache(maxsize=OPEN_SHARDS)(_open_shard)

    def fill(self, batches: Sequence[Batch], track: Track, n_workers: int = 1) -> int:
        """Make sure that all frames can be read: compute those that are not in the folder, or damaged there.

        Parameters
        ----------
        batches : sequence of Batch
            One structure each.
        track : Track
            Shows progress.
        n_workers : int
            Processes that compute.

        Returns
        -------
        int
            Number of frames that were computed.

        Raises
        ------
        InputError
            If the folder cannot be written or the disk is too small. Frames that are done by then are kept.
        """
        frames = {frame_key(batch): batch for batch in batches}
        self._make_folder()
        self._find(frames, track)
        if self._is_outdated(frames):
            logger.warning("The code now computes other features than those in %s: they are computed anew", self.path)
            self._shard_of.clear()
            for path in self.path.glob(f"*{SUFFIX}"):
                self._remove(path)
        missing = [batch for key, batch in frames.items() if key not in self._shard_of]
        if missing:
            size = size_of_raw_features(missing, self.featuriser.n_features, self.with_derivatives)
            check_disk(size, shutil.disk_usage(self.path).free, self.path)
            chunks = chunks_of_frames(missing, self.featuriser.n_features, self.with_derivatives)
            task = functools.partial(write_shard, folder=self.path, with_derivatives=self.with_derivatives)
            finished = FinishedFrames(chunks, map_chunks(task, self.featuriser, chunks, n_workers))
            for _ in track(finished, "computing features"):
                pass
            for path, chunk in zip(finished.results, chunks, strict=True):
                self._shard_of |= {frame_key(batch): path for batch in chunk}
        found = len(frames) - len(missing)
        logger.info("Features: %d frames from the cache %s, %d computed and kept there", found, self.path, len(missing))
        return len(missing)

    def features(self, batch: Batch) -> Tensor:
        """Features (n_atoms, n_features), float64, of one structure that the cache was filled with."""
        return self._read(batch, "features")

    def features_and_jacobian(self, batch: Batch) -> RawFeatures:
        """Features and derivatives of one structure that the cache was filled with."""
        return RawFeatures(self._read(batch, "features"), self._read(batch, "jacobian"))

    def _read(self, batch: Batch, what: str) -> Tensor:
        key = frame_key(batch)
        return self._open_shard(self._shard_of[key]).get_tensor(f"{key}.{what}")

    def _make_folder(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the feature cache {self.path}: {error.strerror}") from None
        remove_abandoned(self.path)
        manifest = self.path / "manifest.json"
        if not manifest.exists():
            write_atomically(manifest, json.dumps(self._manifest(), indent=2, ensure_ascii=False).encode())

    def _manifest(self) -> dict[str, Any]:
        """What a person who finds the folder wants to know; nothing reads it."""
        derivatives = "(n_pairs, 3, n_features) float32, 1/Å: derivatives by r_j - r_i of each pair"
        return {
            "what": "Feature cache of mliap_hybrid. It may be deleted at any time, and is then made again.",
            "version": __version__,
            "schema": SCHEMA,
            "files": "Each holds some frames, and is named by the hash of its content.",
            "tensors": {
                "FRAME.features": "(n_atoms, n_features) float64: features of the atoms",
                **({"FRAME.jacobian": derivatives} if self.with_derivatives else {}),
                "FRAME": "hash of numbers, positions, cell, periodicity and neighbour pairs of the frame",
            },
            "labels": self.featuriser.feature_labels,
            "features": self.description,
        }

    def _find(self, frames: Mapping[str, Batch], track: Track) -> None:
        """Look for files that hold any of the frames, and see whether they are sound; remove damaged ones."""
        path_of: dict[str, Path] = {}
        for path in sorted(self.path.glob(f"*{SUFFIX}")):
            keys = frames_of_shard(path)
            if not keys:
                self._remove_damaged(path)
            path_of |= {key: path for key in keys if key in frames}
        sound: dict[Path, bool] = {}
        held = [batch for key, batch in frames.items() if key in path_of]
        for batch in track(held, "feature cache") if held else ():
            path = path_of[key := frame_key(batch)]
            if path not in sound:
                sound[path] = is_intact(path)
                if not sound[path]:
                    self._remove_damaged(path)
            if sound[path]:
                self._shard_of[key] = path

    def _remove_damaged(self, path: Path) -> None:
        logger.warning("%s is damaged: its frames are computed anew", path)
        self._remove(path)

    def _remove(self, path: Path) -> None:
        with contextlib.suppress(OSError):  # a folder that is only read from, or another process was faster
            path.unlink()

    def _is_outdated(self, frames: Mapping[str, Batch]) -> bool:
        """Whether a frame of middle size that was found has other features now: settings alone do not show that."""
        held = [batch for key, batch in frames.items() if key in self._shard_of]
        if not held:
            return False
        batch = sorted(held, key=lambda batch: batch.n_pairs)[len(held) // 2]
        source = ComputedFeatures(self.featuriser)
        if not self.with_derivatives:
            return _differ(self.features(batch), source.features(batch))
        before, now = self.features_and_jacobian(batch), source.features_and_jacobian(batch)
        return _differ(before.features, now.features) or _differ(
            before.jacobian.flatten(0, 1), now.jacobian.flatten(0, 1)
        )


def _open_shard(path: Path) -> Any:
    try:
        return safetensors.safe_open(path, framework="pt")
    except OSError as error:
        raise InputError(
            f"cannot read {path} of the feature cache: {error}; if it was removed in the meantime, start again"
        ) from None


def _differ(a: Tensor, b: Tensor) -> bool:
    """Whether any column of (n, n_features) changed by more than rounding."""
    if a.shape != b.shape:
        return True
    if a.numel() == 0:
        return False
    size = b.abs().amax(0)  # (n_features,)
    allowed = CHANGE * torch.maximum(size, 1e-9 * size.max())
    return bool(((a - b).abs().amax(0) > allowed).any())


def chunks_of_frames(batches: Sequence[Batch], n_features: int, with_derivatives: bool) -> list[list[Batch]]:
    """The frames of each file, in order; the same for any number of workers."""
    chunks: list[list[Batch]] = []
    size = SHARD_BYTES
    for batch in batches:
        if size >= SHARD_BYTES or len(chunks[-1]) >= SHARD_FRAMES:
            chunks.append([])
            size = 0
        chunks[-1].append(batch)
        size += size_of_raw_features([batch], n_features, with_derivatives)
    return chunks
