"""Noise augmentation: frames with displaced atoms and the labels of the undisplaced ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mliap_hybrid.config import NoiseSettings
from mliap_hybrid.structure import Batch
from mliap_hybrid.weak_supervision.displaced_copies import displaced
from mliap_hybrid.weak_supervision.displacements import displacements_of_length


def noisy_frames(frames: Sequence[Batch], settings: NoiseSettings, cutoff: float, seed: int) -> list[list[Batch]]:
    """Noisy copies of frames.

    Parameters
    ----------
    frames : sequence of Batch
        One structure each.
    settings : NoiseSettings
    cutoff : float, Å
    seed : int

    Returns
    -------
    list of list of Batch
        `n_copies` times all frames in their order; empty without noise.

    Raises
    ------
    InputError
        If displaced atoms meet.
    """
    if settings.displacement == 0.0:
        return []

    def noisy(frame: Batch, index: int, number: int) -> Batch:
        random = np.random.default_rng([seed, index, number])
        moved = displaced(frame, displacements_of_length(frame.n_atoms, settings.displacement, random), cutoff)
        return replace(
            frame, **{name: getattr(moved, name) for name in ("positions", "pair_i", "pair_j", "pair_shifts")}
        )

    return [[noisy(frame, index, number) for index, frame in enumerate(frames)] for number in range(settings.n_copies)]
