"""A whole training run: data in, run folder out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mliap_hybrid.config import TrainingFile, read_training_file, with_defaults_from, write_training_file
from mliap_hybrid.devices import device_of_training
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.runs.complete_settings import complete_settings
from mliap_hybrid.runs.member_run import train_member
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run_log import RunLog
from mliap_hybrid.runs.run_report import report_run
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.sgdml.closed_form import fit_molecule
from mliap_hybrid.structure import Batch
from mliap_hybrid.version import __version__

logger = logging.getLogger(__name__)

MAY_CHANGE = ("run", "device", "data.cache", "data.cache_workers")
"""Settings that a resumed run may have otherwise: the result does not depend on them, but for rounding on devices."""


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
    settings = _as_before(settings, folder, resume)
    if group.is_first:
        _check_folder(settings, folder, resume, overwrite)
    device = device_of_training(settings.device, group.rank)
    with RunLog() as log:
        # Everything that can be wrong with settings and data shows before the folder is touched.
        batches = load_data(settings, display)
        logger.info("mliap_hybrid %s; frames: %s", __version__, ", ".join(f"{len(b)} {n}" for n, b in batches.items()))
        if device.type != "cpu":
            logger.info("Training on %s", device)
        data = fingerprint([*batches["train"], *batches["validation"]])
        if settings.gdml is not None:
            return _train_in_closed_form(settings, folder, batches, data, log, display) if group.is_first else None
        settings = complete_settings(settings, batches["train"], batches["validation"], display, group)
        folders = folder.members(settings.committee.n_members)
        checkpoints = [_last_checkpoint(of_member, data) if resume else None for of_member in folders]
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

        finished = [
            train_member(settings, number, inputs, batches, data, of_member, display, checkpoint, last_epoch, group)
            for number, (of_member, checkpoint) in enumerate(zip(folders, checkpoints, strict=True))
        ]
        if not all(finished) or not group.is_first:
            return None
        if len(folders) > 1:
            _join_members(folder, folders)
        return report_run(folder, batches, display)


def _train_in_closed_form(
    settings: TrainingFile, folder: RunFolder, batches: dict[str, list[Batch]], data: str, log: RunLog, display: Display
) -> dict[str, Evaluation]:
    """Train a kernel model, and write its folder when it is found."""
    fitted = fit_molecule(settings, batches["train"], batches["validation"], display.track)
    backup = folder.create()
    if backup is not None:
        logger.info("The run that was in %s is now in %s", folder.path, backup)
    write_training_file(settings, folder.config)
    log.write_to(folder.log)
    found = {"epoch": 0, "train_frames": fitted.train_frames.tolist()}
    checkpoint = Checkpoint(fitted.model, None, found, data, batches["validation"][0])
    for which in ("last", "best"):
        write_checkpoint(checkpoint, folder.checkpoint(which))
    trained = [batches["train"][index] for index in fitted.train_frames]
    return report_run(folder, batches | {"train": trained}, display)


def fingerprint(batches: Sequence[Batch]) -> str:
    """Hash of structures and labels, in order: equal if and only if a run may be continued with them."""
    digest = hashlib.sha256()
    for batch in batches:
        for tensor in (batch.numbers, batch.positions, batch.cells):
            digest.update(tensor.numpy().tobytes())
        for quantity in sorted(QUANTITIES.values(), key=lambda quantity: not quantity.is_sum_of_terms):
            label = batch.labels.get(quantity.name)
            missing = b"-" if quantity.is_sum_of_terms else b""  # as in runs that knew no others
            digest.update(missing if label is None else label.numpy().tobytes())
    return digest.hexdigest()


def _as_before(settings: TrainingFile, folder: RunFolder, resume: bool) -> TrainingFile:
    """The settings; of a run that goes on, with what it has chosen where the training file says nothing."""
    goes_on = resume and folder.holds_run()
    return with_defaults_from(settings, read_training_file(folder.config)) if goes_on else settings


def _check_folder(settings: TrainingFile, folder: RunFolder, resume: bool, overwrite: bool) -> None:
    """Refuse to begin where an earlier run would be lost, or to go on with another one."""
    if resume and settings.gdml is not None:
        raise InputError("a training with gdml has no epochs to resume after: start it again, with --overwrite")
    if resume:
        _check_same_settings(settings, folder)
    elif not overwrite:
        folder.refuse_if_used()


def _last_checkpoint(folder: RunFolder, data: str) -> Checkpoint | None:
    """The state to go on from; None where the run was stopped before its first epoch was finished."""
    path = folder.checkpoint("last")
    checkpoint = read_checkpoint(path) if path.exists() else None
    if checkpoint is not None and checkpoint.data != data:
        raise InputError(
            f"the data are not those that the run in {folder.path} was started with: restore the files, or start a "
            "new run"
        )
    return checkpoint


def _check_same_settings(settings: TrainingFile, folder: RunFolder) -> None:
    """Refuse to continue a run with other settings: the result would be neither."""
    if not folder.holds_run():
        raise InputError(f"there is no run to resume in {folder.path}: start it without --resume")
    before, now = _flat(read_training_file(folder.config)), _flat(settings)
    changed = [
        f"{name} was {before.get(name)!r} and is {now.get(name)!r}"
        for name in sorted(before.keys() | now.keys())
        if name not in MAY_CHANGE and before.get(name) != now.get(name)
    ]
    if changed:
        raise InputError(
            f"the run in {folder.path} was started with other settings ({'; '.join(changed)}): restore them, or "
            "start a new run with --run or --overwrite"
        )


def _flat(settings: TrainingFile) -> dict[str, Any]:
    """Dotted name of each setting -> its value."""
    flat: dict[str, Any] = {}

    def visit(prefix: str, content: dict[str, Any]) -> None:
        for name, value in content.items():
            if isinstance(value, dict):
                visit(f"{prefix}{name}.", value)
            else:
                flat[prefix + name] = value

    visit("", settings.model_dump(mode="json"))
    return flat


def _join_members(folder: RunFolder, members: Sequence[RunFolder]) -> None:
    """Write the checkpoints of a committee, whose members are trained."""
    for which in ("best", "last"):
        checkpoints = [read_checkpoint(member.checkpoint(which)) for member in members]
        epochs = {"epoch": [checkpoint.trainer["epoch"] for checkpoint in checkpoints]}
        model = committee_model([checkpoint.model for checkpoint in checkpoints])
        write_checkpoint(replace(checkpoints[0], model=model, trainer=epochs), folder.checkpoint(which))
