"""What moves the weights of a training: the interface of all optimisers (optimisers/), and what they tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import RunningErrors
from mliap_hybrid.fitting.objective import BatchResult, Objective
from mliap_hybrid.fitting.trainable_model import TrainableModel


@dataclass(frozen=True)
class Progress:
    """What the steps of an epoch came to."""

    errors: RunningErrors
    """Of this process' shard of the frames, by the weights of the moment."""
    rate: float
    """Learning rate, or length of the step, at the end."""
    added: float | None
    """Mean over the steps of what other terms than those of labels added to the loss."""


class Steps(Protocol):
    """What moves the weights; after an epoch its state determines all that follows, bit for bit."""

    is_stuck: bool
    """Whether there is no step that lowers the loss."""

    @property
    def average(self) -> TrainableModel:
        """The weights that are validated and exported, averaged where the steps are a matter of chance."""

    def run_epoch(self, epoch: int, objective: Objective) -> Progress:
        """Take the steps of an epoch (from 1)."""

    def after_epoch(self, validation_loss: float) -> None:
        """Take note of the validation loss."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on besides its number, as tensors and plain numbers."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""


def not_finite(objective: Objective, indices: list[int], result: BatchResult, where: str) -> InputError:
    """What to say of a batch whose loss or gradient is not finite.

    Parameters
    ----------
    objective : Objective
    indices : list of int
        Training frames of the batch.
    result : BatchResult
    where : str
        Epoch and step.
    """
    culprits = objective.not_finite_at(indices)
    what = f"the loss became {result.loss:.3g} (gradient {result.norm:.3g}) in {where}"
    if 0 < len(culprits) < len(indices):
        frames = "; ".join(objective.names[index] for index in culprits[:5]) + ("; ..." if len(culprits) > 5 else "")
        return InputError(f"{what}, because of {frames}: look at these frames; the epochs before are kept")
    return InputError(
        f"{what}, at {'every frame' if culprits else 'no frame by itself'} of the batch: lower "
        "optimisation.learning_rate or optimisation.gradient_clip; the epochs before are kept"
    )
