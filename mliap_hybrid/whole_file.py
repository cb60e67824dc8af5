"""Files that are written at once or not at all, whenever the process is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` when the block ends without an error.

    Until then, and after an error, `path` is what it was before. What a killed process leaves is a hidden file beside
    it, which the next write replaces.

    Parameters
    ----------
    path : Path

    Yields
    ------
    BinaryIO
    """
    temporary = path.with_name(f".{path.name}.writing")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # or a power failure could leave the new name with no content
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
