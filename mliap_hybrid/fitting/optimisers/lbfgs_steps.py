"""Steps of L-BFGS: one an epoch, of all training frames together. No chance is in it, and weights are not averaged."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from mliap_hybrid.fitting.losses import RunningErrors
from mliap_hybrid.fitting.objective import BatchResult, Objective
from mliap_hybrid.fitting.optimisers.full_batch_steps import FullBatchSteps
from mliap_hybrid.fitting.optimisers.lbfgs import LBFGS
from mliap_hybrid.fitting.steps import Progress, not_finite
from mliap_hybrid.fitting.trainable_model import TrainableModel


class LBFGSSteps(FullBatchSteps):
    """After an epoch its state determines all that follows, bit for bit."""

    def __init__(self, model: TrainableModel):
        """Set up the first step.

        Parameters
        ----------
        model : TrainableModel
            Changed in place.
        """
        super().__init__(model)
        self.minimiser = LBFGS(self.weights.position())

    def run_epoch(self, epoch: int, objective: Objective) -> Progress:
        """Take one step.

        Raises
        ------
        InputError
            If the loss is not finite before the step.
        """
        everything = list(range(objective.n_frames))
        objective.start_epoch(epoch)
        found: list[tuple[RunningErrors, BatchResult]] = []

        def loss(position: Tensor) -> tuple[float, Tensor]:
            self.weights.move_to(position)
            errors = RunningErrors()
            result = objective.gradient(everything, errors)
            if result.is_finite:
                found.append((errors, result))
            elif position is self.minimiser.position:  # elsewhere the line search knows what to do
                raise not_finite(objective, everything, result, f"epoch {epoch}")
            return result.loss if result.is_finite else math.inf, self.weights.gradient()

        had_memory = self.minimiser.has_memory
        length = self.minimiser.step(loss, is_new=objective.changes)
        self.is_stuck = length == 0.0 and not had_memory and not objective.changes
        self.weights.move_to(self.minimiser.position)
        errors, result = min(found, key=lambda evaluation: evaluation[1].loss)
        return Progress(errors, length, result.added)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on besides its number, as tensors and plain numbers."""
        weights = self.model.state_dict()
        optimiser = self.minimiser.state_dict() | {"is_stuck": self.is_stuck}
        return {"part": weights, "average": weights, "optimiser": optimiser}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        self.model.load_state_dict(state["part"])
        self.minimiser.load_state_dict(state["optimiser"])
        self.is_stuck = state["optimiser"]["is_stuck"]
