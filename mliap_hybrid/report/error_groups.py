"""Errors of a part of what was compared: of the frames of one kind, of the atoms of one element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.report.evaluation import ComparedFrame, Evaluation, Parity, evaluation_of, parity_of


@dataclass(frozen=True)
class ElementErrors:
    """Errors of the atoms of one element."""

    n_atoms: int
    parities: Mapping[str, Parity]
    """Quantity of atoms -> its values, as in `Evaluation`."""


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
    of_atoms = [name for name in evaluation.parities if QUANTITIES[name].of_atoms]
    if not of_atoms or not frames:
        return {}
    numbers = np.unique(np.concatenate([frame.numbers for frame in frames]))
    return {int(z): _of_element(frames, of_atoms, int(z)) for z in numbers}


def _of_element(frames: Sequence[ComparedFrame], names: Sequence[str], number: int) -> ElementErrors:
    parities = {name: parity for name in names if (parity := parity_of(frames, name, number)) is not None}
    return ElementErrors(sum(int((frame.numbers == number).sum()) for frame in frames), parities)
