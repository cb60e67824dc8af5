"""The tables of docs/faults.md, from what the tests of the matrix report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "<!-- from here on written by tests/faults/run.py --table -->\n"
"""What is above this line in a page stays."""

COLUMNS = {
    "none": "no charges",
    "fixed": "fixed charges",
    "shift": "predicted, shifted",
    "increments": "predicted, increments",
}
"""Of the first table; other cells are rows of the second."""


@dataclass(frozen=True)
class Cell:
    """What a test shows."""

    row: str
    column: str
    """A kind of model, or anything else for a test that is a row of its own."""
    text: str
    oracle: str


def write_tables(page: Path, cells: Sequence[Cell]) -> None:
    """Replace what is behind the mark of a page, or the whole of one that has none."""
    before, mark, _ = page.read_text().partition(MARK) if page.exists() else ("", MARK, "")
    if not mark:
        before = ""
    page.write_text(before + MARK + "\n" + tables(cells))


def tables(cells: Sequence[Cell]) -> str:
    """Rows of situations with a column for each kind of model, notes, and rows of all others."""
    notes: list[str] = []

    def noted(text: str) -> str:
        if ": " not in text:
            return text
        kind, _, note = text.partition(": ")
        if note not in notes:
            notes.append(note)
        return f"{kind} ({notes.index(note) + 1})"

    by_model: dict[str, dict[str, Cell]] = {}
    for cell in cells:
        if cell.column in COLUMNS:
            by_model.setdefault(cell.row, {})[cell.column] = cell
    lines = [f"| case | {' | '.join(COLUMNS.values())} | compared with |", "|---|---|---|---|---|---|"]
    for row, of_row in by_model.items():
        texts = [noted(of_row[column].text) if column in of_row else "" for column in COLUMNS]
        oracles = dict.fromkeys(cell.oracle for cell in of_row.values() if cell.oracle)
        lines.append(f"| {row} | {' | '.join(texts)} | {'; '.join(oracles)} |")
    lines += ["", "| case | | compared with |", "|---|---|---|"]
    for cell in cells:
        if cell.column not in COLUMNS:
            lines.append(
                f"| {cell.row}{f', {cell.column}' if cell.column else ''} | {noted(cell.text)} | {cell.oracle} |"
            )
    lines += ["", *(f"{n}. {note}" for n, note in enumerate(notes, start=1))]
    return "\n".join(lines) + "\n"
