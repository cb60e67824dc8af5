"""Counts of molecules over time, the reactions between them, and their rates: what was found, and its files."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mliap_hybrid.reactions.events import Rate, Reaction

COUNTS, EVENTS, RATES = "counts.csv", "events.csv", "rates.csv"
"""Names of the files."""


@dataclass
class Analysis:
    """What was found."""

    steps: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    """ps."""
    counts: list[Counter[str]] = field(default_factory=list)
    """Of each frame: formula -> number of molecules."""
    events: list[tuple[float, Reaction]] = field(default_factory=list)
    """Time in ps of the frame in which a reaction is seen first, and the reaction."""
    rates: list[Rate] = field(default_factory=list)
    ids: Sequence[int] | None = None
    """Of the atoms, for the files; None: from 1, in their order."""

    @property
    def formulas(self) -> list[str]:
        """All that occur, those first of which there are most at any time."""
        most: Counter[str] = Counter()
        for counts in self.counts:
            most |= counts
        return sorted(most, key=lambda formula: (-most[formula], formula))


def write_counts(analysis: Analysis, file: Path) -> None:
    """A row for each frame, a column for each formula (CSV)."""
    formulas = analysis.formulas
    rows = zip(analysis.steps, analysis.times, analysis.counts, strict=True)
    _write(
        file,
        ["step", "time_ps", *formulas],
        ([step, f"{time:.6g}", *(counts[name] for name in formulas)] for step, time, counts in rows),
    )


def write_events(analysis: Analysis, file: Path) -> None:
    """A row for each reaction (CSV), with the IDs of its atoms."""
    ids = analysis.ids
    rows = (
        [f"{time:.6g}", one.equation, " ".join(str(i + 1 if ids is None else ids[i]) for i in one.atoms)]
        for time, one in analysis.events
    )
    _write(file, ["time_ps", "reaction", "atoms"], rows)


def write_rates(analysis: Analysis, file: Path) -> None:
    """A row for each kind of reaction (CSV)."""
    rows = (
        [each.equation, each.count, "" if each.constant is None else f"{each.constant:.4g}", each.unit]
        for each in analysis.rates
    )
    _write(file, ["reaction", "count", "rate_constant", "unit"], rows)


def _write(file: Path, head: list[str], rows: Iterable[Sequence[object]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(head)
        writer.writerows(rows)
