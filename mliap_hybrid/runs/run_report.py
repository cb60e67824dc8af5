"""What a finished run reports: errors of the best epoch, from the full model in float64."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from mliap_hybrid.fitting.checkpoint import Checkpoint, read_checkpoint
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.member_models import member_models
from mliap_hybrid.report.evaluation import Evaluation, evaluate
from mliap_hybrid.report.report import Report, charges_in_words, model_facts, write_report
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.structure import Batch

logger = logging.getLogger(__name__)


def report_run(folder: RunFolder, batches: Mapping[str, Sequence[Batch]], display: Display) -> dict[str, Evaluation]:
    """Write the report of a finished run.

    Parameters
    ----------
    folder : RunFolder
    batches : mapping of str to sequence of Batch
        "train", "validation" and "test" -> one labelled structure each; a set may be empty.
    display : Display

    Returns
    -------
    dict of str to Evaluation
        Errors of each set that is not empty.
    """
    best = read_checkpoint(folder.checkpoint("best"))
    evaluations = {
        name: evaluate(best.model, display.track(part, f"errors, {name}")) for name, part in batches.items() if part
    }
    epochs = best.trainer["epoch"]
    n_members = len(epochs) if isinstance(epochs, list) else 1
    of_members = {number: of_member.metrics for number, of_member in enumerate(folder.members(n_members), start=1)}
    report = Report(
        title=f"Run {folder.path.name}",
        words=f"{_origin_in_words(best)}. Charges: {charges_in_words(best.model)}.",
        evaluations=evaluations,
        facts={"folder": str(folder.path), **model_facts(best.model)},
        members=_of_members(best.model, batches, display) if n_members > 1 else {},
        metrics={f"member {number}": metrics for number, metrics in of_members.items()},
        settings=folder.config.read_text(encoding="utf-8"),
        distance=None if best.model.distance is None else best.model.distance.description,
    )
    write_report(report, folder.report)
    logger.info("%s", report.markdown(details=False))
    return evaluations


def _origin_in_words(best: Checkpoint) -> str:
    epochs: int | list[int] = best.trainer["epoch"]
    if best.initial_fit is None:  # there was no network to train
        return ". ".join(term.origin for term in best.model.all_terms if term.is_known)
    if isinstance(epochs, int):
        return f"Weights of epoch {epochs}, which has the lowest validation loss"
    of_members = ", ".join(map(str, epochs))
    return f"Mean of {len(epochs)} networks, of epochs {of_members}, where each has its lowest validation loss"


def _of_members(model: HybridModel, batches: Mapping[str, Sequence[Batch]], display: Display) -> dict[str, Evaluation]:
    """Errors of each member of a committee on validation and test frames."""
    models = dict(enumerate(member_models(model), start=1))
    return {
        f"{name}, member {number}": evaluate(member, display.track(batches[name], f"errors, {name}, member {number}"))
        for name in ("validation", "test")
        if batches[name]
        for number, member in models.items()
    }
