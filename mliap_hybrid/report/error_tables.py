"""The tables of a report: errors of sets of frames, of kinds of frames, of elements, and the worst frames."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula

from mliap_hybrid.report.error_groups import by_config_type, by_element
from mliap_hybrid.report.evaluation import ComparedFrame, Evaluation, Parity
from mliap_hybrid.report.tables import Table

FORCE_COLUMNS = (
    ("force RMSE", "meV/Å"),
    ("force MAE", "meV/Å"),
    ("force RMSE", "% of RMS"),
    ("force angle", "°"),
)

COLUMNS = (
    ("frames", ""),
    ("energy RMSE", "meV/atom"),
    ("energy MAE", "meV/atom"),
    *FORCE_COLUMNS,
    ("virial RMSE", "meV/atom"),
    ("virial MAE", "meV/atom"),
)
"""Name and unit of each column after the first."""

CHARGE_COLUMNS = {
    "charges": (("charge RMSE", "me"), ("charge MAE", "me")),
    "dipole": (("dipole RMSE", "me Å"), ("dipole MAE", "me Å")),
    "born_charges": (("Born charge RMSE", "me"), ("Born charge MAE", "me")),
}
"""Quantity of charges -> its columns."""

N_WORST = 10
"""Frames in the table of the worst."""


def error_table(evaluations: Mapping[str, Evaluation], what: str = "split") -> Table:
    """Errors of each set of frames.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
        Name of the set -> its errors.
    what : str
        What the sets are.

    Returns
    -------
    Table
        A dash where there is no label; columns in which no set has one are left out.
    """
    columns = [(what, ""), *COLUMNS, *(column for names in CHARGE_COLUMNS.values() for column in names)]
    rows = [
        (
            name,
            str(evaluation.n_frames),
            *_milli(evaluation.energy),
            *_force_cells(evaluation.forces, evaluation.force_angle),
            *_milli(evaluation.virial),
            *(cell for quantity in CHARGE_COLUMNS for cell in _milli(getattr(evaluation, quantity))),
        )
        for name, evaluation in evaluations.items()
    ]
    return Table(columns, rows).without_empty_columns()


def config_type_table(evaluation: Evaluation) -> Table | None:
    """Errors of each kind of frames; None unless there are several kinds."""
    kinds = by_config_type(evaluation)
    return error_table(kinds, "configuration type") if kinds else None


def element_table(evaluation: Evaluation) -> Table | None:
    """Errors of the atoms of each element; None without labels of atoms."""
    elements = by_element(evaluation)
    if not elements:
        return None
    names = ("charges", "born_charges")
    columns = [("element", ""), ("atoms", ""), *FORCE_COLUMNS, *(c for name in names for c in CHARGE_COLUMNS[name])]
    rows = [
        (
            chemical_symbols[z],
            str(errors.n_atoms),
            *_force_cells(errors.forces, errors.force_angle),
            *(cell for name in names for cell in _milli(getattr(errors, name))),
        )
        for z, errors in elements.items()
    ]
    return Table(columns, rows).without_empty_columns()


def worst_frames_table(evaluation: Evaluation) -> Table | None:
    """The frames with the largest error, of forces where there are any, else of the energy; None without either."""
    of_forces = evaluation.forces is not None
    quantity = "forces" if of_forces else "energy"
    frames = [frame for frame in evaluation.frames if quantity in frame.labels]
    if not frames:
        return None
    frames = sorted(frames, key=lambda frame: _rmse(frame, quantity), reverse=True)[:N_WORST]
    columns = [("frame", ""), ("formula", ""), ("energy error", "meV/atom")]
    columns += [("force RMSE", "meV/Å"), ("largest force error", "meV/Å"), ("of atom", "")] if of_forces else []
    return Table(
        columns, [(frame.source, _formula(frame), _energy_cell(frame), *_worst_force(frame)) for frame in frames]
    )


def _rmse(frame: ComparedFrame, quantity: str) -> float:
    return float(np.sqrt(np.mean((frame.predictions[quantity] - frame.labels[quantity]) ** 2)))


def _formula(frame: ComparedFrame) -> str:
    symbols = "".join(chemical_symbols[z] for z in frame.numbers)
    return f"{Formula(symbols).format('hill')}"


def _energy_cell(frame: ComparedFrame) -> str:
    if "energy" not in frame.labels:
        return "-"
    error = 1000 * float((frame.predictions["energy"] - frame.labels["energy"])[0])
    return ("+" if error > 0 else "") + _digits(error)


def _worst_force(frame: ComparedFrame) -> tuple[str, ...]:
    """Cells of the forces of a frame: RMSE, length of the largest error, and its atom; none without forces."""
    if "forces" not in frame.labels:
        return ()
    errors = np.linalg.norm(frame.predictions["forces"] - frame.labels["forces"], axis=1)  # (n_atoms,)
    atom = int(errors.argmax())
    return (
        _digits(1000 * _rmse(frame, "forces")),
        _digits(1000 * errors[atom]),
        f"{atom} ({chemical_symbols[frame.numbers[atom]]})",
    )


def _force_cells(forces: Parity | None, angle: float | None) -> tuple[str, ...]:
    if forces is None or angle is None:
        return ("-", "-", "-", "-")
    relative = f"{100.0 * forces.rmse / forces.label_rms:.2f}" if forces.label_rms > 0 else "-"
    return (*_milli(forces), relative, "-" if np.isnan(angle) else f"{angle:.2f}")


def _milli(parity: Parity | None) -> tuple[str, str]:
    return ("-", "-") if parity is None else (_digits(1000 * parity.rmse), _digits(1000 * parity.mae))


def _digits(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e7 else f"{value:.3g}"
