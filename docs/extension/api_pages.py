"""A page for each part of the package that `api.md` names: what the code says of these names, by autodoc."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

NAME = re.compile(r"^\| `(mliap_hybrid\.[\w.]+)`", re.MULTILINE)
"""A name in the first column of a table."""


def api_pages(docs: Path) -> dict[str, str]:
    """Name of each page -> its text: one for each heading of `api.md`, in its order."""
    pages = {}
    for part in (docs / "api.md").read_text(encoding="utf-8").split("\n## ")[1:]:
        heading = part.splitlines()[0]
        if names := NAME.findall(part):
            file = re.sub(r"\W+", "_", heading.lower()).strip("_") + ".md"
            pages[file] = f"# {heading}\n\n" + "\n".join(_directive(name) for name in names)
    return pages


def named(dotted: str) -> object:
    """What a dotted name stands for.

    Raises
    ------
    ImportError, AttributeError
        If there is no such module, or no such name in it.
    """
    module, _, name = dotted.rpartition(".")
    return getattr(importlib.import_module(module), name)


def _directive(dotted: str) -> str:
    kind = "autoclass" if inspect.isclass(named(dotted)) else "autofunction"
    members = "   :members:\n" if kind == "autoclass" else ""
    return f"```{{eval-rst}}\n.. {kind}:: {dotted}\n{members}```\n"
