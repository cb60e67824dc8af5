"""Frames of different positions with the very same energy and forces: labels of before a change.

ASE's extended xyz holds the labels of a structure also where it was displaced after they were computed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.frames import Frame, entries, has_label

MOVED = 1e-4
"""Distance to the first atom that differs by more is of another structure, Å; a shift of all atoms is none."""


def shared_labels_warning(frames: Sequence[Frame], keys: LabelKeys) -> str | None:
    """A sentence where frames that differ have the same energy and forces; None where there are none.

    Parameters
    ----------
    frames : sequence of Frame
    keys : LabelKeys
    """
    first: dict[bytes, Frame] = {}
    found: list[tuple[Frame, Frame]] = []
    for frame in frames:
        labels = _labels(frame, keys)
        if labels is not None and _is_moved(earlier := first.setdefault(labels, frame), frame):
            found.append((earlier, frame))
    if not found:
        return None
    earlier, frame = found[0]
    return (
        f"{len(found)} of {len(frames)} frames have the energy and forces of another frame with other positions; first "
        f"{frame.source}, which has those of {earlier.source}: extended xyz keeps the labels of a structure that was "
        "displaced after they were computed, so label these frames or remove them"
    )


def _labels(frame: Frame, keys: LabelKeys) -> bytes | None:
    """Energy and forces that act, as bytes; None where the frame lacks one of them."""
    if keys.forces is None or not (has_label(frame, keys.energy) and has_label(frame, keys.forces)):
        return None
    values = {name: value for place in entries(frame.atoms).values() for name, value in place.items()}
    try:
        energy = np.asarray(values[keys.energy], dtype=np.float64)
        forces = np.asarray(values[keys.forces], dtype=np.float64)  # (n_atoms, 3)
    except (TypeError, ValueError):  # told where labels are read
        return None
    return energy.tobytes() + forces.tobytes() if forces.any() else None


def _is_moved(earlier: Frame, frame: Frame) -> bool:
    if len(earlier.atoms) != len(frame.atoms):
        return True
    before, after = earlier.atoms.positions, frame.atoms.positions  # (n_atoms, 3)
    difference = (after - after[0]) - (before - before[0])
    cells = np.abs(frame.atoms.cell.array - earlier.atoms.cell.array)
    return bool(np.abs(difference).max() > MOVED or cells.max() > MOVED)
