"""What optimisers have in common that take one step an epoch, of all training frames together."""

from __future__ import annotations

from mliap_hybrid.fitting.optimisers.flat_parameters import FlatParameters
from mliap_hybrid.fitting.trainable_model import TrainableModel


class FullBatchSteps:
    """No chance is in them, and weights are not averaged."""

    def __init__(self, part: TrainableModel):
        """Take the weights.

        Parameters
        ----------
        part : TrainableModel
            Changed in place.
        """
        self.part = part
        self.weights = FlatParameters(part)
        self.is_stuck = False

    @property
    def average(self) -> TrainableModel:
        """The weights themselves."""
        return self.part

    def after_epoch(self, validation_loss: float) -> None:
        """Take no note of the validation loss."""
