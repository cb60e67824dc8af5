"""Files of settings: YAML whose top is a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mliap_hybrid.errors import InputError, quoted

MOST_OF_YAML = 500
"""Characters of what the YAML reader says, which repeats lines of the file."""

MOST_ENTRIES = 100_000
"""Entries of a file, those of its aliases counted at each place: aliases of aliases make a short file endless."""


def read_mapping(path: Path, kind: str, keys: str) -> dict[str, Any]:
    """The content of a file.

    Parameters
    ----------
    path : Path
    kind : str
        What the file is, for messages.
    keys : str
        Some of its keys, for messages.

    Raises
    ------
    InputError
        If the file is missing, is not YAML, is no mapping, or is far too large.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the {kind} {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())[:MOST_OF_YAML]}") from None
    except RecursionError:
        raise InputError(f"{path} is nested too deeply for a {kind}") from None
    except Exception as error:  # such as a date of month 13: PyYAML makes values of words and lets errors pass
        raise InputError(f"{path} is not valid YAML: {type(error).__name__}: {quoted(error)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected `key: value` lines ({keys}, ...), found {type(content).__name__}")
    if _n_entries(content, {}) > MOST_ENTRIES:
        raise InputError(f"{path} has more than {MOST_ENTRIES} entries, or contains itself: expected a {kind}")
    return content


def _n_entries(value: Any, of_aliases: dict[int, int]) -> int:
    """Entries of nested mappings and lists, as many times as they are referred to.

    Parameters
    ----------
    value : anything
    of_aliases : dict of int to int
        What is known of the containers by their identity; one that is being counted is too many.
    """
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in of_aliases:
        of_aliases[id(value)] = MOST_ENTRIES + 1
        inner = [*value, *value.values()] if isinstance(value, dict) else value
        of_aliases[id(value)] = 1 + sum(_n_entries(each, of_aliases) for each in inner)
    return of_aliases[id(value)]
