"""metrics.csv: one line for each epoch under a line of names and a line of units."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from mliap_hybrid.quantities import QUANTITIES

Rows = Sequence[Mapping[str, float]]
"""Lines of a metrics file."""


def errors_with_units() -> dict[str, str]:
    """What columns call the errors of each quantity -> their unit, in the order of the table."""
    return {q.column.lower().replace(" ", "_"): f"m{q.error_unit}" for q in QUANTITIES.values()}


def columns() -> dict[str, str]:
    """Column -> unit. A cell is empty where there is no label."""
    errors = errors_with_units()
    return {
        "epoch": "1",
        "learning_rate": "1",
        **{f"train_{name}_rmse": unit for name, unit in errors.items()},
        **{f"validation_{name}_rmse": unit for name, unit in errors.items()},
        "weak_supervision_loss": "1",
        "validation_loss": "1",
        "time": "s",
    }


def milli_rmse(squared_error: Tensor | None) -> float | None:
    """Root of a mean squared error, in thousandths of its unit: eV/Å -> meV/Å."""
    return None if squared_error is None else 1000.0 * math.sqrt(float(squared_error))


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics file, NaN where a cell is empty; nothing if there is no file.

    Older files have fewer columns: those of charges and of weak supervision are missing.
    """
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        names, _, *rows = list(csv.reader(file)) or [[], []]
    return [{name: float(cell) if cell else math.nan for name, cell in zip(names, row, strict=True)} for row in rows]
