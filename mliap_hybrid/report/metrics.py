"""metrics.csv: one line for each epoch under a line of names and a line of units."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

from torch import Tensor

from mliap_hybrid.fitting.losses import SquaredErrors
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.whole_file import whole_file

QUANTITIES = {
    "energy": "meV/atom",
    "force": "meV/Å",
    "virial": "meV/atom",
    "charge": "me",
    "dipole": "me Å",
    "born_charge": "me",
}
"""What has errors -> their unit."""

COLUMNS = {
    "epoch": "1",
    "learning_rate": "1",
    **{f"train_{name}_rmse": unit for name, unit in QUANTITIES.items()},
    **{f"validation_{name}_rmse": unit for name, unit in QUANTITIES.items()},
    "weak_supervision_loss": "1",
    "validation_loss": "1",
    "time": "s",
}
"""Name -> unit. A cell is empty where there is no label."""


def milli_rmse(squared_error: Tensor | None) -> float | None:
    """Root of a mean squared error, in thousandths of its unit: eV/Å -> meV/Å."""
    return None if squared_error is None else 1000.0 * math.sqrt(float(squared_error))


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
        writer.writerow(COLUMNS)
        writer.writerow(COLUMNS.values())
        writer.writerows([_cell(row.get(name)) for name in COLUMNS] for row in kept)
        with whole_file(path) as file:
            file.write(text.getvalue().encode())

    def append(self, result: EpochResult) -> None:
        """Add the line of one epoch."""
        values = [
            result.epoch,
            result.learning_rate,
            *_errors(result.training),
            *_errors(result.validation),
            result.weak_supervision,
            result.validation_loss,
            result.seconds,
        ]
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerow([_cell(value) for value in values])


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics file, NaN where a cell is empty; nothing if there is no file.

    Older files have fewer columns: those of charges and of weak supervision are missing.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        names, _, *rows = list(csv.reader(file)) or [[], []]
    return [{name: float(cell) if cell else math.nan for name, cell in zip(names, row, strict=True)} for row in rows]


def _errors(errors: SquaredErrors) -> list[float | None]:
    values = (errors.energy, errors.forces, errors.virial, errors.charges, errors.dipole, errors.born_charges)
    return [milli_rmse(value) for value in values]  # in the order of QUANTITIES


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.6g}"
