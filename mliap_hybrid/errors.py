"""The one exception that means: the user can mend this, and a traceback would not help."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MOST_QUOTED = 80
"""Characters of a user's file that a message repeats."""


class InputError(Exception):
    """A mistake in what the user gave (file, setting, label, input line).

    The message says what happened, what was expected, what was found and what to do, in plain sentences.
    Commands print it without a traceback and exit with a status other than zero; LAMMPS runs end on every rank.
    """


def quoted(found: object) -> str:
    """What was found, cut to what fits into a sentence.

    Parameters
    ----------
    found : object
        A word of a file, or a value.

    Returns
    -------
    str
        At most some 100 characters, without line breaks.
    """
    text = " ".join(str(found).split())
    if len(text) <= MOST_QUOTED:
        return text
    return f"{text[:MOST_QUOTED]}... ({len(text)} characters)"


def did_you_mean(found: str, known: Iterable[str]) -> str:
    """End of an error sentence that names the nearest known word, or all known words where none is near.

    Parameters
    ----------
    found : str
        The word that is not known.
    known : iterable of str
        The words that are.

    Returns
    -------
    str
        ``"did you mean 'cutoff'?"`` or ``"expected one of 'a', 'b'"``.
    """
    known = list(known)
    found = found[:MOST_QUOTED]  # the search for near words takes the square of the length
    by_lowercase = {word.lower(): word for word in known}
    near = difflib.get_close_matches(found.lower(), by_lowercase, n=1)
    if near:
        return f"did you mean '{by_lowercase[near[0]]}'?"
    return "expected one of " + ", ".join(f"'{word}'" for word in known)
