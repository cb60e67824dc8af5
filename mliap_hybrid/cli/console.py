"""Messages of the package, shown while a verb runs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mliap_hybrid.runs.progress import Display


@contextmanager
def console_display() -> Iterator[Display]:
    """A display on standard output that also prints the package's log messages."""
    package = logging.getLogger("mliap_hybrid")
    with Display() as display:
        handler = display.log_handler()
        package.addHandler(handler)
        package.setLevel(logging.INFO)
        try:
            yield display
        finally:
            package.removeHandler(handler)
