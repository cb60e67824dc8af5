"""Files that are written at once or not at all, whenever the process is killed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

UNFINISHED = ".*.writing"
"""Pattern of the names of files that are being written."""


@contextmanager
def whole_file(path: Path, several_writers: bool = False) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends without an error.

    Until then, and after an error, `path` is what it was before. What a killed process leaves is a hidden file beside
    it, which the next write replaces.

    Parameters
    ----------
    path : Path
    several_writers : bool
        Whether other processes may write the same file at the same time: the last one to end counts. What a killed
        one leaves then stays.

    Yields
    ------
    BinaryIO
    """
    own = f".{uuid.uuid4().hex}" if several_writers else ""
    temporary = path.with_name(f".{path.name}{own}.writing")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power failure could leave the new name with no content
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
