"""Pictures of errors: predictions against labels, and how large the errors are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mliap_hybrid.quantities import QUANTITIES, Quantity
from mliap_hybrid.report.evaluation import Evaluation, Parity

COLOURS = {"train": "#9aa5b1", "validation": "#e08e0b", "test": "#1f6fb2"}
"""Okabe-Ito like, readable in grey; other sets take the colour of the test set."""

STYLE = matplotlib.RcParams(
    {
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "legend.frameon": False,
        "savefig.dpi": 160,
    }
)

MOST_DOTS = 20_000
"""Values of a set that are drawn; of more, as many at random."""


def write_parity_plots(evaluations: Mapping[str, Evaluation], folder: Path) -> list[Path]:
    """Write parity_energy.png, parity_forces.png and so on, each where there are labels.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
        Name of the set -> its values.
    folder : Path
        Made if it does not exist.

    Returns
    -------
    list of Path
        The files written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, quantity in QUANTITIES.items():
        parities = _parities(evaluations, name)
        if parities:
            with matplotlib.rc_context(rc=STYLE):
                figure = _parity_figure(parities, quantity)
                figure.savefig(folder / f"parity_{name}.png")
            written.append(folder / f"parity_{name}.png")
    return written


def write_error_sizes(evaluations: Mapping[str, Evaluation], folder: Path) -> Path | None:
    """Write error_sizes.png: which share of the errors is smaller than each size; nothing where there are no labels."""
    shown = {name: parities for name in QUANTITIES if (parities := _parities(evaluations, name))}
    if not shown:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(4.2 * len(shown), 3.2), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(shown), sharey=True))
        for axes, (name, parities) in zip(panels, shown.items(), strict=True):
            _draw_sizes(axes, parities, QUANTITIES[name])
        panels[0].set_ylabel("smaller errors (%)")
        panels[0].legend(loc="upper left")
        figure.savefig(folder / "error_sizes.png")
    return folder / "error_sizes.png"


def _parities(evaluations: Mapping[str, Evaluation], name: str) -> dict[str, Parity]:
    """Set -> one quantity, of the sets that have it."""
    return {label: parity for label, e in evaluations.items() if (parity := e.parities.get(name)) is not None}


def _parity_figure(parities: Mapping[str, Parity], quantity: Quantity) -> Figure:
    """Prediction against label above, error against label below."""
    unit = quantity.error_unit
    figure = Figure(figsize=(4.6, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, parity in parities.items():
        colour = COLOURS.get(name, COLOURS["test"])
        label = f"{name}: RMSE {1000 * parity.rmse:.3g} m{unit}"
        drawn = _some(parity)
        size = 3 if len(drawn.labels) > 1000 else 14
        dots = {"s": size, "color": colour, "alpha": 0.6, "linewidths": 0}
        above.scatter(drawn.labels, drawn.predictions, label=label, **dots)
        below.scatter(drawn.labels, 1000 * (drawn.predictions - drawn.labels), **dots)
    _diagonal(above, parities)
    above.set(ylabel=f"model ({unit})", title=quantity.title)
    above.legend(loc="upper left", markerscale=2, handletextpad=0.2)
    below.axhline(0.0, color="black", linewidth=0.7)
    below.set(xlabel=f"label ({unit})", ylabel=f"error (m{unit})")
    return figure


def _some(parity: Parity) -> Parity:
    """At most `MOST_DOTS` of the values, always the same ones."""
    if len(parity.labels) <= MOST_DOTS:
        return parity
    chosen = np.random.default_rng(0).choice(len(parity.labels), MOST_DOTS, replace=False)
    return Parity(parity.labels[chosen], parity.predictions[chosen])


def _diagonal(axes: Axes, parities: Mapping[str, Parity]) -> None:
    everything = np.concatenate([np.concatenate([p.labels, p.predictions]) for p in parities.values()])
    ends = [everything.min(), everything.max()]
    axes.plot(ends, ends, color="black", linewidth=0.7, zorder=0)


def _draw_sizes(axes: Axes, parities: Mapping[str, Parity], quantity: Quantity) -> None:
    """Share of the values whose error is smaller, over the size of the error; a dot at each RMSE."""
    for name, parity in parities.items():
        drawn = _some(parity)
        errors = np.sort(1000 * np.abs(drawn.predictions - drawn.labels)).clip(min=1e-6)  # the axis is logarithmic
        share = 100 * np.arange(1, len(errors) + 1) / len(errors)
        colour = COLOURS.get(name, COLOURS["test"])
        axes.step(errors, share, where="post", color=colour, label=name, linewidth=1.3)
        rmse = 1000 * parity.rmse
        below = 100 * np.searchsorted(errors, rmse, side="right") / len(errors)
        axes.plot([rmse], [below], marker="o", markersize=5, color=colour)
    axes.axhline(50, color="black", linewidth=0.4, zorder=0)
    sizes = [1000 * np.abs(parity.predictions - parity.labels) for parity in parities.values()]
    left = max(min(values.min() for values in sizes), min(np.median(values) for values in sizes) / 50)
    if left > 0:
        axes.set_xlim(left=left / 1.2)
    axes.set(xscale="log", xlabel=f"size of the error (m{quantity.error_unit})", title=quantity.title, ylim=(0, 102))
