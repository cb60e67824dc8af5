"""Files of settings: YAML whose top is a mapping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mliap_hybrid.errors import InputError

MOST_OF_YAML = 500
"""Characters of what the YAML reader says, which repeats lines of the file."""


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
        If the file is missing, is not YAML, or is no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the {kind} {path}: {error.strerror}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())[:MOST_OF_YAML]}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected `key: value` lines ({keys}, ...), found {type(content).__name__}")
    return content
