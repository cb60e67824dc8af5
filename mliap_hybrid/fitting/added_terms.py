"""Terms of the loss that are no errors of labels, as the objective sees them; weak supervision brings some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from torch import Tensor

from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.prediction import Prediction


class AddedTerms(Protocol):
    """What adds to the loss of a batch. It may have another form in each epoch."""

    def start_epoch(self, epoch: int, model: TrainableModel, training: Sequence[TrainingFrames]) -> bool:
        """Make ready for an epoch.

        Parameters
        ----------
        epoch : int
            From 1.
        model : TrainableModel
            At the weights of the moment.
        training : sequence of TrainingFrames
            The training frames in their order.

        Returns
        -------
        bool
            Whether the epoch has these terms.
        """

    def loss(
        self, model: TrainableModel, prediction: Prediction, frames: TrainingFrames, indices: Sequence[int]
    ) -> Tensor:
        """The terms of some frames, mean over these.

        Parameters
        ----------
        model : TrainableModel
        prediction : Prediction
            Of the model, for `frames`.
        frames : TrainingFrames
        indices : sequence of int
            Which training frames these are.

        Returns
        -------
        Tensor, shape ()
            In the units of `total_loss`; differentiable in the weights.
        """
