"""What came of each round, as a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Round:
    """A row of the table."""

    number: int
    n_new: int
    """Structures that were labelled after the rounds before."""
    n_outside: int
    """Structures that the runs of this round have met and the model does not know."""
    share_outside: float
    """Of the looks at the runs, those planned and not reached among them."""
    time: float
    """ps, mean of the runs: up to the first such structure."""
    largest_distance: float
    """In units of the distance from which on a structure is outside."""


def write_table(rounds: Sequence[Round], file: Path) -> None:
    """Write rows as CSV."""
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([field.name for field in fields(Round)])
        writer.writerows([f"{value:.6g}" for value in asdict(row).values()] for row in rounds)


def read_row(file: Path) -> Round:
    """A row that was written alone."""
    with file.open(newline="") as stream:
        (row,) = csv.DictReader(stream)
    return Round(
        number=int(row["number"]),
        n_new=int(row["n_new"]),
        n_outside=int(row["n_outside"]),
        share_outside=float(row["share_outside"]),
        time=float(row["time"]),
        largest_distance=float(row["largest_distance"]),
    )


def in_words(row: Round) -> str:
    """A line for the user."""
    outcome = f"{row.n_new} chosen to label" if row.n_new else "none to label"
    return (
        f"round {row.number}: {row.time:.3g} ps to the first unknown structure on average, "
        f"{100 * row.share_outside:.3g} % of the time outside, distances up to {row.largest_distance:.3g} of the "
        f"limit; {row.n_outside} unknown structures, {outcome}"
    )
