"""Whether a training gains from charges where the training file says nothing of them: tried, not guessed.

Ionic crystals and melts gain a factor of two from one charge for each element; water or alloys gain little or nothing,
and then charges only cost time in a run. So a short training with fitted charges and one without are compared on
validation frames.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.errors import InputError
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.structure import Batch

GAIN = 0.2
"""Charges are taken where they lower the validation loss, which no single force rules, by more than this fraction."""

N_FRAMES = 500
"""Most training frames of a trial: with too few, what is missing in them hides what charges are worth."""

N_VALIDATION = 100
"""Most validation frames of a trial."""

STEPS = 1000
"""Of a trial, a third of a training: after a tenth, charges that are still on their way hide what they are worth."""


@dataclass(frozen=True)
class ChargesTrial:
    """What the two trainings came to."""

    settings: TrainingFile
    """With the better source of charges."""
    reason: str
    """For the user."""
    takes_charges: bool
    """Whether that is with charges."""


def is_open(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch]) -> bool:
    """Whether there is anything to try.

    Charges are for systems that are periodic in all directions, neutral and of several elements; elsewhere, the file
    has to ask for them.

    Parameters
    ----------
    settings : TrainingFile
    training, validation : sequence of Batch
        One labelled structure each.
    """
    is_said = "charges" in settings.electrostatics.model_fields_set
    if is_said or not validation or not _can_fit(settings):
        return False
    if settings.molecules is not None or settings.network.forces == "direct":
        return False
    several = any(len(torch.unique(batch.numbers)) > 1 for batch in training)
    frames = [*training, *validation]
    return several and all(bool(batch.periodic.all()) and not batch.total_charges.any() for batch in frames)


def try_charges(
    settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch], display: Display
) -> ChargesTrial:
    """Train briefly without charges and with fitted ones.

    Parameters
    ----------
    settings : TrainingFile
        Complete but for charges.
    training, validation : sequence of Batch
        One labelled structure each.
    display : Display
        Shows progress.
    """
    some = _some_of(training, N_FRAMES, settings.seed), _some_of(validation, N_VALIDATION, settings.seed)
    short, losses = _shortened(settings, len(some[0])), {}
    for source in display.track(("none", "fitted"), "trying charges"):
        try:
            losses[source] = _lowest_loss(_with(short, source), *some)
        except InputError as error:  # no charges to start from, or none that all frames could have
            if source == "none":
                raise
            return ChargesTrial(_with(settings, "none"), f"electrostatics.charges none (fitted: {error})", False)
    better = losses["fitted"] < (1.0 - GAIN) * losses["none"]
    chosen = "fitted" if better else "none"
    change = f"{100.0 * (losses['fitted'] / losses['none'] - 1.0):+.0f} %"
    reason = f"electrostatics.charges {chosen} (a short training with fitted charges has a validation loss {change})"
    return ChargesTrial(_with(settings, chosen), reason, better)


def _some_of(batches: Sequence[Batch], n_most: int, seed: int) -> list[Batch]:
    """At most so many frames, any."""
    order = np.random.default_rng(seed).permutation(len(batches))[:n_most]
    return [batches[index] for index in sorted(order.tolist())]


def _shortened(settings: TrainingFile, n_frames: int) -> TrainingFile:
    """A training of as many steps as a trial has, without what plays no part in it."""
    epochs = math.ceil(STEPS / math.ceil(n_frames / settings.optimisation.batch_size))
    optimisation = settings.optimisation.model_copy(update={"epochs": epochs, "patience": None})
    data = settings.data.model_copy(update={"cache": None})
    plain = {name: TrainingFile.model_fields[name].default for name in ("weak_supervision", "noise")}
    return settings.model_copy(update={"optimisation": optimisation, "data": data} | plain)


def _can_fit(settings: TrainingFile) -> bool:
    """Whether fitted charges go together with the rest of the file."""
    try:
        _with(settings, "fitted").check()
    except ValueError:
        return False
    return True


def _with(settings: TrainingFile, charges: str) -> TrainingFile:
    electrostatics = settings.electrostatics.model_copy(update={"charges": charges})
    return settings.model_copy(update={"electrostatics": electrostatics})


def _lowest_loss(settings: TrainingFile, training: Sequence[Batch], validation: Sequence[Batch]) -> float:
    """Lowest validation loss."""
    inputs = prepare(settings, training, validation, lambda items, _: items)
    trainer = make_trainer(settings, inputs)
    trainer.run(lambda result: None)
    return trainer.best_loss
