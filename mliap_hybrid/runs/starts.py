"""Where the parameters of terms start: found by a global search, whose report is report/starts.md of the run."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Sequence
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.config import TrainingFile
from mliap_hybrid.devices import device_of_training
from mliap_hybrid.fitting.element_coordinates import ElementCoordinates
from mliap_hybrid.fitting.global_search import Descent, GlobalSearch, search
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.report.tables import Table
from mliap_hybrid.runs.preparation import TrainingInputs
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.whole_file import whole_file

logger = logging.getLogger(__name__)

AS_GOOD = 1.5
"""Descents whose loss is within this factor of the lowest count in the spread of the parameters."""


def find_start(
    settings: TrainingFile,
    inputs: TrainingInputs,
    folder: RunFolder,
    data: str,
    display: Display,
    group: ProcessGroup,
) -> Tensor:
    """The start of the training: the lowest minimum of a global search.

    Parameters
    ----------
    settings : TrainingFile
    inputs : TrainingInputs
    folder : RunFolder
        Holds what was found before an interruption.
    data : str
        Fingerprint of the frames.
    display : Display
    group : ProcessGroup
        Processes that divide the starts; the first one reports.

    Returns
    -------
    Tensor, shape (n,)
        Of `ElementCoordinates`.

    Raises
    ------
    InputError
        As `search`.
    """
    n_starts, batch_size = settings.optimisation.starts, settings.optimisation.batch_size
    model = make_trainable_model(settings, inputs.initial_fit, inputs.training)
    model = model.to(device_of_training(settings.device, group.rank))
    objective = Objective(model, inputs.training, settings.loss, batch_size)
    descents = GlobalSearch(objective, settings.optimisation.start_steps, settings.seed)

    def after_round(found: Sequence[Descent]) -> None:
        best = min(found, key=lambda descent: descent.loss)
        seconds = sum(descent.seconds for descent in found) / len(found) * (n_starts - len(found)) / group.size
        left = f"  left {seconds:.0f} s" if len(found) < n_starts else ""
        display.say(f"starts {len(found)}/{n_starts}  lowest loss {best.loss:.4g}, of start {best.number}{left}")

    found = search(descents, n_starts, folder.path / "starts", data, group, after_round)
    best = min(found, key=lambda descent: descent.loss)
    if group.is_first:
        logger.info("%s", in_words(found))
        with whole_file(folder.report / "starts.md") as file:
            file.write(report(found, model, inputs.initial_fit.elements).encode())
    return torch.tensor(best.minimum, dtype=torch.float64)


def in_words(found: Sequence[Descent]) -> str:
    """The lowest loss beside that of single starts."""
    best = min(found, key=lambda descent: descent.loss)
    single = [descent.loss for descent in found if descent.kind != "lowest minimum, changed"]
    median = statistics.median(single)
    return (
        f"Global search: of {len(found)} starts, {best.number} ({best.kind}) has the lowest loss, {best.loss:.4g}; the "
        f"median of the {len(single)} single ones ends at {median:.4g}, {median / best.loss:.3g} times as high, that "
        f"of the training file at {found[0].loss:.4g}, {found[0].loss / best.loss:.3g} times as high"
    )


def report(found: Sequence[Descent], model: TrainableModel, elements: Sequence[int]) -> str:
    """All starts, and the spread of the parameters of those that are about as good as the best, as Markdown."""
    best = min(found, key=lambda descent: descent.loss)
    rows = [
        [
            str(descent.number),
            descent.kind,
            f"{descent.start_loss:.4g}",
            f"{descent.loss:.4g}",
            f"{descent.n_steps:.0f}",
            f"{descent.seconds:.1f}",
            "best" if descent is best else "known basin" if descent.is_known else "-",
        ]
        for descent in found
    ]
    names = ("start", "from", "loss there", "loss", "steps", "time (s)", "")
    starts = Table([(name, "") for name in names], rows)
    good = [descent for descent in found if descent.loss <= AS_GOOD * best.loss]
    return "\n".join(
        [
            f"# Starts\n\n{in_words(found)}.\n\n{starts.markdown()}",
            f"## Parameters of the best start, and of the {len(good)} with at most {AS_GOOD} times its loss\n",
            _spread(best, good, model, elements).markdown(),
        ]
    )


def _spread(best: Descent, good: Sequence[Descent], model: TrainableModel, elements: Sequence[int]) -> Table:
    """Values of each parameter before any constraint: the best, and the ends of the good ones."""
    coordinates, rows = ElementCoordinates(model), []
    parts = (
        torch.tensor([descent.minimum for descent in part], dtype=torch.float64).split(coordinates.sizes, dim=1)
        for part in ([best], good)
    )  # (n_descents, n_elements) for each parameter
    for name, of_best, of_good in zip(coordinates.names, *parts, strict=True):
        parameter: Any = model.atomic_parameters[name]
        start = parameter.start.double().cpu()  # (n_elements,)
        values, of_all = (parameter.bound.values(start.expand_as(a), a) for a in (of_best, of_good))
        for index, z in enumerate(elements):
            ends = (values[0, index], of_all[:, index].min(), of_all[:, index].max())
            title = f"{name} ({parameter.unit})"
            rows.append([title, chemical_symbols[z], *(f"{float(number):.4g}" for number in ends)])
    return Table([(name, "") for name in ("parameter", "element", "best", "lowest", "highest")], rows)
