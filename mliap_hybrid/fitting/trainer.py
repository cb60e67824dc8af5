"""The training loop: epochs of steps, each followed by a validation, until they are done or help no more."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mliap_hybrid.config import OptimisationSettings
from mliap_hybrid.fitting.losses import RunningErrors, SquaredErrors, squared_errors, total_loss
from mliap_hybrid.fitting.objective import Objective, micro_batches
from mliap_hybrid.fitting.steps import Steps
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames, join_frames


@dataclass(frozen=True)
class EpochResult:
    """What one pass over the training frames came to."""

    epoch: int
    """From 1."""
    learning_rate: float
    """At the end of the epoch; length of the last step where a line search finds it."""
    training: SquaredErrors
    """Mean over the steps, of the weights of the moment."""
    validation: SquaredErrors
    """Of the averaged weights."""
    validation_loss: float
    is_best: bool
    """Whether no epoch before had a lower validation loss."""
    seconds: float
    added_loss: float | None = None
    """Mean over the steps of what other terms than those of labels added to the loss; None where there were none."""


class Trainer:
    """Finds the parameters of a `TrainableModel`; its state after an epoch determines all that follows, bit for bit."""

    def __init__(
        self,
        objective: Objective,
        steps: Steps,
        validation: Sequence[TrainingFrames],
        optimisation: OptimisationSettings,
    ):
        """Set up the first epoch.

        Parameters
        ----------
        objective : Objective
            Of the model that is trained, on its training frames.
        steps : Steps
            Of the same model, which they change in place.
        validation : sequence of TrainingFrames
            One frame each; not empty.
        optimisation : OptimisationSettings
        """
        self.model = objective.model
        self.loss = objective.loss
        self.group = objective.group
        self.objective = objective
        self.steps = steps
        self.validation = validation
        self.settings = optimisation
        self.epoch = 0
        self.best_epoch = 0
        self.best_loss = math.inf

    @property
    def average(self) -> TrainableModel:
        """The averaged weights, which are validated and exported."""
        return self.steps.average

    @property
    def why_finished(self) -> str | None:
        """Why there is no further epoch; None where there is one."""
        if self.epoch >= self.settings.epochs:
            return "all epochs are done"
        if self.settings.patience is not None and self.epoch - self.best_epoch >= self.settings.patience:
            return f"the validation loss has not fallen for {self.settings.patience} epochs"
        if self.steps.is_stuck:
            return "no step lowers the loss any more"
        return None

    def run(self, after_epoch: Callable[[EpochResult], None], last_epoch: int | None = None) -> None:
        """Train until `last_epoch`, or until the training is finished.

        Parameters
        ----------
        after_epoch : callable
            Told the result of each epoch; writes checkpoints and logs.
        last_epoch : int, optional

        Raises
        ------
        InputError
            If the loss is no longer finite.
        """
        while self.why_finished is None and (last_epoch is None or self.epoch < last_epoch):
            start, epoch = time.perf_counter(), self.epoch + 1
            progress = self.steps.run_epoch(epoch, self.objective)
            training = self._of_group(progress.errors)
            validation = self.validate()
            validation_loss = float(total_loss(validation, self.loss))
            self.steps.after_epoch(validation_loss)
            self.epoch = epoch
            if is_best := validation_loss < self.best_loss:
                self.best_epoch, self.best_loss = epoch, validation_loss
            after_epoch(
                EpochResult(
                    epoch=epoch,
                    learning_rate=progress.rate,
                    training=training,
                    validation=validation,
                    validation_loss=validation_loss,
                    is_best=is_best,
                    seconds=time.perf_counter() - start,
                    added_loss=progress.added,
                )
            )

    def validate(self) -> SquaredErrors:
        """Errors of the averaged weights on the validation frames."""
        errors, average = RunningErrors(), self.average.eval()
        of_process = self.group.shard(range(len(self.validation)))
        for micro_batch in micro_batches(of_process, self.objective.micro_batch_size):
            frames = join_frames([self.validation[index] for index in micro_batch]).to(average.device)
            with torch.no_grad():
                errors.add(squared_errors(average(frames), frames, self.loss), frames)
        return self._of_group(errors)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, as tensors and plain numbers."""
        counters = {"epoch": self.epoch, "best_epoch": self.best_epoch, "best_loss": self.best_loss}
        return counters | self.steps.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned.

        Raises
        ------
        InputError
            If it groups the parameters as an older version did.
        """
        self.steps.load_state_dict(state)
        self.epoch = state["epoch"]
        self.best_epoch = state.get("best_epoch", self.epoch)  # not there in older ones
        self.best_loss = state["best_loss"]

    def _of_group(self, errors: RunningErrors) -> SquaredErrors:
        """Mean errors of all processes together."""
        return RunningErrors.of_totals(self.group.sum(errors.totals())).mean()
