"""The interaction of two molecules over their distance, by component, beside its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.quantities import OF_INTERACTIONS, QUANTITIES
from mliap_hybrid.report.interactions import interactions
from mliap_hybrid.report.learning_curves import RUN_COLOURS
from mliap_hybrid.report.parity_plots import STYLE
from mliap_hybrid.report.tables import Table
from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class ScanPoint:
    """One dimer of a scan."""

    distance: float
    """Of the centres of mass, Å."""
    predicted: Mapping[str, float]
    """Quantity -> what the model says of the interaction, eV."""
    labels: Mapping[str, float]
    """Quantity -> label, eV."""


def scan_point(evaluator: Evaluator, batch: Batch) -> ScanPoint:
    """Interaction of the two molecules of a structure, beside its labels.

    Parameters
    ----------
    evaluator : Evaluator
    batch : Batch
        One structure; its labels are those of the interaction.

    Raises
    ------
    InputError
        If there are not two molecules, or the model refuses them.
    """
    found = interactions(evaluator, batch)
    if found.between is None or len(found.pairs) != 1:
        raise InputError(
            f"{batch.sources[0]}: expected two molecules without a total charge, found {max(found.molecules)}; a "
            "column `molecule` of the frames says which atoms are in which"
        )
    predicted = {"energy": sum(found.between.values())}
    for term in evaluator.model.all_terms:
        if term.component is not None:
            predicted[term.component] = predicted.get(term.component, 0.0) + found.between[term.kind]
    labels = {name: float(batch.labels[name][0]) for name in OF_INTERACTIONS if name in batch.labels}
    return ScanPoint(found.pairs[0].distance, predicted, labels)


def scan_errors(scans: Mapping[str, Sequence[ScanPoint]], unit: float, unit_name: str) -> Table:
    """Mean absolute errors of all points that have a label, by quantity; energies in `unit`, eV."""
    rows = []
    for name in OF_INTERACTIONS:
        points = [point for scan in scans.values() for point in scan if name in point.labels]
        if points and all(name in point.predicted for point in points):
            errors = [abs(point.predicted[name] - point.labels[name]) / unit for point in points]
            rows.append([QUANTITIES[name].column, str(len(points)), f"{np.mean(errors):.4g}", f"{np.max(errors):.4g}"])
    return Table([("component", ""), ("points", ""), ("MAE", unit_name), ("largest error", unit_name)], rows)


def dimer_figure(scans: Mapping[str, Sequence[ScanPoint]], unit: float, unit_name: str) -> Figure:
    """Components and totals over the distance: lines of the model, circles of the labels.

    Parameters
    ----------
    scans : mapping of str to sequence of ScanPoint
        Name of a scan, which may be empty, -> its points in any order; a row of panels each.
    unit : float, eV
        Of the energies.
    unit_name : str
    """
    components = [
        name for name in OF_INTERACTIONS[1:] if any(_has(point, name) for scan in scans.values() for point in scan)
    ]
    colours = dict(zip(OF_INTERACTIONS, ("#222222", *RUN_COLOURS), strict=False))
    with matplotlib.rc_context(rc=STYLE):
        n_columns = 2 if components else 1
        figure = Figure(figsize=(4.6 * n_columns, 3.4 * len(scans)), layout="constrained")
        panels = figure.subplots(len(scans), n_columns, squeeze=False)
        for row, (name, points) in zip(panels, scans.items(), strict=True):
            ordered = sorted(points, key=lambda point: point.distance)
            for axes, shown in zip(row, ([*components], ["energy"]) if components else (["energy"],), strict=True):
                for quantity in shown:
                    _draw(axes, ordered, quantity, unit, colours[quantity])
                axes.axhline(0.0, color="black", linewidth=0.5, zorder=0)
                axes.set(xlabel="distance of the centres of mass (Å)", ylabel=f"energy ({unit_name})")
                axes.legend(title="lines: model; circles: labels", title_fontsize=8, fontsize=8)
            row[0].set_title(name)
    return figure


def _draw(axes: Axes, points: Sequence[ScanPoint], quantity: str, unit: float, colour: str) -> None:
    """One quantity of a scan."""
    label = "total" if quantity == "energy" else quantity.removesuffix("_energy")
    predicted = [(point.distance, point.predicted[quantity] / unit) for point in points if quantity in point.predicted]
    if predicted:
        axes.plot(*zip(*predicted, strict=True), color=colour, label=label, linewidth=1.4)
    labels = [(point.distance, point.labels[quantity] / unit) for point in points if quantity in point.labels]
    if labels:
        name = None if predicted else label
        axes.plot(*zip(*labels, strict=True), "o", color=colour, fillstyle="none", markersize=4.5, label=name)


def _has(point: ScanPoint, quantity: str) -> bool:
    return quantity in point.predicted or quantity in point.labels
