"""The training of one network in its folder: checkpoints, metrics, log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.fitting.checkpoint import Checkpoint, write_checkpoint
from mliap_hybrid.fitting.model_factory import make_model
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.fitting.typical_values import typical_values
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.metrics_file import MetricsFile
from mliap_hybrid.runs.preparation import TrainingInputs
from mliap_hybrid.runs.progress import Display, epoch_line
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


def train_member(
    settings: TrainingFile,
    number: int,
    inputs: TrainingInputs,
    batches: Mapping[str, Sequence[Batch]],
    data: str,
    folder: RunFolder,
    display: Display,
    checkpoint: Checkpoint | None = None,
    last_epoch: int | None = None,
    group: ProcessGroup | None = None,
) -> bool:
    """Train a network, or the member of a committee, from where its checkpoint is.

    Parameters
    ----------
    settings : TrainingFile
        Of the whole run.
    number : int
        Which member, from 0: added to the seed of the initial weights and of the order of the frames.
    inputs : TrainingInputs
        The same for all members.
    batches : mapping of str to sequence of Batch
        The frames by the name of their part.
    data : str
        Their fingerprint.
    folder : RunFolder
        Of the member.
    display : Display
    checkpoint : Checkpoint, optional
        The member's last one, to go on from.
    last_epoch : int, optional
        Stop after this epoch, as if interrupted.
    group : ProcessGroup, optional
        Processes that train together; the first one writes.

    Returns
    -------
    bool
        Whether the training is finished.

    Raises
    ------
    InputError
        As `Trainer.run`.
    """
    group = group or ProcessGroup()
    n_epochs, n_members = settings.optimisation.epochs, settings.committee.n_members
    settings = settings.model_copy(update={"seed": settings.seed + number})
    trainer = make_trainer(settings, inputs, group, [batch.sources[0] for batch in batches["train"]])
    if n_members > 1:
        logger.info("Member %d of %d", number + 1, n_members)
    if checkpoint is not None:
        trainer.load_state_dict(checkpoint.trainer)
        logger.info("Going on after epoch %d", trainer.epoch)
    metrics = MetricsFile(folder.metrics, trainer.epoch) if group.is_first else None

    def after_epoch(result: EpochResult) -> None:
        if metrics is None:
            return
        typical = typical_values(trainer.average, inputs.training)
        model = make_model(settings, inputs.features, inputs.initial_fit, trainer.average, typical)
        checkpoint = Checkpoint(model, inputs.initial_fit, trainer.state_dict(), data, batches["validation"][0])
        metrics.append(result)
        if result.is_best:
            write_checkpoint(checkpoint, folder.checkpoint("best"))
        write_checkpoint(checkpoint, folder.checkpoint("last"))
        logger.debug(epoch_line(result, n_epochs))
        if result.added_loss is not None:
            logger.debug("weak supervision adds %.3g to the loss", result.added_loss)
        display.epoch(result, n_epochs, "training" if n_members == 1 else f"member {number + 1}")

    first, start = trainer.epoch, time.perf_counter()
    trainer.run(after_epoch, last_epoch)
    seconds = time.perf_counter() - start
    if trainer.why_finished is None:
        logger.info("Stopped after epoch %d of %d", trainer.epoch, n_epochs)
        return False
    logger.info(
        "Finished after epoch %d of %d: %s; lowest validation loss in epoch %d; %d epochs in %.0f s",
        trainer.epoch,
        n_epochs,
        trainer.why_finished,
        trainer.best_epoch,
        trainer.epoch - first,
        seconds,
    )
    return True
