"""Pages that are made from the code when the site is built: settings, names of the package, examples."""

from __future__ import annotations

from pathlib import Path

from extension.api_pages import api_pages
from extension.example_pages import example_pages
from extension.settings_pages import settings_pages

MAKERS = {"settings": settings_pages, "api": api_pages, "examples": example_pages}
"""Folder of pages -> what makes them: name of a file -> its text."""


def write_pages(app) -> None:
    """Called by Sphinx before pages are looked for: write those that changed, and remove those that are no more."""
    docs = Path(app.srcdir)
    for folder, make in MAKERS.items():
        pages = make(docs)
        (docs / folder).mkdir(exist_ok=True)
        for old in (docs / folder).glob("*.md"):
            if old.name not in pages:
                old.unlink()
        for name, text in pages.items():
            path = docs / folder / name
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")


def pages_of(docs: Path, page: str) -> list[str]:
    """Generated pages that belong to a page of the same name, in order, as Sphinx names them."""
    if page not in ("settings", "api"):
        return []
    return [f"{page}/{name.removesuffix('.md')}" for name in MAKERS[page](docs)]
