"""The loss: weighted mean squared errors of all quantities of the table, each over the frames that have the label.

Large errors of energies and forces may count linearly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.quantities import QUANTITIES, Quantity


@dataclass(frozen=True)
class SquaredErrors:
    """Mean squared errors over the frames of a set that have the label; quantities that none has are left out.

    Errors are of all components, and of the value for each atom where the table says so.
    """

    means: Mapping[str, Tensor]
    """Quantity -> mean of the squares, in its unit squared."""
    penalties: Mapping[str, Tensor]
    """The same with large errors counted as the loss counts them: what is weighted and summed there."""


def squared_errors(prediction: Prediction, frames: TrainingFrames, loss: LossSettings | None = None) -> SquaredErrors:
    """Mean squared errors of what is both predicted and labelled.

    Parameters
    ----------
    prediction : Prediction
    frames : TrainingFrames
        With the labels.
    loss : LossSettings, optional
        Says from which errors on they count linearly; by default all are squared.
    """
    means, penalties = {}, {}
    for name in frames.labels:
        errors = label_errors(prediction, frames, QUANTITIES[name])
        if errors is not None:
            squares, transition = errors.square(), huber_transition(QUANTITIES[name], loss)
            means[name] = penalties[name] = squares.mean()
            if transition is not None:
                penalties[name] = pseudo_huber(squares, transition).mean()
            if loss is not None and loss.wall is not None and QUANTITIES[name].has_wall:
                counted = squares if transition is None else pseudo_huber(squares, transition)
                penalties[name] = (counted * wall_weights(frames, frames.labels[name], loss.wall)).mean()
    return SquaredErrors(means, penalties)


def label_errors(prediction: Prediction, frames: TrainingFrames, quantity: Quantity) -> Tensor | None:
    """Errors (n_labelled, ...) of the frames, or atoms, that have a label of a quantity.

    None where none has, or the prediction does not have the quantity.
    """
    label, values = frames.labels.get(quantity.name), prediction.values_of(quantity)
    if label is None or values is None:
        return None
    if quantity.per_atom:
        n_atoms = frames.atoms_per_frame.view(-1, *[1] * (values.ndim - 1))  # (n_frames, ...)
        values, label = values / n_atoms, replace(label, values=label.values / n_atoms)
    return label.errors(values, frames.frame_of_atom if quantity.of_atoms else None)


def wall_weights(frames: TrainingFrames, label: Label, wall: float) -> Tensor:
    """1 / (1 + (E / E0)^2) (n_labelled,) of the frames that have a label, E their labelled energy and E0 `wall`, in eV.

    Frames without an energy count as they are.
    """
    weights = 1.0 / (1.0 + (frames.wall_energies / wall).square())  # (n_frames,)
    return weights if label.mask is None else weights[label.mask]


def huber_transition(quantity: Quantity, loss: LossSettings | None) -> float | None:
    """From which error of a quantity on errors count linearly; None where all are squared."""
    return None if loss is None or quantity.transition is None else getattr(loss, quantity.transition)


def pseudo_huber(squares: Tensor, transition: float) -> Tensor:
    """2 c^2 (sqrt(1 + d^2 / c^2) - 1) of squared errors d^2: d^2 where d << c, 2 c |d| where d >> c."""
    # The same without the cancellation at small errors.
    return 2.0 * squares / (torch.sqrt(1.0 + squares / transition**2) + 1.0)


def loss_weight(quantity: Quantity, loss: LossSettings) -> float:
    """What the mean squared error of a quantity is multiplied by."""
    return float(getattr(loss, quantity.weight) * quantity.loss_scale)


def total_loss(errors: SquaredErrors, loss: LossSettings) -> Tensor:
    """The weighted sum that is minimised; what has no label adds nothing."""
    total = torch.zeros(())
    for name, quantity in QUANTITIES.items():
        if name in errors.penalties:
            total = total + loss_weight(quantity, loss) * errors.penalties[name]
    return total


def label_counts(frames: TrainingFrames) -> dict[str, int]:
    """Quantity -> how many frames, or atoms, its error is the mean over; 0 without labels."""
    rows = {name: frames.frame_of_atom if quantity.of_atoms else None for name, quantity in QUANTITIES.items()}
    return {name: frames.labels[name].count(of_rows) if name in frames.labels else 0 for name, of_rows in rows.items()}


class RunningErrors:
    """Mean of the squared errors of several batches, each counted by how many frames or atoms have the label."""

    def __init__(self) -> None:
        self._means = dict.fromkeys(QUANTITIES, 0.0)
        self._penalties = dict.fromkeys(QUANTITIES, 0.0)
        self._sizes = dict.fromkeys(QUANTITIES, 0)

    def add(self, errors: SquaredErrors, frames: TrainingFrames) -> None:
        """Count the errors of one batch."""
        sizes = label_counts(frames)
        for name, mean in errors.means.items():
            self._means[name] += mean.item() * sizes[name]
            self._penalties[name] += errors.penalties[name].item() * sizes[name]
            self._sizes[name] += sizes[name]

    def totals(self) -> Tensor:
        """All that `mean` depends on, float64: the totals of several processes may be added up."""
        sums = [*self._means.values(), *self._penalties.values(), *self._sizes.values()]
        return torch.tensor(sums, dtype=torch.float64)

    @classmethod
    def of_totals(cls, totals: Tensor) -> RunningErrors:
        """The errors that have these totals."""
        errors = cls()
        means, penalties, sizes = totals.view(3, -1).tolist()
        errors._means = dict(zip(QUANTITIES, means, strict=True))
        errors._penalties = dict(zip(QUANTITIES, penalties, strict=True))
        errors._sizes = {name: int(size) for name, size in zip(QUANTITIES, sizes, strict=True)}
        return errors

    def mean(self) -> SquaredErrors:
        """The mean over all that was added."""
        sizes = {name: size for name, size in self._sizes.items() if size}
        if not sizes:
            raise ValueError("expected at least one batch with a label, got none")
        return SquaredErrors(
            *(
                {name: torch.tensor(sums[name] / size) for name, size in sizes.items()}
                for sums in (self._means, self._penalties)
            )
        )
