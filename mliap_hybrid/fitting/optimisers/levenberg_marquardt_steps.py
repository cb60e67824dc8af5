"""Steps of Levenberg and Marquardt: one an epoch, of all training frames together, with no chance in it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.config import OptimisationSettings
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import RunningErrors, squared_errors
from mliap_hybrid.fitting.memory import available_memory, fits
from mliap_hybrid.fitting.objective import BatchResult, Objective
from mliap_hybrid.fitting.optimisers.full_batch_steps import FullBatchSteps
from mliap_hybrid.fitting.optimisers.levenberg_marquardt import FIRST_DAMPING, Damping, LinearModel, best_step
from mliap_hybrid.fitting.optimisers.residuals import count_residuals, residuals
from mliap_hybrid.fitting.steps import Progress, not_finite
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import join_frames

ROWS = 64
"""Rows of the Jacobian that are computed at a time."""


class LevenbergMarquardtSteps(FullBatchSteps):
    """After an epoch its state determines all that follows, bit for bit."""

    def __init__(self, model: TrainableModel, settings: OptimisationSettings):
        """Set up the first step.

        Parameters
        ----------
        model : TrainableModel
            Changed in place; without predicted charges.
        settings : OptimisationSettings
        """
        super().__init__(model)
        self.settings = settings
        self.position = self.weights.position()  # (n,)
        self.damping: Damping | None = None

    def run_epoch(self, epoch: int, objective: Objective) -> Progress:
        """Take one step.

        Raises
        ------
        InputError
            If the memory does not suffice, there are several processes, or the loss is not finite.
        """
        objective.start_epoch(epoch)
        totals = objective.count(range(objective.n_frames))
        n_residuals = count_residuals(objective.loss, totals)
        self._check(n_residuals, objective)
        errors = RunningErrors()
        linearised = self._residuals_and_jacobians(objective, totals, errors)
        linear_model = LinearModel(linearised, n_residuals, self.position, self.settings.weight_decay)
        if not math.isfinite(linear_model.loss):
            result = BatchResult(linear_model.loss, None, float(linear_model.gradient.norm()))
            raise not_finite(objective, list(range(objective.n_frames)), result, f"epoch {epoch}")
        if self.damping is None:
            self.damping = Damping(FIRST_DAMPING * linear_model.typical_square)
        found = best_step(linear_model, self.position, lambda x: self._loss(x, objective, totals), self.damping)
        self.is_stuck = found is None and not objective.changes
        length = 0.0 if found is None else float((found[0] - self.position).norm())
        self.position = self.position if found is None else found[0]
        self.weights.move_to(self.position)
        return Progress(errors, length, None)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on besides its number, as tensors and plain numbers."""
        assert self.damping is not None
        optimiser = {
            "position": self.position,
            "damping": self.damping.value,
            "growth": self.damping.growth,
            "is_stuck": self.is_stuck,
        }
        return {"part": self.model.state_dict(), "average": self.model.state_dict(), "optimiser": optimiser}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        optimiser = state["optimiser"]
        self.model.load_state_dict(state["part"])
        self.position, self.is_stuck = optimiser["position"].to(self.position.device), optimiser["is_stuck"]
        self.damping = Damping(optimiser["damping"], optimiser["growth"])

    def _residuals_and_jacobians(
        self, objective: Objective, totals: Mapping[str, int], errors: RunningErrors
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Residuals (m,) of each frame, and their derivatives (m, n); adds up the errors on the way."""
        self.model.train()
        for frame in (on_cpu.to(self.model.device) for on_cpu in objective.frames):
            prediction = self.model(frame)
            of_frame = residuals(prediction, frame, objective.loss, totals)  # (m,)
            with torch.no_grad():
                errors.add(squared_errors(prediction, frame, objective.loss), frame)
            chunks = torch.eye(len(of_frame), device=of_frame.device).split(ROWS)
            yield of_frame.detach(), torch.cat([self._derivatives(of_frame, unit_vectors) for unit_vectors in chunks])

    def _derivatives(self, values: Tensor, weights: Tensor) -> Tensor:
        """Derivatives (m_k, n) by the parameters of weighted sums, weights (m_k, m), of values (m,)."""

        def of_sum(weights: Tensor) -> tuple[Tensor, ...]:
            parameters = self.weights.parameters
            return torch.autograd.grad(
                values, parameters, weights, retain_graph=True, allow_unused=True, materialize_grads=True
            )

        gradients = torch.vmap(of_sum)(weights)  # (m_k, *shape) of each parameter
        return torch.cat([gradient.flatten(1) for gradient in gradients], dim=1)

    def _loss(self, position: Tensor, objective: Objective, totals: Mapping[str, int]) -> float:
        """Sum of the squared residuals, and of the squared weights times the decay."""
        self.weights.move_to(position)
        self.model.eval()
        squares, size = 0.0, self.settings.batch_size
        with torch.no_grad():
            for first in range(0, objective.n_frames, size):
                last = min(first + size, objective.n_frames)
                frames = join_frames([objective.frames[index] for index in range(first, last)]).to(self.model.device)
                batch_residuals = residuals(self.model(frames), frames, objective.loss, totals)
                squares += float(batch_residuals.double().square().sum())
        return squares + self.settings.weight_decay * float(position.square().sum())

    def _check(self, n_residuals: int, objective: Objective) -> None:
        if objective.group.size > 1:
            raise InputError("optimisation.optimiser lm works in one process: leave out --processes")
        n = len(self.position)
        smaller = min(n, n_residuals)
        needed = 4 * n_residuals * n * (n_residuals < n) + 20 * smaller**2
        is_here = self.position.device.type == "cpu"  # that of other devices is torch's to look after
        if is_here and not fits(needed, available_memory()):
            raise InputError(
                f"optimisation.optimiser lm needs {needed / 1e9:.1f} GB of memory for {n} weights and {n_residuals} "
                "labels, more than there is: use fewer of either, or another optimiser"
            )
