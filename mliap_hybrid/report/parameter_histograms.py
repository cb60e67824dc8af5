"""Histograms of the parameters of atoms, by element."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mliap_hybrid.report.explanation import ParameterOfElement
from mliap_hybrid.report.learning_curves import RUN_COLOURS
from mliap_hybrid.report.parity_plots import STYLE

N_BINS = 40
PANELS_IN_ROW = 4


def parameter_figure(parameters: Sequence[ParameterOfElement], title: str) -> Figure:
    """A panel for each parameter, with a colour for each element and dotted lines at its bounds.

    Parameters
    ----------
    parameters : sequence of ParameterOfElement
        At least one; those of one parameter follow each other.
    title : str
    """
    elements = sorted({each.element for each in parameters})
    colours = dict(zip(elements, itertools.cycle(RUN_COLOURS), strict=False))
    grouped = [list(group) for _, group in itertools.groupby(parameters, key=lambda each: each.parameter)]
    n_columns = min(PANELS_IN_ROW, len(grouped))
    n_rows = -(-len(grouped) // n_columns)
    with matplotlib.rc_context(rc=STYLE):
        figure = Figure(figsize=(3.3 * n_columns, 2.6 * n_rows), layout="constrained")
        figure.suptitle(title)
        panels = figure.subplots(n_rows, n_columns, squeeze=False).flatten()
        for axes, of_parameter in zip(panels, grouped, strict=False):
            _draw(axes, of_parameter, colours)
        for axes in panels[len(grouped) :]:
            axes.set_axis_off()
    return figure


def _draw(axes: Axes, of_parameter: Sequence[ParameterOfElement], colours: dict[str, str]) -> None:
    """Atoms of each element over the values of a parameter."""
    values = np.concatenate([each.values for each in of_parameter])
    margin = 1e-3 * max(float(np.abs(values).max()), 1e-6)  # so that equal values have a bar
    bins = np.linspace(values.min() - margin, values.max() + margin, N_BINS + 1)
    for each in of_parameter:
        axes.hist(each.values, bins=bins.tolist(), color=colours[each.element], alpha=0.7, label=each.element)
        for bound in (each.lowest, each.highest):
            if bound is not None and bins[0] <= bound <= bins[-1]:
                axes.axvline(bound, color=colours[each.element], linestyle=":", linewidth=1.0)
    name, unit = of_parameter[0].parameter, of_parameter[0].unit
    axes.set(xlabel=f"{name.replace('_', ' ')} ({unit})", ylabel="atoms")
    axes.legend()
