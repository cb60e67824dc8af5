"""Sizes and weights of weak supervision that were tried, and what came of them: file, choice, table."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from mliap_hybrid.config import TrainingFile, WeakSupervisionSettings
from mliap_hybrid.errors import InputError
from mliap_hybrid.report.tables import Table
from mliap_hybrid.whole_file import whole_file

Criterion = Literal["loss", "energy", "forces"]
"""Which validation error counts."""


@dataclass(frozen=True)
class Candidate:
    """A size and a weight, or neither."""

    size: float | None
    """Size of the displacements in Å; None for a training without weak supervision."""
    factor: float = 1.0
    """On the weights of the training file."""

    def applied(self, settings: TrainingFile) -> TrainingFile:
        """The settings with this size and these weights."""
        if self.size is None:
            return settings.model_copy(update={"weak_supervision": WeakSupervisionSettings()})
        weak = settings.weak_supervision
        changes = {"displacement_size": self.size}
        if weak.taylor != "none":
            changes["taylor_weight"] = weak.taylor_weight * self.factor
        if weak.spatial != "none":
            changes["spatial_weight"] = weak.spatial_weight * self.factor
        return settings.model_copy(update={"weak_supervision": weak.model_copy(update=changes)})


NONE = Candidate(None)
"""Without weak supervision."""


@dataclass(frozen=True)
class Trial:
    """What one training came to, in the epoch with its lowest validation loss."""

    candidate: Candidate
    seed: int
    loss: float
    """Validation loss."""
    energy: float | None
    """RMSE of the validation frames, meV/atom."""
    forces: float | None
    """RMSE of the validation frames, meV/Å."""
    seconds: float


def write_trials(path: Path, identity: str, trials: Sequence[Trial]) -> None:
    """Write all trials.

    Parameters
    ----------
    path : Path
    identity : str
        Hash of settings and data.
    trials : sequence of Trial
    """
    content = {"settings_and_data": identity, "trials": [asdict(trial) for trial in trials]}
    with whole_file(path) as file:
        file.write(json.dumps(content, indent=1).encode())


def read_trials(path: Path, identity: str) -> list[Trial]:
    """The trials that are written there; none where there is no file.

    Raises
    ------
    InputError
        If the file is another one's, or belongs to other settings or data.
    """
    if not path.exists():
        return []
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content["settings_and_data"]
        trials = [Trial(**{**trial, "candidate": Candidate(**trial["candidate"])}) for trial in content["trials"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path} does not hold results of mliap-hybrid tune: move it away, or name another file with --results"
        ) from None
    if found != identity:
        raise InputError(
            f"{path} holds results of other settings or data than these: move it away, or name another file with "
            "--results"
        )
    return trials


def best_candidate(trials: Sequence[Trial], criterion: Criterion) -> Candidate:
    """The candidate with the lowest error, a mean over seeds; of equal ones that without weak supervision.

    Raises
    ------
    InputError
        If the validation frames have no label for the criterion.
    """
    errors = _errors(trials, criterion)
    return min(errors, key=lambda candidate: (statistics.mean(errors[candidate]), candidate != NONE))


def table_of_trials(trials: Sequence[Trial], settings: TrainingFile, criterion: Criterion) -> Table:
    """One row for each candidate, with its gain over the training without weak supervision of the same seeds.

    Parameters
    ----------
    trials : sequence of Trial
        With some that have no weak supervision.
    settings : TrainingFile
        That is tuned.
    criterion : {"loss", "energy", "forces"}
        What the gain is of.
    """
    errors, best = _errors(trials, criterion), best_candidate(trials, criterion)
    rows = []
    for candidate, of_candidate in errors.items():
        weak = candidate.applied(settings).weak_supervision
        own = [trial for trial in trials if trial.candidate == candidate]
        gains = [100.0 * (1.0 - a / b) for a, b in zip(of_candidate, errors[NONE], strict=True)]
        rows.append(
            [
                "none" if candidate == NONE else f"{candidate.size:g}",
                "-" if weak.taylor == "none" else f"{weak.taylor_weight:g}",
                "-" if weak.spatial == "none" else f"{weak.spatial_weight:g}",
                _mean([trial.loss for trial in own]),
                _mean([trial.energy for trial in own]),
                _mean([trial.forces for trial in own]),
                "-" if candidate == NONE else _with_spread(gains),
                _mean([trial.seconds for trial in own], "{:.0f}"),
                "best" if candidate == best else "-",
            ]
        )
    columns = [
        ("size", "Å"),
        ("taylor_weight", ""),
        ("spatial_weight", ""),
        ("validation loss", ""),
        ("energy RMSE", "meV/atom"),
        ("force RMSE", "meV/Å"),
        (f"gain of {criterion}", "%"),
        ("time", "s"),
        ("choice", ""),
    ]
    return Table(columns, rows).without_empty_columns()


def _errors(trials: Sequence[Trial], criterion: Criterion) -> dict[Candidate, list[float]]:
    """The errors that count, by candidate, in the order of the seeds."""
    errors: dict[Candidate, list[float]] = {}
    for trial in sorted(trials, key=lambda trial: trial.seed):
        error: float | None = getattr(trial, criterion)
        if error is None:
            raise InputError(f"the validation frames have no labels of {criterion} to choose by: choose by loss")
        errors.setdefault(trial.candidate, []).append(error)
    return errors


def _mean(values: Sequence[float | None], pattern: str = "{:.4g}") -> str:
    present = [value for value in values if value is not None]
    return pattern.format(statistics.mean(present)) if present else "-"


def _with_spread(values: Sequence[float]) -> str:
    mean = f"{statistics.mean(values):.1f}"
    return mean if len(values) == 1 else f"{mean} ± {statistics.stdev(values):.1f}"
