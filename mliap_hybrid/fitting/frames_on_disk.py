"""Training frames for training sets that are larger than the memory: the derivatives stay in the feature cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from mliap_hybrid.fitting.feature_derivatives import StoredDerivatives
from mliap_hybrid.fitting.raw_features import FeatureSource, whitened_jacobian
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.structure import Batch


class FramesOnDisk(Sequence[TrainingFrames]):
    """Frames whose derivatives are read and whitened whenever they are asked for, with the same bits as in memory."""

    def __init__(
        self, frames: Sequence[TrainingFrames], batches: Sequence[Batch], source: FeatureSource, whitening: Whitening
    ):
        """Take frames without derivatives, and what these are made from.

        Parameters
        ----------
        frames : sequence of TrainingFrames
            One frame each; their derivatives are not looked at.
        batches : sequence of Batch
            The same frames.
        source : FeatureSource
        whitening : Whitening
        """
        self.without_derivatives = frames
        self._batches = batches
        self._source = source
        self._whitening = whitening

    def __len__(self) -> int:
        return len(self.without_derivatives)

    @overload
    def __getitem__(self, index: int) -> TrainingFrames: ...
    @overload
    def __getitem__(self, index: slice) -> FramesOnDisk: ...
    def __getitem__(self, index: int | slice) -> TrainingFrames | FramesOnDisk:
        if isinstance(index, slice):
            return FramesOnDisk(self.without_derivatives[index], self._batches[index], self._source, self._whitening)
        raw_features = self._source.features_and_jacobian(self._batches[index])
        stored = StoredDerivatives((whitened_jacobian(raw_features, self._whitening),))
        return replace(self.without_derivatives[index], derivatives=stored)


def without_derivatives(frames: Sequence[TrainingFrames]) -> Sequence[TrainingFrames]:
    """The frames, of which derivatives may be missing; nothing is read from disk."""
    return frames.without_derivatives if isinstance(frames, FramesOnDisk) else frames
