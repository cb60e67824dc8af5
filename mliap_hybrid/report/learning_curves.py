"""Learning curves: errors of one or several runs over the epochs or the time."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from mliap_hybrid.report.metrics import Rows, errors_with_units, read_metrics
from mliap_hybrid.report.parity_plots import COLOURS, STYLE

RUN_COLOURS = ("#1f6fb2", "#e08e0b", "#2a9d6f", "#c0392b", "#8e5ea2", "#6b7280", "#17a2b8", "#b5651d")
"""Of several runs in one picture; after the last the first comes again."""


def write_learning_curve(metrics: Path | Mapping[str, Path], folder: Path) -> Path | None:
    """Write learning_curve.png: errors over the epochs.

    Parameters
    ----------
    metrics : Path or mapping of str to Path
        Metrics file of a run, or of several by name.
    folder : Path

    Returns
    -------
    Path or None
        The file written; None, and nothing is written, where no metrics file has a line.
    """
    files = {"": metrics} if isinstance(metrics, Path) else metrics
    runs = {name: rows for name, file in files.items() if (rows := read_metrics(file))}
    if not runs:
        return None
    path = folder / "learning_curve.png"
    write_figure(learning_curve_figure(runs), path)
    return path


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the file's suffix."""
    with matplotlib.rc_context(rc=STYLE):
        figure.savefig(path)


def learning_curve_figure(runs: Mapping[str, Rows], against: str = "epoch") -> Figure:
    """A panel for each quantity that has errors.

    Parameters
    ----------
    runs : mapping of str to rows
        Name of each run -> lines of its metrics file, at least one. Of a single run the errors of training and
        validation are shown, of several those of validation.
    against : {"epoch", "time"}
        What errors are shown over.

    Returns
    -------
    Figure
    """
    shown = [
        (quantity, unit)
        for quantity, unit in errors_with_units().items()
        if any(np.isfinite(_column(rows, f"validation_{quantity}_rmse")).any() for rows in runs.values())
    ]
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(max(3.6 * len(shown), 4.2), 3.4), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, max(1, len(shown))))
        for axes, (quantity, unit) in zip(panels, shown, strict=False):
            for index, (name, rows) in enumerate(runs.items()):
                if len(runs) == 1:
                    _draw(axes, rows, against, f"train_{quantity}_rmse", "train", COLOURS["train"])
                    _draw(axes, rows, against, f"validation_{quantity}_rmse", "validation", COLOURS["validation"])
                else:
                    colour = RUN_COLOURS[index % len(RUN_COLOURS)]
                    _draw(axes, rows, against, f"validation_{quantity}_rmse", name, colour)
            axes.set(yscale="log", xlabel="time (s)" if against == "time" else "epoch", ylabel=f"RMSE ({unit})")
            for axis_formatter in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                axis_formatter(LogFormatter(minor_thresholds=(1.5, 0.4)))
            axes.set_title(quantity.replace("_", " ") + ("" if len(runs) == 1 else ", validation"))
        panels[0].legend()
    return figure


def _draw(axes: Axes, rows: Rows, against: str, column: str, label: str, colour: str) -> None:
    x = np.cumsum(_column(rows, "time")) if against == "time" else _column(rows, "epoch")
    y = _column(rows, column)
    known = np.isfinite(y)  # an epoch without an error leaves no gap
    axes.plot(x[known], y[known], color=colour, label=label, linewidth=1.3, marker="" if known.sum() > 1 else "o")


def _column(rows: Rows, name: str) -> np.ndarray:
    return np.array([row.get(name, np.nan) for row in rows], dtype=np.float64)
