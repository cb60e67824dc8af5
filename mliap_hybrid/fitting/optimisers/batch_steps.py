"""Steps along the gradients of small batches: order of the frames, learning rates, clipping, averaged weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch.nn.utils import clip_grads_with_norm_
from torch.optim.swa_utils import get_ema_multi_avg_fn

from mliap_hybrid.config import OptimisationSettings
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import RunningErrors
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers.schedules import make_schedule
from mliap_hybrid.fitting.optimisers.soap import SOAP
from mliap_hybrid.fitting.steps import Progress, not_finite
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.model.contraction import Contraction

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"soap": SOAP, "adamw": torch.optim.AdamW}
"""`optimisation.optimiser` -> what takes the steps."""


class BatchSteps:
    """One step for each batch. After an epoch its state determines all that follows, bit for bit."""

    is_stuck = False
    """Chance leads out of every minimum."""

    def __init__(self, model: TrainableModel, settings: OptimisationSettings, seed: int):
        """Set up the first step.

        Parameters
        ----------
        model : TrainableModel
            Changed in place.
        settings : OptimisationSettings
        seed : int
            Seed of the order of the frames.
        """
        self.model = model
        self.average = copy.deepcopy(model).eval()
        # Looked up once: a walk through all modules costs a noticeable part of a small step.
        self._current, self._averaged = list(model.parameters()), list(self.average.parameters())
        self.settings = settings
        self.seed = seed
        self.schedule = make_schedule(settings)
        parameters = list(model.heads.parameters())
        contractions = [module for module in model.heads.modules() if isinstance(module, Contraction)]
        mixing = {parameter for module in contractions for parameter in module.parameters()}
        weights = [parameter for parameter in parameters if parameter.ndim > 1 and parameter not in mixing]
        # Decay would pull at mean values, and at the size of channels, which the network can make up for.
        offsets = [parameter for parameter in parameters if parameter.ndim <= 1 or parameter in mixing]
        groups = [
            {"params": weights, "lr": settings.learning_rate, "weight_decay": settings.weight_decay},
            {"params": offsets, "lr": settings.learning_rate, "weight_decay": 0.0},
        ]
        if fitted := model.fitted_parameters():
            groups.append({"params": fitted, "lr": settings.charge_learning_rate, "weight_decay": 0.0})
        self.optimiser = OPTIMISERS[settings.optimiser](groups)
        self._start_rates = [float(group["lr"]) for group in self.optimiser.param_groups]

    def run_epoch(self, epoch: int, objective: Objective) -> Progress:
        """Take the steps of an epoch (from 1).

        Raises
        ------
        InputError
            If the loss is no longer finite; the weights are those before the step.
        """
        n_steps = math.ceil(objective.n_frames / self.settings.batch_size)
        errors, added = RunningErrors(), []
        objective.start_epoch(epoch)
        for number, indices in enumerate(self._batches(epoch, objective.n_frames), start=1):
            step = (epoch - 1) * n_steps + number - 1
            self._set_learning_rates(step / (self.settings.epochs * n_steps))
            result = objective.gradient(indices, errors)
            if not result.is_finite:
                raise not_finite(objective, indices, result, f"epoch {epoch}, step {number}")
            if result.added is not None:
                added.append(result.added)
            clip_grads_with_norm_(self._current, self.settings.gradient_clip, torch.tensor(result.norm))
            self.optimiser.step()
            self._update_average(step)
        rate = self.optimiser.param_groups[0]["lr"]
        return Progress(errors, rate, sum(added) / len(added) if added else None)

    def after_epoch(self, validation_loss: float) -> None:
        """Take note of the validation loss."""
        self.schedule.after_epoch(validation_loss)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on besides its number, as tensors and plain numbers."""
        return {
            "part": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned.

        Raises
        ------
        InputError
            If it groups the parameters as an older version did.
        """
        n_groups, n_expected = len(state["optimiser"]["param_groups"]), len(self.optimiser.param_groups)
        if n_groups != n_expected:
            raise InputError(
                f"the checkpoint's optimiser has {n_groups} groups of parameters, expected {n_expected}: it was "
                "written by another version of mliap_hybrid; finish the run with that, or start a new one"
            )
        self.model.load_state_dict(state["part"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state.get("schedule", {}))  # older ones were cosines, which have no state

    def _batches(self, epoch: int, n_frames: int) -> Iterator[list[int]]:
        """Indices of the training frames in an order that only the seed and the epoch determine."""
        order = np.random.default_rng([self.seed, epoch]).permutation(n_frames).tolist()
        size = self.settings.batch_size
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def _set_learning_rates(self, progress: float) -> None:
        factor = self.schedule.factor(progress)
        for group, start in zip(self.optimiser.param_groups, self._start_rates, strict=True):
            group["lr"] = start * factor

    def _update_average(self, step: int) -> None:
        """Exponential average; while it is young, of the few steps there were."""
        decay = min(self.settings.average_decay, (1.0 + step) / (10.0 + step))
        get_ema_multi_avg_fn(decay)(self._averaged, self._current, step)
