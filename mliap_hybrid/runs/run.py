"""A whole training run: data in, run folder out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mliap_hybrid.config import TrainingFile, write_training_file
from mliap_hybrid.devices import device_of_training
from mliap_hybrid.fitting.checkpoint import read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.distance_fit import fit_training_distance
from mliap_hybrid.fitting.earlier_training import with_earlier_sizes
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.runs.closed_form_run import train_in_closed_form
from mliap_hybrid.runs.complete_settings import complete_settings
from mliap_hybrid.runs.earlier_run import as_before, check_folder, fingerprint, last_checkpoint
from mliap_hybrid.runs.member_run import train_member
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run_log import RunLog
from mliap_hybrid.runs.run_report import report_run
from mliap_hybrid.runs.starts import find_start
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.structure import Batch
from mliap_hybrid.version import __version__

logger = logging.getLogger(__name__)


def train(
    settings: TrainingFile,
    display: Display,
    *,
    resume: bool = False,
    overwrite: bool = False,
    last_epoch: int | None = None,
    group: ProcessGroup | None = None,
) -> dict[str, Evaluation] | None:
    """Train as a training file says, and leave everything in its run folder.

    Parameters
    ----------
    settings : TrainingFile
        With absolute paths.
    display : Display
        Entered by the caller.
    resume : bool
        Go on after the last finished epoch of the run that is in the folder.
    overwrite : bool
        Move a run that is in the folder to a backup.
    last_epoch : int, optional
        Stop after this epoch, as if interrupted; without a report.
    group : ProcessGroup, optional
        Processes that all call this at once; the first one writes, and reports.

    Returns
    -------
    dict of str to Evaluation, or None
        Errors of the train, validation and test frames; None where stopped early, or in another process than the first.

    Raises
    ------
    InputError
        For every mistake in settings, data or folder; nothing of an earlier run is lost.
    """
    group = group or ProcessGroup()
    folder = RunFolder(settings.run)
    settings = as_before(settings, folder) if resume else with_earlier_sizes(settings)
    if group.is_first:
        check_folder(settings, folder, resume, overwrite)
    device = device_of_training(settings.device, group.rank)
    with RunLog() as log:
        # Everything that can be wrong with settings and data shows before the folder is touched.
        batches = load_data(settings, display)
        logger.info("mliap_hybrid %s; frames: %s", __version__, ", ".join(f"{len(b)} {n}" for n, b in batches.items()))
        if device.type != "cpu":
            logger.info("Training on %s", device)
        data = fingerprint([*batches["train"], *batches["validation"]])
        if settings.gdml is not None:
            if not group.is_first:
                return None
            return train_in_closed_form(settings, settings.gdml, folder, batches, data, log, display)
        return _train_networks(settings, folder, batches, data, log, display, resume, last_epoch, group)


def _train_networks(
    settings: TrainingFile,
    folder: RunFolder,
    batches: dict[str, list[Batch]],
    data: str,
    log: RunLog,
    display: Display,
    resume: bool,
    last_epoch: int | None,
    group: ProcessGroup,
) -> dict[str, Evaluation] | None:
    """Train one network or a committee, epoch by epoch; arguments as in `train`, and what it has found."""
    settings = complete_settings(settings, batches["train"], batches["validation"], display, group)
    folders = folder.members(settings.committee.n_members)
    checkpoints = [last_checkpoint(of_member, data) if resume else None for of_member in folders]
    initial_fit = next((checkpoint.initial_fit for checkpoint in checkpoints if checkpoint), None)
    with group.in_turn(settings.data.cache is not None):
        inputs = prepare(settings, batches["train"], batches["validation"], display.track, initial_fit, group.size)
    group.check_same(inputs.initial_fit.whitening.matrix, "features")
    if group.is_first:
        if not resume:
            backup = folder.create(settings.committee.n_members)
            for each in {folder, *folders}:  # so that a member can be evaluated and exported like a run
                write_training_file(settings, each.config)
            if backup is not None:
                logger.info("The run that was in %s is now in %s", folder.path, backup)
        log.write_to(folder.log)
    if settings.optimisation.starts > 1 and not all(checkpoints):
        inputs = replace(inputs, coordinates=find_start(settings, inputs, folder, data, display, group))

    finished = [
        train_member(settings, number, inputs, batches, data, of_member, display, checkpoint, last_epoch, group)
        for number, (of_member, checkpoint) in enumerate(zip(folders, checkpoints, strict=True))
    ]
    if not all(finished) or not group.is_first:
        return None
    if len(folders) > 1:
        _join_members(folder, folders)
    for which in ("best", "last"):
        _add_distance(folder.checkpoint(which), batches)
    return report_run(folder, batches, display)


def _join_members(folder: RunFolder, members: Sequence[RunFolder]) -> None:
    """Write the checkpoints of a committee, whose members are trained."""
    for which in ("best", "last"):
        checkpoints = [read_checkpoint(member.checkpoint(which)) for member in members]
        epochs = {"epoch": [checkpoint.trainer["epoch"] for checkpoint in checkpoints]}
        model = committee_model([checkpoint.model for checkpoint in checkpoints])
        write_checkpoint(replace(checkpoints[0], model=model, trainer=epochs), folder.checkpoint(which))


def _add_distance(path: Path, batches: dict[str, list[Batch]]) -> None:
    """Write a checkpoint again, with the distance of its model to the training set."""
    checkpoint = read_checkpoint(path)
    checkpoint.model.distance = fit_training_distance(checkpoint.model, batches["train"], batches["validation"])
    write_checkpoint(checkpoint, path)
