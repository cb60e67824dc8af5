"""From a trajectory to counts of molecules over time, the reactions between them, and their rates."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mliap_hybrid.errors import InputError
from mliap_hybrid.reactions.bonds import BondCriteria, BondTracker
from mliap_hybrid.reactions.events import Rate, RateCounter, Reaction, reactions_between
from mliap_hybrid.reactions.molecules import Molecules, molecules_of
from mliap_hybrid.reactions.trajectory import TimedFrame


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

    @property
    def formulas(self) -> list[str]:
        """All that occur, those first of which there are most at any time."""
        most: Counter[str] = Counter()
        for counts in self.counts:
            most |= counts
        return sorted(most, key=lambda formula: (-most[formula], formula))


def analyse(frames: Iterable[TimedFrame], criteria: BondCriteria) -> Analysis:
    """Follow the molecules of a trajectory.

    Parameters
    ----------
    frames : iterable of TimedFrame
        Of the same atoms.
    criteria : BondCriteria

    Raises
    ------
    InputError
        If atoms change or time goes back.
    """
    found, rates = Analysis(), RateCounter()
    tracker: BondTracker | None = None
    before: Molecules | None = None
    for frame in frames:
        atoms = frame.atoms
        if tracker is None:
            tracker = BondTracker(atoms.numbers, criteria)
        elif frame.time <= found.times[-1]:
            raise InputError(
                f"step {frame.step} follows step {found.steps[-1]}: expected frames in the order of time, each once"
            )
        molecules = molecules_of(atoms.numbers, tracker.advance(atoms, frame.time))
        if before is not None:
            reactions = reactions_between(before, molecules)
            found.events += [(frame.time, reaction) for reaction in reactions]
            rates.add(reactions)
            volume = float(atoms.cell.volume) if atoms.cell.rank == 3 else 0.0
            rates.pass_time(found.counts[-1], frame.time - found.times[-1], volume)
        found.steps.append(frame.step)
        found.times.append(frame.time)
        found.counts.append(molecules.counts())
        before = molecules
    found.rates = rates.rates()
    return found


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
    """A row for each reaction (CSV); atoms are counted from 1, as in LAMMPS."""
    rows = ([f"{time:.6g}", one.equation, " ".join(str(i + 1) for i in one.atoms)] for time, one in analysis.events)
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
