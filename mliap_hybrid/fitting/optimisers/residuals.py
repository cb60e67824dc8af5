"""The loss as a sum of squares: every error times the root of its weight, for methods that look into the sum.

With the weight w of an error and the number n of its labels,

    loss = sum_k r_k^2,      r = sqrt(w / n) h(error),      h(d)^2 = d^2, or the pseudo-Huber form of losses.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.label_masks import labelled_errors
from mliap_hybrid.fitting.losses import ENERGY_SCALE, VIRIAL_SCALE
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.prediction import Prediction


def residuals(prediction: Prediction, frames: TrainingFrames, loss: LossSettings, totals: Mapping[str, int]) -> Tensor:
    """Residuals of energies, forces and virials.

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
    for name, weight, transition, errors in _errors(prediction, frames, loss):
        if errors is not None and weight > 0.0:
            n_values = totals[name] * errors[0].numel()  # a virial has nine
            parts.append(math.sqrt(weight / n_values) * _rooted(errors, transition).flatten())
    return torch.cat(parts)


def count_residuals(loss: LossSettings, totals: Mapping[str, int]) -> int:
    """How many residuals there are of frames with these numbers of labels."""
    of_label = {"energy": (loss.energy, 1), "forces": (loss.forces, 3), "virial": (loss.virial, 9)}
    return sum(totals[name] * n_values for name, (weight, n_values) in of_label.items() if weight > 0.0)


def _errors(
    prediction: Prediction, frames: TrainingFrames, loss: LossSettings
) -> Iterator[tuple[str, float, float | None, Tensor | None]]:
    """Name, weight, transition and errors (n_labelled, ...) of each kind."""
    n_atoms = frames.atoms_per_frame  # (n_frames,)
    if frames.energies is not None:
        errors = labelled_errors(prediction.energies / n_atoms, frames.energies / n_atoms, frames.has_energy)
        yield "energy", ENERGY_SCALE * loss.energy, loss.energy_transition, errors
    if frames.forces is not None:
        errors = labelled_errors(prediction.forces, frames.forces, frames.has_forces, frames.frame_of_atom)
        yield "forces", loss.forces, loss.force_transition, errors
    if frames.virials is not None:
        of_frame = n_atoms[:, None, None]
        errors = labelled_errors(prediction.virials / of_frame, frames.virials / of_frame, frames.has_virial)
        yield "virial", VIRIAL_SCALE * loss.virial, None, errors


def _rooted(errors: Tensor, transition: float | None) -> Tensor:
    """h of the errors: a smooth function with their sign."""
    if transition is None:
        return errors
    return errors * torch.sqrt(2.0 / (torch.sqrt(1.0 + (errors / transition) ** 2) + 1.0))
