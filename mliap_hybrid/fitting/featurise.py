"""Features of many frames as plain arrays, for the eye and for other programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.fitting.feature_cache import FeatureCache, Track, chunks_of_frames
from mliap_hybrid.fitting.memory import available_memory, fits
from mliap_hybrid.fitting.raw_features import ComputedFeatures, RawFeatures, size_of_raw_features
from mliap_hybrid.fitting.worker_processes import FinishedFrames, map_chunks
from mliap_hybrid.structure import Batch
from mliap_hybrid.whole_file import whole_file


@dataclass(frozen=True)
class FeaturisedFrames:
    """Frames laid end to end."""

    features: Tensor
    """(n_atoms, n_features) float64."""
    jacobian: Tensor | None
    """(n_pairs, 3, n_features) float32, 1/Å: derivative of the features of i by r_p = r_j - r_i; None if not asked for.
    """
    batches: Sequence[Batch]
    """The frames."""

    def arrays(self, columns: Tensor) -> dict[str, np.ndarray]:
        """Features of the given columns, and what tells which atom and which pair they belong to."""
        atoms = [batch.n_atoms for batch in self.batches]
        arrays = {
            "features": self.features[:, columns].numpy(),
            "frame": np.repeat(np.arange(len(atoms)), atoms),  # (n_atoms,)
            "numbers": torch.cat([batch.numbers for batch in self.batches]).numpy(),  # (n_atoms,)
        }
        if self.jacobian is not None:
            pairs = [batch.n_pairs for batch in self.batches]
            first_atom = np.repeat(np.cumsum([0, *atoms[:-1]]), pairs)  # (n_pairs,)
            arrays |= {
                "jacobian": self.jacobian[:, :, columns].numpy(),
                "pair_i": torch.cat([batch.pair_i for batch in self.batches]).numpy() + first_atom,  # (n_pairs,)
                "pair_j": torch.cat([batch.pair_j for batch in self.batches]).numpy() + first_atom,  # (n_pairs,)
                "pair_vectors": torch.cat([batch.pair_vectors() for batch in self.batches]).numpy(),  # (n_pairs, 3)
            }
        return arrays


def featurise(
    featuriser: Featuriser,
    batches: Sequence[Batch],
    track: Track,
    n_workers: int = 1,
    cache: FeatureCache | None = None,
    with_jacobian: bool = False,
) -> FeaturisedFrames:
    """Features of all frames.

    Parameters
    ----------
    featuriser : Featuriser
    batches : sequence of Batch
        One structure each; not empty.
    track : Track
        Shows progress.
    n_workers : int
        Processes that compute.
    cache : FeatureCache, optional
        Read from and added to; with derivatives if these are asked for.
    with_jacobian : bool
        Whether to keep the derivatives.

    Raises
    ------
    InputError
        If the derivatives do not fit into memory, or the cache cannot be written.
    """
    size = size_of_raw_features(batches, featuriser.n_features, with_jacobian)
    if with_jacobian and not fits(2 * size, available_memory()):  # once in parts, once as a whole
        raise InputError(
            f"the derivatives of {len(batches)} frames take {size / 1e9:.1f} GB, more than fits twice into memory: "
            "leave them out, or take fewer frames"
        )
    if cache is not None:
        cache.fill(batches, track, n_workers)
        read = cache.features_and_jacobian if with_jacobian else lambda batch: _without_jacobian(cache.features(batch))
        frames = [read(batch) for batch in batches]
    else:
        chunks = chunks_of_frames(batches, featuriser.n_features, with_jacobian)
        task = _raw_features if with_jacobian else _features_alone
        finished = FinishedFrames(chunks, map_chunks(task, featuriser, chunks, n_workers))
        for _ in track(finished, "computing features"):
            pass
        frames = [frame for chunk in finished.results for frame in chunk]
    features = torch.cat([frame.features for frame in frames])  # (n_atoms, n_features)
    jacobian = torch.cat([frame.jacobian for frame in frames]) if with_jacobian else None
    return FeaturisedFrames(features, jacobian, batches)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays so that `path` is either what it was or the whole new file.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        with whole_file(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def _raw_features(featuriser: Featuriser, batches: Sequence[Batch]) -> list[RawFeatures]:
    source = ComputedFeatures(featuriser)
    return [source.features_and_jacobian(batch) for batch in batches]


def _features_alone(featuriser: Featuriser, batches: Sequence[Batch]) -> list[RawFeatures]:
    source = ComputedFeatures(featuriser)
    return [_without_jacobian(source.features(batch)) for batch in batches]


def _without_jacobian(features: Tensor) -> RawFeatures:
    return RawFeatures(features, torch.empty(0, 3, features.shape[1]))
