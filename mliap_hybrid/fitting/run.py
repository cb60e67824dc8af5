"""A whole training run: data in, run folder out."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from ase.data import chemical_symbols

from mliap_hybrid.config import TrainingFile, read_training_file, write_training_file
from mliap_hybrid.data.reading import frame_to_batch, read_frames
from mliap_hybrid.data.splits import split_frames
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.evaluation import Evaluation, evaluate
from mliap_hybrid.fitting.fixed_terms import make_model, make_trained_part
from mliap_hybrid.fitting.metrics import MetricsFile
from mliap_hybrid.fitting.plots import write_learning_curve, write_parity_plots
from mliap_hybrid.fitting.preparation import prepare
from mliap_hybrid.fitting.progress import Display, epoch_line
from mliap_hybrid.fitting.report import charges_in_words, error_table
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.run_log import RunLog
from mliap_hybrid.fitting.trainer import EpochResult, Trainer
from mliap_hybrid.fitting.typical_charges import typical_charges
from mliap_hybrid.structure import Batch
from mliap_hybrid.version import __version__

logger = logging.getLogger(__name__)

MAY_CHANGE = ("run", "data.cache", "data.cache_workers")
"""Settings that a resumed run may have otherwise: the result does not depend on them, bit for bit."""


def train(
    settings: TrainingFile,
    display: Display,
    *,
    resume: bool = False,
    overwrite: bool = False,
    last_epoch: int | None = None,
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

    Returns
    -------
    dict of str to Evaluation, or None
        Errors of the train, validation and test frames; None where stopped early.

    Raises
    ------
    InputError
        For every mistake in settings, data or folder; nothing of an earlier run is lost.
    """
    folder = RunFolder(settings.run)
    if resume:
        _check_same_settings(settings, folder)
    elif not overwrite:
        folder.refuse_if_used()
    with RunLog() as log:
        # Everything that can be wrong with settings and data shows before the folder is touched.
        batches = load_data(settings, display)
        logger.info("mliap_hybrid %s; frames: %s", __version__, ", ".join(f"{len(b)} {n}" for n, b in batches.items()))
        data = fingerprint([*batches["train"], *batches["validation"]])
        checkpoint = _last_checkpoint(folder, data) if resume else None
        terms = checkpoint.terms if checkpoint else None
        prepared = prepare(settings, batches["train"], batches["validation"], display.track, terms)
        if not resume:
            backup = folder.create()
            write_training_file(settings, folder.config)
            if backup is not None:
                logger.info("The run that was in %s is now in %s", folder.path, backup)
        log.write_to(folder.log)

        trainer = Trainer(
            make_trained_part(settings, prepared.terms),
            prepared.training,
            prepared.validation,
            settings.loss,
            settings.optimisation,
            settings.seed,
            prepared.weak_supervision,
            prepared.noisy,
        )
        if checkpoint is not None:
            trainer.load_state_dict(checkpoint.trainer)
            logger.info("Going on after epoch %d", trainer.epoch)
        metrics = MetricsFile(folder.metrics, trainer.epoch)
        n_epochs = settings.optimisation.epochs

        def after_epoch(result: EpochResult) -> None:
            typical = typical_charges(trainer.average, prepared.training)
            model = make_model(settings, prepared.features, prepared.terms, trainer.average, typical)
            checkpoint = Checkpoint(model, prepared.terms, trainer.state_dict(), data, batches["validation"][0])
            metrics.append(result)
            if result.is_best:
                write_checkpoint(checkpoint, folder.checkpoint("best"))
            write_checkpoint(checkpoint, folder.checkpoint("last"))
            logger.debug(epoch_line(result, n_epochs))
            if result.weak_supervision is not None:
                logger.debug("weak supervision adds %.3g to the loss", result.weak_supervision)
            display.epoch(result, n_epochs)

        start = time.perf_counter()
        trainer.run(after_epoch, last_epoch)
        logger.info("Trained for %.0f s", time.perf_counter() - start)
        return _report(folder, batches, display) if trainer.epoch == n_epochs else None


def load_data(settings: TrainingFile, display: Display) -> dict[str, list[Batch]]:
    """Read, check and split the frames.

    Returns
    -------
    dict of str to list of Batch
        "train", "validation" and "test" -> one labelled structure each.

    Raises
    ------
    InputError
        If a file, a label or the split is wrong, or an element is in no training frame.
    """
    data = settings.data
    frames = read_frames(data.files)
    split = split_frames(frames, data, settings.seed)
    batches = [
        frame_to_batch(frame, settings.features.cutoff, data.keys, data.units)
        for frame in display.track(frames, "reading")
    ]
    trained = set(torch.cat([batches[index].numbers for index in split.train]).tolist())
    for index in [*split.validation, *split.test]:
        unknown = sorted(set(batches[index].numbers.tolist()) - trained)
        if unknown:
            symbols = ", ".join(chemical_symbols[z] for z in unknown)
            raise InputError(f"{frames[index].source} holds {symbols}, which no training frame has: change the split")
    parts = {"train": split.train, "validation": split.validation, "test": split.test}
    return {name: [batches[index] for index in indices] for name, indices in parts.items()}


def fingerprint(batches: Sequence[Batch]) -> str:
    """Hash of structures and labels, in order: equal if and only if a run may be continued with them."""
    digest = hashlib.sha256()
    for batch in batches:
        for tensor in (batch.numbers, batch.positions, batch.cells, batch.energies, batch.forces, batch.virials):
            digest.update(b"-" if tensor is None else tensor.numpy().tobytes())
        for tensor in (batch.charges, batch.dipoles, batch.born_charges):  # not there in older runs
            digest.update(b"" if tensor is None else tensor.numpy().tobytes())
    return digest.hexdigest()


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


def _report(folder: RunFolder, batches: Mapping[str, Sequence[Batch]], display: Display) -> dict[str, Evaluation]:
    """Errors of the best epoch, from the full model in float64: table, parity plots, learning curve."""
    best = read_checkpoint(folder.checkpoint("best"))
    evaluations = {
        name: evaluate(best.model, display.track(part, f"errors, {name}")) for name, part in batches.items() if part
    }
    text = (
        f"# Errors\n\nWeights of epoch {best.trainer['epoch']}, which has the lowest validation loss. "
        f"Charges: {charges_in_words(best.model)}.\n\n{error_table(evaluations)}"
    )
    (folder.report / "errors.md").write_text(text, encoding="utf-8")
    write_parity_plots(evaluations, folder.report)
    write_learning_curve(folder.metrics, folder.report)
    logger.info("%s", text)
    return evaluations
