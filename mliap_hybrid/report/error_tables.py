"""The tables of a report: errors of sets of frames, of kinds of frames, of elements, and the worst frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula

from mliap_hybrid.quantities import QUANTITIES, Quantity
from mliap_hybrid.report.error_groups import by_config_type, by_element
from mliap_hybrid.report.evaluation import ComparedFrame, Evaluation, Parity
from mliap_hybrid.report.tables import Table

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
    columns = [(what, ""), ("frames", ""), *_columns(QUANTITIES.values())]
    rows = [
        (name, str(evaluation.n_frames), *_cells(QUANTITIES.values(), evaluation.parities))
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
    of_atoms = [quantity for quantity in QUANTITIES.values() if quantity.of_atoms]
    columns = [("element", ""), ("atoms", ""), *_columns(of_atoms)]
    rows = [
        (chemical_symbols[z], str(errors.n_atoms), *_cells(of_atoms, errors.parities)) for z, errors in elements.items()
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


def _columns(quantities: Iterable[Quantity]) -> list[tuple[str, str]]:
    """Name and unit of the columns of these quantities."""
    columns = []
    for quantity in quantities:
        what, unit = quantity.column, f"m{quantity.error_unit}"
        columns += [(f"{what} RMSE", unit), (f"{what} MAE", unit)]
        columns += [(f"{what} RMSE", "% of RMS"), (f"{what} angle", "°")] if quantity.has_direction else []
    return columns


def _cells(quantities: Iterable[Quantity], parities: Mapping[str, Parity]) -> list[str]:
    """What stands under `_columns`; dashes where there is no label."""
    cells = []
    for quantity in quantities:
        parity = parities.get(quantity.name)
        if parity is None:
            cells += ["-"] * (4 if quantity.has_direction else 2)
            continue
        cells += [_digits(1000 * parity.rmse), _digits(1000 * parity.mae)]
        if quantity.has_direction:
            angle = parity.angle
            cells.append(f"{100.0 * parity.rmse / parity.label_rms:.2f}" if parity.label_rms > 0 else "-")
            cells.append("-" if np.isnan(angle) else f"{angle:.2f}")
    return cells


def _digits(value: float) -> str:
    """Three digits, or all those before the point."""
    return f"{value:.0f}" if 999.5 <= abs(value) < 1e7 else f"{value:.3g}"
