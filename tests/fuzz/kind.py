"""A kind of input, and what happens to one case of it: read and sound, or refused by the package's own error."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis.strategies import SearchStrategy

from mliap_hybrid.errors import InputError

LONGEST = 20.0
"""Seconds that one case may take."""

LONGEST_MESSAGE = 3000
"""Characters of a refusal; longer ones repeat the file."""


@dataclass(frozen=True)
class Kind:
    """Inputs of one sort."""

    name: str
    checked: str
    """What must hold of a case that is read."""
    n_cases: int
    """In a whole run."""
    cases: Callable[[], SearchStrategy[Any]]
    """Makes the strategy; what it needs, such as models, is made then."""
    check: Callable[[Any, Path], None]
    """Reads a case in an empty folder. Raises InputError where it is refused; anything else is a fault."""


class TakesTooLong(Exception):
    """A case did not end in time."""


def outcome(kind: Kind, case: Any, folder: Path) -> str:
    """``read`` or ``refused``.

    Raises
    ------
    AssertionError
        If what was read is not sound, numpy warned on the way to it, or the refusal is no plain sentence.
    Exception
        Whatever the package raised besides its own error.
    """
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", RuntimeWarning)
        try:
            with _limited_time():
                kind.check(case, folder)
        except InputError as error:
            said = str(error)
            assert said.strip(), "a refusal without a word"
            assert len(said) < LONGEST_MESSAGE, f"a refusal of {len(said)} characters: {said[:200]}"
            return "refused"
    told = [str(each.message) for each in warned if issubclass(each.category, RuntimeWarning)]
    assert not told, f"read, with warnings: {told}"
    return "read"


class _limited_time:
    """Raises `TakesTooLong` in the code within, once `LONGEST` has passed."""

    def __enter__(self) -> None:
        signal.signal(signal.SIGALRM, self._end)
        signal.setitimer(signal.ITIMER_REAL, LONGEST)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.0)

    @staticmethod
    def _end(*_: object) -> None:
        raise TakesTooLong(f"a case took more than {LONGEST:g} s")
