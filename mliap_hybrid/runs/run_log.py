"""The log file of a run: everything from its first message on, though its folder is made later."""

from __future__ import annotations

import logging
from logging.handlers import MemoryHandler
from pathlib import Path
from types import TracebackType

from mliap_hybrid.errors import InputError

logger = logging.getLogger("mliap_hybrid")
"""Parent of the loggers of all modules."""


class RunLog:
    """Keeps all messages of the package until `write_to` names a file, and appends them there from then on.

    An error that ends the `with` block is logged, too, with its traceback unless it is an `InputError`.
    """

    def __init__(self) -> None:
        self._handler = MemoryHandler(capacity=10_000, flushLevel=logging.CRITICAL + 1)
        self._level = logging.NOTSET

    def __enter__(self) -> RunLog:
        self._level = logger.level
        logger.setLevel(logging.DEBUG)
        logger.addHandler(self._handler)
        return self

    def write_to(self, path: Path) -> None:
        """Append to the file `path` what was said so far and what follows."""
        file = logging.FileHandler(path, encoding="utf-8")
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        self._handler.setTarget(file)
        self._handler.capacity = 1
        self._handler.flush()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None:
            record = {"levelno": logging.ERROR, "msg": str(error)}
            if not isinstance(error, InputError):
                record |= {"msg": "stopped", "exc_info": (kind, error, traceback)}
            self._handler.emit(logging.makeLogRecord(record))
        logger.setLevel(self._level)
        logger.removeHandler(self._handler)
        self._handler.close()
        if self._handler.target is not None:
            self._handler.target.close()
