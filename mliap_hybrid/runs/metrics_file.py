"""metrics.csv of a training that goes on: a line is appended after each epoch."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from mliap_hybrid.fitting.losses import SquaredErrors
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.report.metrics import columns, milli_rmse, read_metrics
from mliap_hybrid.whole_file import whole_file


class MetricsFile:
    """Appends a line after each epoch."""

    def __init__(self, path: Path, finished_epochs: int = 0):
        """Open the file.

        Parameters
        ----------
        path : Path
        finished_epochs : int
            Lines of later epochs are dropped: they were written after the checkpoint that a run goes on from.
        """
        self.path = path
        kept = [row for row in read_metrics(path) if row["epoch"] <= finished_epochs] if finished_epochs else []
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(columns())
        writer.writerow(columns().values())
        writer.writerows([_cell(row.get(name)) for name in columns()] for row in kept)
        with whole_file(path) as file:
            file.write(text.getvalue().encode())

    def append(self, result: EpochResult) -> None:
        """Add the line of one epoch."""
        values = [
            result.epoch,
            result.learning_rate,
            *_errors(result.training),
            *_errors(result.validation),
            result.added_loss,
            result.validation_loss,
            result.seconds,
        ]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([_cell(value) for value in values])


def _errors(errors: SquaredErrors) -> list[float | None]:
    return [milli_rmse(errors.means.get(name)) for name in QUANTITIES]


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
