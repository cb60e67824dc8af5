"""The error table of a run, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from mliap_hybrid.fitting.evaluation import Evaluation, Parity

HEADER = (
    ("split", ""),
    ("frames", ""),
    ("energy RMSE", "meV/atom"),
    ("energy MAE", "meV/atom"),
    ("force RMSE", "meV/Å"),
    ("force MAE", "meV/Å"),
    ("force RMSE", "% of RMS"),
    ("virial RMSE", "meV/atom"),
    ("virial MAE", "meV/atom"),
)
"""Name and unit of each column."""


def error_table(evaluations: Mapping[str, Evaluation]) -> str:
    """Errors of each set of frames.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
        Name of the set -> its errors.

    Returns
    -------
    str
        A Markdown table that is also readable as text; a dash where there is no label.
    """
    rows = [tuple(f"{name} ({unit})" if unit else name for name, unit in HEADER)]
    for name, evaluation in evaluations.items():
        forces = evaluation.forces
        rows.append(
            (
                name,
                str(evaluation.n_frames),
                *_milli(evaluation.energy),
                *_milli(forces),
                "-" if forces is None else f"{100.0 * forces.rmse / forces.label_rms:.2f}",
                *_milli(evaluation.virial),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def _milli(parity: Parity | None) -> tuple[str, str]:
    return ("-", "-") if parity is None else (f"{1000 * parity.rmse:.3g}", f"{1000 * parity.mae:.3g}")
