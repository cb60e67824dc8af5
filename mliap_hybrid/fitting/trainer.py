"""The training loop: a cosine schedule, clipped gradients and averaged weights, on prepared frames."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from mliap_hybrid.config import LossSettings, OptimisationSettings
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import RunningErrors, SquaredErrors, squared_errors, total_loss
from mliap_hybrid.fitting.prepared import PreparedFrames, join_frames
from mliap_hybrid.fitting.shortcut import TrainedPart
from mliap_hybrid.fitting.soap import SOAP
from mliap_hybrid.fitting.weak_supervision import WeakSupervision

OPTIMISERS: dict[str, Callable[..., torch.optim.Optimizer]] = {"soap": SOAP, "adamw": torch.optim.AdamW}
"""`optimisation.optimiser` -> what takes the steps."""


@dataclass(frozen=True)
class EpochResult:
    """What one pass over the training frames came to."""

    epoch: int
    """From 1."""
    learning_rate: float
    """At the end of the epoch."""
    training: SquaredErrors
    """Mean over the steps, of the weights of the moment."""
    validation: SquaredErrors
    """Of the averaged weights."""
    validation_loss: float
    is_best: bool
    """Whether no epoch before had a lower validation loss."""
    seconds: float
    weak_supervision: float | None = None
    """Mean over the steps of what weak supervision added to the loss; None where it added nothing."""


class Trainer:
    """Finds the parameters of a `TrainedPart`; its state after an epoch determines all that follows, bit for bit."""

    def __init__(
        self,
        part: TrainedPart,
        training: Sequence[PreparedFrames],
        validation: Sequence[PreparedFrames],
        loss: LossSettings,
        optimisation: OptimisationSettings,
        seed: int,
        weak_supervision: WeakSupervision | None = None,
        noisy: Sequence[Sequence[PreparedFrames]] = (),
    ):
        """Set up the first epoch.

        Parameters
        ----------
        part : TrainedPart
            Changed in place.
        training, validation : sequence of PreparedFrames
            One frame each; not empty.
        loss : LossSettings
        optimisation : OptimisationSettings
        seed : int
            Seed of the order of the frames.
        weak_supervision : WeakSupervision, optional
            Terms to add to the loss.
        noisy : sequence of sequences of PreparedFrames, optional
            What stands for `training`, each in its turn for one epoch.
        """
        self.part = part
        self.average = copy.deepcopy(part).eval()
        self.training = training
        self.validation = validation
        self.loss = loss
        self.settings = optimisation
        self.seed = seed
        self.weak_supervision = weak_supervision
        self.noisy = noisy
        self.epoch = 0
        self.best_loss = math.inf
        networks = [part.network] if part.charge_model is None else [part.network, part.charge_model]
        parameters = [parameter for network in networks for parameter in network.parameters()]
        weights = [parameter for parameter in parameters if parameter.ndim > 1]
        offsets = [parameter for parameter in parameters if parameter.ndim <= 1]  # decay would pull at mean values
        groups = [
            {"params": weights, "lr": optimisation.learning_rate, "weight_decay": optimisation.weight_decay},
            {"params": offsets, "lr": optimisation.learning_rate, "weight_decay": 0.0},
        ]
        if part.charges is not None:
            charges = list(part.charges.parameters())
            groups.append({"params": charges, "lr": optimisation.charge_learning_rate, "weight_decay": 0.0})
        self.optimiser = OPTIMISERS[optimisation.optimiser](groups)
        self._start_rates = [float(group["lr"]) for group in self.optimiser.param_groups]

    @property
    def steps_per_epoch(self) -> int:
        """Number of weight updates in an epoch."""
        return math.ceil(len(self.training) / self.settings.batch_size)

    def run(self, after_epoch: Callable[[EpochResult], None], last_epoch: int | None = None) -> None:
        """Train until `last_epoch`, or until all epochs are done.

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
        for epoch in range(self.epoch + 1, (last_epoch or self.settings.epochs) + 1):
            start = time.perf_counter()
            training, added = self._train_epoch(epoch)
            validation = self.validate()
            validation_loss = float(total_loss(validation, self.loss))
            is_best = validation_loss < self.best_loss
            self.best_loss = min(self.best_loss, validation_loss)
            self.epoch = epoch
            after_epoch(
                EpochResult(
                    epoch=epoch,
                    learning_rate=self.optimiser.param_groups[0]["lr"],
                    training=training,
                    validation=validation,
                    validation_loss=validation_loss,
                    is_best=is_best,
                    seconds=time.perf_counter() - start,
                    weak_supervision=added,
                )
            )

    def validate(self) -> SquaredErrors:
        """Errors of the averaged weights on the validation frames."""
        errors = RunningErrors()
        for frame in self.validation:
            with torch.no_grad():
                errors.add(squared_errors(self.average(frame), frame, self.loss.force_transition), frame)
        return errors.mean()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, as tensors and plain numbers."""
        return {
            "epoch": self.epoch,
            "best_loss": self.best_loss,
            "part": self.part.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
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
        self.epoch = state["epoch"]
        self.best_loss = state["best_loss"]
        self.part.load_state_dict(state["part"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])

    def _train_epoch(self, epoch: int) -> tuple[SquaredErrors, float | None]:
        """Errors, and what weak supervision added to the loss, as means over the steps."""
        weak, added = self.weak_supervision, []
        if weak is not None and not weak.start_epoch(epoch, self.part, self.training):
            weak = None
        training = self.noisy[epoch % len(self.noisy)] if self.noisy else self.training
        self.part.train()
        errors = RunningErrors()
        for step, indices in enumerate(self._batches(epoch)):
            frames = join_frames([training[index] for index in indices])
            self._set_learning_rates((epoch - 1) * self.steps_per_epoch + step)
            prediction = self.part(frames)
            step_errors = squared_errors(prediction, frames, self.loss.force_transition)
            loss = total_loss(step_errors, self.loss)
            if weak is not None:
                term = weak.loss(self.part, prediction, frames, indices)
                added.append(term.item())
                loss = loss + term
            self.optimiser.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(self.part.parameters(), self.settings.gradient_clip)
            if not torch.isfinite(loss) or not torch.isfinite(norm):
                raise InputError(
                    f"the loss became {loss.item():.3g} (gradient {norm.item():.3g}) in epoch {epoch}, "
                    f"step {step + 1}: lower optimisation.learning_rate or "
                    "optimisation.gradient_clip; the epochs before are kept"
                )
            self.optimiser.step()
            self._update_average((epoch - 1) * self.steps_per_epoch + step)
            errors.add(step_errors, frames)
        return errors.mean(), sum(added) / len(added) if added else None

    def _batches(self, epoch: int) -> Iterator[list[int]]:
        """Indices of the training frames in an order that only the seed and the epoch determine."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.training)).tolist()
        size = self.settings.batch_size
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def _set_learning_rates(self, step: int) -> None:
        """Half a cosine from the start rate at step 0 to zero at the end of the last epoch."""
        progress = step / (self.settings.epochs * self.steps_per_epoch)
        for group, start in zip(self.optimiser.param_groups, self._start_rates, strict=True):
            group["lr"] = 0.5 * start * (1.0 + math.cos(math.pi * progress))

    def _update_average(self, step: int) -> None:
        """Exponential average; while it is young, of the few steps there were."""
        decay = min(self.settings.average_decay, (1.0 + step) / (10.0 + step))
        with torch.no_grad():
            for average, current in zip(self.average.parameters(), self.part.parameters(), strict=True):
                average.lerp_(current, 1.0 - decay)
