"""One HTML file that holds everything: pictures are inside it, and nothing is fetched from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from mliap_hybrid.report.tables import Table

STYLE = """
:root { color-scheme: light; --ink: #1c2733; --faint: #667485; --line: #dde3e9; --tint: #f5f7f9; --mark: #1f6fb2; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 76rem; color: var(--ink); background: #fff;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0 0 .3rem; font-size: 1.7rem; font-weight: 650; overflow-wrap: anywhere; }
h2 { margin: 2.6rem 0 .8rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); font-size: 1.2rem; }
h3 { margin: 1.6rem 0 .5rem; font-size: 1rem; }
p { max-width: 52rem; margin: .4rem 0 .8rem; color: var(--faint); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1.4rem; margin: 1rem 0; }
dt { color: var(--faint); } dd { margin: 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .36rem .55rem; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
th { white-space: normal; vertical-align: bottom; font-weight: 600; line-height: 1.25;
  border-bottom: 2px solid var(--ink); }
th small { display: block; white-space: nowrap; font-weight: 400; color: var(--faint); }
tbody tr:nth-child(even) { background: var(--tint); } tbody tr:hover { background: #e8f1f9; }
.pictures img { display: inline-block; vertical-align: top; margin: 0 .8rem .8rem 0; max-width: 100%; height: auto;
  border: 1px solid var(--line); border-radius: 4px; }
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--mark); }
pre { overflow-x: auto; padding: 1rem; background: var(--tint); border-radius: 4px; font-size: .85rem;
  line-height: 1.4; }
footer { margin-top: 3rem; color: var(--faint); font-size: .85rem; }
@media print { body { max-width: none; padding: 0; } details { display: block; } }
"""


def page(title: str, parts: Sequence[str], footer: str) -> str:
    """A whole page.

    Parameters
    ----------
    title : str
    parts : sequence of str
        HTML of each part, in order.
    footer : str
        Last line.

    Returns
    -------
    str
        HTML.
    """
    body = "\n".join(part for part in parts if part)
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n{body}\n"
        f"<footer>{escape(footer)}</footer>\n</body>\n</html>\n"
    )


def heading(text: str) -> str:
    """A heading of a part."""
    return f"<h2>{escape(text)}</h2>"


def paragraph(text: str) -> str:
    """Explaining words."""
    return f"<p>{escape(text)}</p>"


def facts(items: Mapping[str, str]) -> str:
    """Names and what is said of them."""
    rows = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in items.items())
    return f"<dl>\n{rows}\n</dl>"


def table(content: Table) -> str:
    """A table that scrolls by itself where it is too wide."""
    return f'<div class="wide">{content.html()}</div>'


def pictures(paths: Sequence[Path], width: int) -> str:
    """PNG files side by side, inside the page.

    Parameters
    ----------
    paths : sequence of Path
    width : int
        Width of each in the page, in pixels.
    """
    images = []
    for path in paths:
        data = base64.b64encode(path.read_bytes()).decode("ascii")
        source = f"data:image/png;base64,{data}"
        images.append(f'<img style="width: {width}px" alt="{escape(path.stem)}" src="{source}">')
    return '<div class="pictures">\n' + "\n".join(images) + "\n</div>" if images else ""


def collapsible(summary: str, content: str) -> str:
    """Something that opens when it is asked for."""
    return f"<details>\n<summary>{escape(summary)}</summary>\n{content}\n</details>"


def preformatted(text: str) -> str:
    """Text as it is."""
    return f"<pre>{escape(text)}</pre>"
