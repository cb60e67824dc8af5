"""The loss as a sum of squares: every error times the root of its weight, for methods that look into the sum.

With the weight w of an error and the number n of its labels,

    loss = sum_k r_k^2,      r = sqrt(w / n) h(error),      h(d)^2 = d^2, or the pseudo-Huber form of losses.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.losses import huber_transition, label_errors, loss_weight
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.quantities import QUANTITIES


def residuals(prediction: Prediction, frames: TrainingFrames, loss: LossSettings, totals: Mapping[str, int]) -> Tensor:
    """Residuals of all that is labelled.

    Parameters
    ----------
    prediction : Prediction
        Without predicted charges.
    frames : TrainingFrames
    loss : LossSettings
    totals : mapping of str to int
        As `losses.label_counts`: how many labels the whole sum has, of which these frames may be a part.

    Returns
    -------
    Tensor, shape (n_residuals,)
        Their squares sum to what these frames add to `losses.total_loss`.
    """
    parts = []
    for name, quantity in QUANTITIES.items():
        weight, transition = loss_weight(quantity, loss), huber_transition(quantity, loss)
        errors = label_errors(prediction, frames, quantity)
        if errors is not None and weight > 0.0:
            n_values = totals[name] * errors[0].numel()  # a virial has nine
            parts.append(math.sqrt(weight / n_values) * _rooted(errors, transition).flatten())
    return torch.cat(parts)


def count_residuals(loss: LossSettings, totals: Mapping[str, int]) -> int:
    """How many residuals there are of frames with these numbers of labels."""
    weighted = {name: quantity for name, quantity in QUANTITIES.items() if loss_weight(quantity, loss) > 0.0}
    return sum(totals[name] * math.prod(quantity.shape) for name, quantity in weighted.items())


def _rooted(errors: Tensor, transition: float | None) -> Tensor:
    """h of the errors: a smooth function with their sign."""
    if transition is None:
        return errors
    return errors * torch.sqrt(2.0 / (torch.sqrt(1.0 + (errors / transition) ** 2) + 1.0))
