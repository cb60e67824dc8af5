"""The error table of a run, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from ase.data import chemical_symbols

from mliap_hybrid.fitting.evaluation import Evaluation, Parity
from mliap_hybrid.models.hybrid import HybridModel

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

CHARGE_HEADERS = {
    "charges": (("charge RMSE", "me"), ("charge MAE", "me")),
    "dipole": (("dipole RMSE", "me Å"), ("dipole MAE", "me Å")),
    "born_charges": (("Born charge RMSE", "me"), ("Born charge MAE", "me")),
}
"""Quantity -> columns that are there where a set has the label."""


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
    of_charges = [name for name in CHARGE_HEADERS if any(getattr(e, name) is not None for e in evaluations.values())]
    header = [*HEADER, *(column for name in of_charges for column in CHARGE_HEADERS[name])]
    rows = [tuple(f"{name} ({unit})" if unit else name for name, unit in header)]
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
                *(cell for quantity in of_charges for cell in _milli(getattr(evaluation, quantity))),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def charges_in_words(model: HybridModel) -> str:
    """Charges of the elements, or their typical values where they are predicted."""
    table = model.charge_table()
    if model.charge_model is not None:
        table = dict(zip(model.elements, model.charge_model.typical_charges.tolist(), strict=True))
    charges = ", ".join(f"{chemical_symbols[z]} {charge:+.4f} e" for z, charge in table.items())
    return f"predicted ({model.charge_model.neutrality}), mean {charges}" if model.charge_model else charges or "none"


def _milli(parity: Parity | None) -> tuple[str, str]:
    return ("-", "-") if parity is None else (f"{1000 * parity.rmse:.3g}", f"{1000 * parity.mae:.3g}")
