"""Parity plots and the learning curve of a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mliap_hybrid.fitting.evaluation import Evaluation, Parity
from mliap_hybrid.fitting.metrics import QUANTITIES, read_metrics

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
    for name, title, unit in (
        ("energy", "Energy without element energies", "eV/atom"),
        ("forces", "Force components", "eV/Å"),
        ("virial", "Virial components", "eV/atom"),
        ("charges", "Charges", "e"),
        ("dipole", "Components of the dipole moment", "e Å"),
        ("born_charges", "Components of Born effective charges", "e"),
    ):
        parities = {label: parity for label, e in evaluations.items() if (parity := getattr(e, name)) is not None}
        if parities:
            with matplotlib.rc_context(rc=STYLE):
                figure = _parity_figure(parities, title, unit)
                figure.savefig(folder / f"parity_{name}.png")
            written.append(folder / f"parity_{name}.png")
    return written


def write_learning_curve(metrics: Path, folder: Path) -> Path | None:
    """Write learning_curve.png: validation errors over the epochs of a metrics file; nothing if it is empty."""
    rows = read_metrics(metrics)
    if not rows:
        return None
    epochs = [row["epoch"] for row in rows]
    last = rows[-1]
    shown = [(q, unit) for q, unit in QUANTITIES.items() if not np.isnan(last.get(f"validation_{q}_rmse", np.nan))]
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(3.6 * len(shown), 3.2), layout="constrained")
        for axes, (quantity, unit) in zip(np.atleast_1d(figure.subplots(1, len(shown))), shown, strict=True):
            for split in ("train", "validation"):
                values = [row[f"{split}_{quantity}_rmse"] for row in rows]
                axes.plot(epochs, values, color=COLOURS[split], label=split, linewidth=1.3)
            axes.set(yscale="log", xlabel="epoch", ylabel=f"RMSE ({unit})", title=quantity.replace("_", " "))
        axes.legend()
        path = folder / "learning_curve.png"
        figure.savefig(path)
    return path


def _parity_figure(parities: Mapping[str, Parity], title: str, unit: str) -> Figure:
    """Prediction against label above, error against label below."""
    figure = Figure(figsize=(4.6, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for name, parity in parities.items():
        colour = COLOURS.get(name, COLOURS["test"])
        label = f"{name}: RMSE {1000 * parity.rmse:.3g} m{unit}"
        size = 3 if len(parity.labels) > 1000 else 14
        dots = {"s": size, "color": colour, "alpha": 0.6, "linewidths": 0}
        above.scatter(parity.labels, parity.predictions, label=label, **dots)
        below.scatter(parity.labels, 1000 * (parity.predictions - parity.labels), **dots)
    _diagonal(above, parities)
    above.set(ylabel=f"model ({unit})", title=title)
    above.legend(loc="upper left", markerscale=2, handletextpad=0.2)
    below.axhline(0.0, color="black", linewidth=0.7)
    below.set(xlabel=f"label ({unit})", ylabel=f"error (m{unit})")
    return figure


def _diagonal(axes: Axes, parities: Mapping[str, Parity]) -> None:
    everything = np.concatenate([np.concatenate([p.labels, p.predictions]) for p in parities.values()])
    ends = [everything.min(), everything.max()]
    axes.plot(ends, ends, color="black", linewidth=0.7, zorder=0)
