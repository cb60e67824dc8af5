"""Errors of a part of what was compared: of the frames of one kind, of the atoms of one element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.report.evaluation import ComparedFrame, Evaluation, Parity, evaluation_of
from mliap_hybrid.report.force_angles import mean_force_angle


@dataclass(frozen=True)
class ElementErrors:
    """Errors of the atoms of one element; None where none has the label."""

    n_atoms: int
    forces: Parity | None
    """eV/Å, components."""
    force_angle: float | None
    """Degrees, as `Evaluation.force_angle`."""
    charges: Parity | None
    """e."""
    born_charges: Parity | None
    """e, nine components."""


def by_config_type(evaluation: Evaluation) -> dict[str, Evaluation]:
    """Errors of each kind of frames, in the order of their names; nothing unless there are several kinds."""
    kinds: dict[str, list[ComparedFrame]] = {}
    for frame in evaluation.frames:
        if frame.config_type is not None:
            kinds.setdefault(frame.config_type, []).append(frame)
    return {kind: evaluation_of(kinds[kind]) for kind in sorted(kinds)} if len(kinds) > 1 else {}


def by_element(evaluation: Evaluation) -> dict[int, ElementErrors]:
    """Atomic number -> errors of the atoms of that element, ascending; nothing without labels of atoms."""
    frames = evaluation.frames
    if all(getattr(evaluation, name) is None for name in ("forces", "charges", "born_charges")) or not frames:
        return {}
    numbers = np.unique(np.concatenate([frame.numbers for frame in frames]))
    return {int(z): _of_element(frames, int(z)) for z in numbers}


def _of_element(frames: Sequence[ComparedFrame], number: int) -> ElementErrors:
    parities = {name: _atoms(frames, name, number) for name in ("forces", "charges", "born_charges")}
    forces, angle = parities["forces"], None
    if forces is not None:
        angle = mean_force_angle(forces.labels.reshape(-1, 3), forces.predictions.reshape(-1, 3))
    n_atoms = sum(int((frame.numbers == number).sum()) for frame in frames)
    return ElementErrors(n_atoms, force_angle=angle, **parities)


def _atoms(frames: Sequence[ComparedFrame], name: str, number: int) -> Parity | None:
    """A quantity of all atoms of an element."""
    with_label = [frame for frame in frames if name in frame.labels and (frame.numbers == number).any()]
    if not with_label:
        return None
    labels = [frame.labels[name][frame.numbers == number].ravel() for frame in with_label]
    predictions = [frame.predictions[name][frame.numbers == number].ravel() for frame in with_label]
    return Parity(np.concatenate(labels), np.concatenate(predictions))
