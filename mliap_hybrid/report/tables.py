"""A table of a report: as Markdown that is also readable as text, and as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape


@dataclass(frozen=True)
class Table:
    """Cells under columns with units. The first column holds names, the others numbers."""

    columns: Sequence[tuple[str, str]]
    """Name and unit of each column; the unit may be empty."""
    rows: Sequence[Sequence[str]]

    def without_empty_columns(self) -> Table:
        """The table without the columns that hold dashes alone."""
        kept = [c for c in range(len(self.columns)) if any(row[c] != "-" for row in self.rows)]
        return Table([self.columns[c] for c in kept], [[row[c] for c in kept] for row in self.rows])

    def markdown(self) -> str:
        """The table as Markdown, its columns aligned."""
        header = [f"{name} ({unit})" if unit else name for name, unit in self.columns]
        lines = [[cell.replace("|", "\\|") for cell in line] for line in (header, *self.rows)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
        text = [
            "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
            for line in lines
        ]
        text.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        return "\n".join(text) + "\n"

    def html(self) -> str:
        """The table as HTML, with units below the names."""
        header = "".join(f"<th>{escape(name)}<small>{escape(unit)}</small></th>" for name, unit in self.columns)
        rows = "\n".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        return f"<table>\n<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n"
