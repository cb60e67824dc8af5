"""The sidebar follows the pages: what a page of links names, in its order, so that plain Markdown needs no toctree."""

from __future__ import annotations

import re
from pathlib import Path

from extension.generated import pages_of

LINK = re.compile(r"\]\(([\w/.-]+\.(?:md|py|sh))(?:#[\w-]+)?\)")
"""A link to a page or to an example beside the page."""

EXAMPLE = re.compile(r"\]\(((?:\.\./)*examples/\w+)\.(?:py|sh)\)")


def add_sidebar(app, page: str, source: list[str]) -> None:
    """Called by Sphinx with each page before it is read: add the hidden lists that the sidebar is made of."""
    folder = Path(app.srcdir)
    source[0] = EXAMPLE.sub(r"](\1.md)", source[0])
    if page == app.config.root_doc:
        source[0] += "".join(_toctree(caption, names) for caption, names in sections(source[0]))
    elif generated := pages_of(folder, page):
        source[0] += _toctree("", generated)


def sections(text: str) -> list[tuple[str, list[str]]]:
    """Headings of second order of a Markdown text, and the pages that are linked below each, none twice.

    Pages outside of the folder, and places within pages that are named already, are left out.
    """
    seen: set[str] = set()
    found: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("## "):
            found.append((line.removeprefix("## "), []))
        elif found:
            names = [name.rsplit(".", 1)[0] for name in LINK.findall(line) if not name.startswith("..")]
            found[-1][1].extend(new := [name for name in dict.fromkeys(names) if name not in seen])
            seen.update(new)
    return [(heading, names) for heading, names in found if names]


def _toctree(caption: str, names: list[str]) -> str:
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return "\n\n```{toctree}\n" + options + "\n" + "\n".join(names) + "\n```\n"
