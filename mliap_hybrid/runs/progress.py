"""What a person sees while a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sized
from types import TracebackType
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from mliap_hybrid.fitting.losses import SquaredErrors
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.report.metrics import milli_rmse

PLAIN_LINES = 40
"""About as many epochs are printed where there is no terminal; the log file has them all."""

Item = TypeVar("Item")


class Display:
    """Shows how far a run is, and lets the log's messages through above the bar."""

    def __init__(self, console: Console | None = None):
        """Make a display.

        Parameters
        ----------
        console : rich Console, optional
            Standard output by default.
        """
        self.console = console or Console(highlight=False, soft_wrap=True)
        self._bar: Progress | None = None
        if self.console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeRemainingColumn(compact=True),
                TextColumn("{task.fields[note]}"),
                console=self.console,
            )
        self._epochs: dict[str, TaskID] = {}

    def __enter__(self) -> Display:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Print one message."""
        self.console.print(text, markup=False)

    def track(self, items: Iterable[Item], what: str) -> Iterator[Item]:
        """Hand the items on, showing how many are done."""
        total = len(items) if isinstance(items, Sized) else None
        start = time.perf_counter()
        if self._bar is None:
            yield from items
        else:
            task = self._bar.add_task(what, total=total, note="")
            for item in items:
                yield item
                self._bar.advance(task)
            self._bar.remove_task(task)
        count = "" if total is None else f"{total} in "
        self.say(f"{what}: {count}{time.perf_counter() - start:.1f} s")

    def epoch(self, result: EpochResult, n_epochs: int, what: str = "training") -> None:
        """Show the result of one epoch of what is trained."""
        if self._bar is not None:
            if what not in self._epochs:
                self._epochs[what] = self._bar.add_task(what, total=n_epochs, note="")
            note = f"validation {errors_line(result.validation)}"
            self._bar.update(self._epochs[what], completed=result.epoch, note=note)
        elif result.epoch % max(1, n_epochs // PLAIN_LINES) == 0 or result.epoch in (1, n_epochs):
            remaining = result.seconds * (n_epochs - result.epoch)
            self.say(f"{epoch_line(result, n_epochs)}  left {remaining:.0f} s")

    def log_handler(self) -> logging.Handler:
        """A handler that prints messages of the log through this display."""
        return _DisplayHandler(self)


class _DisplayHandler(logging.Handler):
    def __init__(self, display: Display):
        super().__init__(level=logging.INFO)
        self.display = display

    def emit(self, record: logging.LogRecord) -> None:
        self.display.say(self.format(record))


def epoch_line(result: EpochResult, n_epochs: int) -> str:
    """One line of text for one epoch."""
    star = " *" if result.is_best else ""
    return (
        f"epoch {result.epoch:>{len(str(n_epochs))}}/{n_epochs}  train {errors_line(result.training)}  "
        f"validation {errors_line(result.validation)}{star}"
    )


def errors_line(errors: SquaredErrors) -> str:
    """Root mean squared errors with their units."""
    parts = []
    for name, quantity in QUANTITIES.items():
        rmse = milli_rmse(errors.means.get(name))
        if rmse is not None:
            parts.append(f"{quantity.symbol} {rmse:.3g} m{quantity.error_unit}")
    return ", ".join(parts)
