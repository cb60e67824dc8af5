"""From what a training file says to settings for everything: chosen from the frames, tried, and told."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.runs import charges_trial
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.recipe import complete
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


def complete_settings(
    settings: TrainingFile,
    training: Sequence[Batch],
    validation: Sequence[Batch],
    display: Display,
    group: ProcessGroup | None = None,
) -> TrainingFile:
    """Choose what the training file leaves open, and say what was chosen and why.

    Parameters
    ----------
    settings : TrainingFile
        As the file has it.
    training, validation : sequence of Batch
        One labelled structure each.
    display : Display
        Shows progress.
    group : ProcessGroup, optional
        Processes that do the same.

    Returns
    -------
    TrainingFile
        In which every setting is meant.

    Raises
    ------
    InputError
        As `preparation.prepare`, or if the processes do not come to the same.
    """
    group = group or ProcessGroup()
    recipe = complete(settings, training)
    chosen, reasons = recipe.settings, recipe.reasons
    if charges_trial.is_open(chosen, training, validation):
        trial = charges_trial.try_charges(chosen, training, validation, display)
        chosen, reasons = trial.settings, [*reasons, trial.reason]
        group.check_same(torch.tensor([float(trial.takes_charges)]), "trials of charges")
    if reasons:
        logger.info("The training file leaves open, chosen from the frames:\n  %s", "\n  ".join(reasons))
    return chosen
