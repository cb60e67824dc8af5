"""A picture of the molecules over time."""

from __future__ import annotations

from matplotlib.figure import Figure

from mliap_hybrid.reactions.analysis import Analysis

MOST_LINES = 10
"""Formulas that are drawn: as many as there are colours that can be told apart."""


def counts_figure(analysis: Analysis) -> Figure:
    """Numbers of the most frequent molecules over time."""
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    formulas = analysis.formulas
    for formula in formulas[:MOST_LINES]:
        axes.plot(analysis.times, [counts[formula] for counts in analysis.counts], label=formula, linewidth=1.2)
    axes.set_xlabel("time (ps)")
    axes.set_ylabel("molecules")
    left_out = len(formulas) - MOST_LINES
    axes.legend(title=None if left_out <= 0 else f"and {left_out} rarer", fontsize="small")
    return figure
