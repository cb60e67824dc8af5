"""Training of a kernel model: no epochs, and a folder that is written when the model is found."""

from __future__ import annotations

import logging

from mliap_hybrid.config import GDMLSettings, TrainingFile, write_training_file
from mliap_hybrid.fitting.checkpoint import Checkpoint, write_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run_log import RunLog
from mliap_hybrid.runs.run_report import report_run
from mliap_hybrid.sgdml.closed_form import fit_molecule
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


def train_in_closed_form(
    settings: TrainingFile,
    gdml: GDMLSettings,
    folder: RunFolder,
    batches: dict[str, list[Batch]],
    data: str,
    log: RunLog,
    display: Display,
) -> dict[str, Evaluation]:
    """Train a kernel model, and write its folder when it is found.

    Parameters
    ----------
    settings : TrainingFile
    gdml : GDMLSettings
        Its section of the kernel model.
    folder : RunFolder
        To write.
    batches : dict of str to list of Batch
        "train", "validation" and "test" -> one labelled structure each.
    data : str
        Fingerprint of those that are trained on.
    log : RunLog
        Goes into the folder.
    display : Display
        Shows progress.

    Raises
    ------
    InputError
        As `fit_molecule`.
    """
    fitted = fit_molecule(settings, gdml, batches["train"], batches["validation"], display.track)
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
