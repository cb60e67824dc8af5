"""Divide the frames into those to train on, to choose the best epoch, and to test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.config import DataSettings
from mliap_hybrid.data.frames import Frame, lookup
from mliap_hybrid.errors import InputError, did_you_mean, quoted

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Frame numbers of each part, ascending; `test` may be empty."""

    train: list[int]
    validation: list[int]
    test: list[int]


def split_frames(
    frames: Sequence[Frame], settings: DataSettings, seed: int, n_validation: int = 0, n_test: int = 0
) -> Split:
    """Divide `frames` by their files, by the entry `settings.split_key`, or at random with the two fractions.

    Parameters
    ----------
    frames : sequence of Frame
        Those of all files.
    settings : DataSettings
    seed : int
        The same seed and number of frames give the same split.
    n_validation, n_test : int
        Frames of validation and test files: they stand at the end, in this order, and no others are taken.

    Raises
    ------
    InputError
        If a part that is needed would be empty, or a frame's entry is missing or names no part.
    """
    if settings.split_key is not None:
        split = _by_key(frames, settings.split_key)
        remedy = f"mark some frames with '{settings.split_key}'"
    else:
        split = _by_seed(len(frames), settings, seed, n_validation, n_test)
        remedy = "use more frames or another fraction"
    needed = ["train", "validation"]
    if settings.split_key is None and (settings.test > 0 or n_test):
        needed.append("test")
    for name in needed:
        if not getattr(split, name):
            counts = ", ".join(f"{len(getattr(split, part))} {part}" for part in SPLITS)
            raise InputError(f"the {name} split of {len(frames)} frames is empty ({counts}): {remedy}")
    return split


def _by_seed(n_frames: int, settings: DataSettings, seed: int, n_given: int, n_given_test: int) -> Split:
    validation = 0.0 if n_given else settings.validation
    test = 0.0 if n_given_test else settings.test
    if validation + test >= 1:
        raise InputError(
            f"data.validation {settings.validation} and data.test {settings.test} leave nothing to train on: "
            "expected a sum below 1"
        )
    n_own = n_frames - n_given - n_given_test
    order = np.random.default_rng(seed).permutation(n_own)
    n_validation, n_test = round(validation * n_own), round(test * n_own)
    n_train = n_own - n_validation - n_test
    parts = [sorted(part.tolist()) for part in np.split(order, [n_train, n_train + n_validation])]
    parts[1] += range(n_own, n_own + n_given)
    parts[2] += range(n_own + n_given, n_frames)
    return Split(*parts)


def _by_key(frames: Sequence[Frame], key: str) -> Split:
    parts: dict[str, list[int]] = {name: [] for name in SPLITS}
    for index, frame in enumerate(frames):
        name = str(lookup(frame, key, "data.split_key"))
        if name not in parts:
            raise InputError(f"{frame.source}: '{key}' is '{quoted(name)}': {did_you_mean(name, SPLITS)}")
        parts[name].append(index)
    return Split(**parts)
