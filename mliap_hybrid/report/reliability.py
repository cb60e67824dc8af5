"""Whether atoms that are far from the training set have large force errors: a table and a picture.

An error is large where it is above LARGE_ERROR times that of the validation atoms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from mliap_hybrid.model.training_distance import LARGE_ERROR, DistanceDescription
from mliap_hybrid.report.evaluation import Evaluation
from mliap_hybrid.report.parity_plots import COLOURS, STYLE
from mliap_hybrid.report.tables import Table

LEAST_ATOMS = 10
"""Atoms of a dot of the picture."""

N_BINS = 24


@dataclass(frozen=True)
class Reliability:
    """Distances of atoms, and the errors of their forces."""

    distances: np.ndarray
    """(n_atoms,)."""
    errors: np.ndarray
    """(n_labelled,) eV/Å: length of the difference, of the atoms with a label."""
    labelled_distances: np.ndarray
    """(n_labelled,): distances of these."""


def reliability_of(evaluation: Evaluation) -> Reliability | None:
    """Of the atoms of a set of frames; None where the model knows no distances."""
    frames = [frame for frame in evaluation.frames if frame.distances is not None]
    if not frames:
        return None
    labelled = [frame for frame in frames if "forces" in frame.labels]
    errors = [np.linalg.norm(f.predictions["forces"] - f.labels["forces"], axis=1) for f in labelled]
    return Reliability(
        np.concatenate([frame.distances for frame in frames]),
        np.concatenate([*errors, np.zeros(0)]),
        np.concatenate([*(frame.distances for frame in labelled), np.zeros(0)]),
    )


def reliability_table(evaluations: Mapping[str, Evaluation], description: DistanceDescription) -> Table | None:
    """How many atoms of each set are far from the training set, and what of their force errors that tells.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
    description : DistanceDescription
        Of the model.

    Returns
    -------
    Table or None
        None where no set has distances. Shares of large errors are dashes where there are none.
    """
    columns = [
        ("set", ""),
        ("number", ""),
        ("largest distance", ""),
        (f"beyond {description.caution:.3g}, caution", "%"),
        (f"beyond {description.outside:.3g}, outside", "%"),
        ("atoms with large force errors", "%"),
        ("of these beyond caution", "%"),
        ("others beyond caution", "%"),
    ]
    rows = []
    for name, evaluation in evaluations.items():
        found = reliability_of(evaluation)
        if found is not None:
            rows.append(
                (
                    f"atoms, {name}",
                    str(len(found.distances)),
                    f"{found.distances.max():.3g}",
                    *_cells(found, description),
                )
            )
    return Table(columns, rows) if rows else None


def _cells(found: Reliability, description: DistanceDescription) -> list[str]:
    beyond = [_percent(found.distances > limit) for limit in (description.caution, description.outside)]
    if description.force_error is None or not len(found.errors):
        return [*beyond, "-", "-", "-"]
    is_large = found.errors > LARGE_ERROR * description.force_error
    is_beyond = found.labelled_distances > description.caution
    return [*beyond, _percent(is_large), _percent(is_beyond[is_large]), _percent(is_beyond[~is_large])]


def _percent(holds: np.ndarray) -> str:
    return f"{100.0 * holds.mean():.3g}" if len(holds) else "-"


def write_reliability(
    evaluations: Mapping[str, Evaluation], description: DistanceDescription, folder: Path
) -> Path | None:
    """Write reliability.png, the force errors of atoms over their distance; nothing without labels."""
    found = {name: reliability_of(evaluation) for name, evaluation in evaluations.items()}
    shown = {name: each for name, each in found.items() if each is not None and len(each.errors)}
    if not shown:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(4.6, 3.8), layout="constrained")
        axes = figure.subplots()
        for name, each in shown.items():
            dots = _binned(each)
            axes.plot(*dots, marker="o", markersize=4, label=name, color=COLOURS.get(name, COLOURS["test"]))
        if description.force_error is not None:
            ends = np.array(axes.get_xlim())
            axes.plot(ends, 1000.0 * description.force_error * ends, color="black", linewidth=0.7, zorder=0)
        for limit, word in ((description.caution, "caution"), (description.outside, "outside")):
            axes.axvline(limit, color="black", linewidth=0.7, linestyle=":")
            axes.annotate(word, (limit, 1.0), xycoords=("data", "axes fraction"), fontsize=8, rotation=90, va="top")
        axes.set(xscale="log", yscale="log", xlabel="distance to the training set", ylabel="RMS force error (meV/Å)")
        axes.legend(loc="upper left")
        figure.savefig(folder / "reliability.png")
    return folder / "reliability.png"


def _binned(found: Reliability) -> tuple[np.ndarray, np.ndarray]:
    """Mean distance and RMS error, meV/Å, of atoms of like distance, as many in each."""
    order = np.argsort(found.labelled_distances, kind="stable")
    n_bins = max(1, min(N_BINS, len(order) // LEAST_ATOMS))
    parts = np.array_split(order, n_bins)
    distances = np.array([found.labelled_distances[part].mean() for part in parts])
    return distances, np.array([1000.0 * np.sqrt(np.mean(found.errors[part] ** 2)) for part in parts])
