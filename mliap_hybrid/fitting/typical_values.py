"""Mean of each predicted parameter: a first guess for those who need values before they can compute them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.model.parameters import PredictedParameter

SAMPLE = 16
"""Frames that the mean is taken over, evenly spaced in the training set."""


def typical_values(model: TrainableModel, frames: Sequence[TrainingFrames]) -> dict[str, Tensor]:
    """Mean of each predicted parameter and element in some of the frames.

    Parameters
    ----------
    model : TrainableModel
    frames : sequence of TrainingFrames
        One frame each.

    Returns
    -------
    dict of str to Tensor, shape (n_elements,), float64
        Where the values start from, for an element that is in none of the frames looked at.
    """
    sample = [frames[index].to(model.device) for index in range(0, len(frames), max(1, len(frames) // SAMPLE))]
    predicted = [
        parameter for parameter in model.atomic_parameters.values() if isinstance(parameter, PredictedParameter)
    ]
    return {parameter.name: _mean_of_elements(model, sample, parameter) for parameter in predicted}


def _mean_of_elements(model: TrainableModel, sample: Sequence[TrainingFrames], parameter: PredictedParameter) -> Tensor:
    with torch.no_grad():
        values = torch.cat([model.values(frame, parameter.name).double() for frame in sample])  # (n_atoms,)
    species = torch.cat([frame.species for frame in sample])  # (n_atoms,)
    start = parameter.start.double()  # (n_elements,)
    sums = torch.zeros_like(start).index_add(0, species, values)
    counts = torch.bincount(species, minlength=len(start))  # (n_elements,)
    return torch.where(counts > 0, sums / counts.clamp(min=1), start)
