"""metrics.csv: one line for each epoch under a line of names and a line of units."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

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

Rows = Sequence[Mapping[str, float]]
"""Lines of a metrics file."""


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
