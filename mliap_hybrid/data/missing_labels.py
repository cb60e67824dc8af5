"""Frames that lack some of the labels: refused with their number, or let pass where the training file says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.frames import Frame, entries, has_entry, lookup
from mliap_hybrid.data.labels import has_meaning, has_useful_label
from mliap_hybrid.errors import InputError
from mliap_hybrid.quantities import quantity_of_key


def frames_with_labels(frames: Sequence[Frame], keys: LabelKeys) -> dict[str, list[bool]]:
    """Which frames have each label that the keys name.

    Parameters
    ----------
    frames : sequence of Frame
    keys : LabelKeys

    Returns
    -------
    dict of str to list of bool
        Label, as under `data.keys` -> for each frame whether it has the label.
    """
    named = {label: getattr(keys, label) for label in quantity_of_key()}
    return {
        label: [has_useful_label(frame, label, key) for frame in frames]
        for label, key in named.items()
        if key is not None
    }


def check_missing_labels(frames: Sequence[Frame], keys: LabelKeys, allowed: bool) -> None:
    """Refuse labels that no frame has, and unless it is allowed, labels that some frames lack.

    Parameters
    ----------
    frames : sequence of Frame
        Not empty.
    keys : LabelKeys
    allowed : bool
        The setting `data.missing_labels`.

    Raises
    ------
    InputError
        Naming the first frame without the label, its key, and how many frames lack it.
    """
    for label, has in frames_with_labels(frames, keys).items():
        key = getattr(keys, label)
        n_missing = has.count(False)
        if n_missing == len(frames):
            richest = max(frames, key=lambda frame: sum(map(len, entries(frame.atoms).values())))
            lookup(richest, key, f"data.keys.{label}")  # says which entries there are, and which is near
        if n_missing == len(frames) and allowed:
            raise InputError(
                f"no frame has a {label} that can be used: {_reason(frames[0], label, key)}, and so with all "
                f"{len(frames)} frames; set data.keys.{label} to null"
            )
        if n_missing and not allowed and n_missing < len(frames):
            first = frames[has.index(False)]
            raise InputError(
                f"{first.source}: {_reason(first, label, key)}, which data.keys.{label} names; {n_missing} of "
                f"{len(frames)} frames lack it. Label them, remove them, or set data.missing_labels to allow to train "
                "on each frame with the labels that it has"
            )


def _reason(frame: Frame, label: str, key: str) -> str:
    """Why a frame lacks a label."""
    if not has_entry(frame, key):
        return f"no entry '{key}'"
    if not has_meaning(frame, label):
        kind = (
            "is not periodic in three directions" if quantity_of_key()[label].only_of == "crystals" else "is periodic"
        )
        return f"the frame {kind} (pbc {frame.atoms.pbc.tolist()}), so that it cannot have the {label} '{key}'"
    return f"'{key}' is NaN"


def check_useful_labels(frames: Sequence[Frame], keys: LabelKeys, used: Iterable[str]) -> None:
    """Refuse frames that have none of the labels that the loss uses.

    Parameters
    ----------
    frames : sequence of Frame
    keys : LabelKeys
    used : iterable of str
        Labels with a weight in the loss, as under `data.keys`.

    Raises
    ------
    InputError
        Naming the first such frame, and how many there are.
    """
    has = frames_with_labels(frames, keys)
    used = [label for label in used if label in has]
    useless = [index for index in range(len(frames)) if not any(has[label][index] for label in used)]
    if useless:
        names = ", ".join(f"'{getattr(keys, label)}'" for label in used)
        raise InputError(
            f"{frames[useless[0]].source}: none of the labels that the loss uses ({names}); so it is with "
            f"{len(useless)} of {len(frames)} frames. Remove them, or give their labels a weight under loss"
        )


def n_labelled_frames(frames: Sequence[Frame], keys: LabelKeys) -> dict[str, int]:
    """How many frames have each label that the keys name."""
    return {label: has.count(True) for label, has in frames_with_labels(frames, keys).items()}
