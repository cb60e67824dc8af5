"""What optimisers have in common that take one step an epoch, of all training frames together."""

from __future__ import annotations

from mliap_hybrid.fitting.optimisers.flat_parameters import FlatParameters
from mliap_hybrid.fitting.trainable_model import TrainableModel


class FullBatchSteps:
    """No chance is in them, and weights are not averaged."""

    def __init__(self, model: TrainableModel):
        """Take the weights.

        Parameters
        ----------
        model : TrainableModel
            Changed in place.
        """
        self.model = model
        self.weights = FlatParameters(model)
        self.is_stuck = False

    @property
    def average(self) -> TrainableModel:
        """The weights themselves."""
        return self.model

    def after_epoch(self, validation_loss: float) -> None:
        """Take no note of the validation loss."""
