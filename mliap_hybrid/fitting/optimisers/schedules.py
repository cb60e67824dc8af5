"""Schedules: what the learning rate at the start is multiplied by."""

from __future__ import annotations

import math
from typing import Any, Protocol

from mliap_hybrid.config import OptimisationSettings


class Schedule(Protocol):
    """A factor of the learning rate, from 1 on down."""

    def factor(self, progress: float) -> float:
        """The factor when the part `progress` of all steps, 0 to 1, is done."""

    def after_epoch(self, validation_loss: float) -> None:
        """Take note of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """What the factor depends on besides the progress."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""


class Constant:
    """The factor is 1."""

    def factor(self, progress: float) -> float:
        """As `Schedule`."""
        return 1.0

    def after_epoch(self, validation_loss: float) -> None:
        """As `Schedule`."""

    def state_dict(self) -> dict[str, Any]:
        """As `Schedule`."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As `Schedule`."""


class Cosine(Constant):
    """(1 + cos(pi x)) / 2 of the progress x: zero at the end."""

    def factor(self, progress: float) -> float:
        """As `Schedule`."""
        return 0.5 * (1.0 + math.cos(math.pi * progress))


class Plateau:
    """Falls by a factor whenever `patience` epochs have gone by without a lower validation loss."""

    def __init__(self, reduction: float, patience: int):
        """Start at 1.

        Parameters
        ----------
        reduction : float
            What it is multiplied by, between 0 and 1.
        patience : int
            Epochs to wait; the waiting starts again after each reduction.
        """
        self.reduction = reduction
        self.patience = patience
        self._factor = 1.0
        self._lowest = math.inf
        self._waited = 0

    def factor(self, progress: float) -> float:
        """As `Schedule`."""
        return self._factor

    def after_epoch(self, validation_loss: float) -> None:
        """As `Schedule`."""
        if validation_loss < self._lowest:
            self._lowest, self._waited = validation_loss, 0
            return
        self._waited += 1
        if self._waited == self.patience:
            self._factor, self._waited = self._factor * self.reduction, 0

    def state_dict(self) -> dict[str, Any]:
        """As `Schedule`."""
        return {"factor": self._factor, "lowest": self._lowest, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As `Schedule`."""
        self._factor, self._lowest, self._waited = state["factor"], state["lowest"], state["waited"]


def make_schedule(settings: OptimisationSettings) -> Schedule:
    """The schedule that a training file asks for."""
    if settings.schedule == "plateau":
        return Plateau(settings.plateau_factor, settings.plateau_patience)
    return {"cosine": Cosine, "constant": Constant}[settings.schedule]()
