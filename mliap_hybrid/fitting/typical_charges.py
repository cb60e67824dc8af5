"""Mean predicted charge of each element: a first guess for those who need charges before they can compute them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames

SAMPLE = 16
"""Frames that the mean is taken over, evenly spaced in the training set."""


def typical_charges(part: TrainableModel, frames: Sequence[TrainingFrames]) -> Tensor | None:
    """Mean charge of each element in some of the frames.

    Parameters
    ----------
    part : TrainableModel
    frames : sequence of TrainingFrames
        One frame each.

    Returns
    -------
    Tensor, shape (n_elements,), float64, e, or None
        The starting charge for an element that is in none of the frames looked at; None unless charges are predicted.
    """
    if part.charge_model is None:
        return None
    sample = [frames[index] for index in range(0, len(frames), max(1, len(frames) // SAMPLE))]
    with torch.no_grad():
        charges = torch.cat([part.predicted_charges(frame).double() for frame in sample])  # (n_atoms,)
    rows = torch.cat([frame.rows for frame in sample])  # (n_atoms,)
    start = part.charge_model.element_charges.double()  # (n_elements,)
    sums = torch.zeros_like(start).index_add(0, rows, charges)
    counts = torch.bincount(rows, minlength=len(start))  # (n_elements,)
    return torch.where(counts > 0, sums / counts.clamp(min=1), start)
