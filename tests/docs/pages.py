"""The Markdown pages that are kept under version control, and the code in them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MADE = [DOCS / folder for folder in ("api", "settings", "examples")]
"""Folders whose Markdown is made when the site is built."""
PAGES = [
    path
    for path in sorted(
        [ROOT / "README.md", *DOCS.rglob("*.md")]
        + [path for folder in ("training", "lammps_inputs", "docker") for path in (ROOT / folder).rglob("*.md")]
    )
    if path.parent not in MADE
]
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`[^`\n]+`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_code(text: str) -> str:
    return INLINE.sub("", FENCE.sub("", text))


def code_in(text: str) -> list[str]:
    """Lines of blocks, joined where they go on, and inline code."""
    blocks = "\n".join(FENCE.findall(text))
    indented = "\n".join(line for line in FENCE.sub("", text).splitlines() if line.startswith("    "))
    lines = (blocks + "\n" + indented).replace("\\\n", " ").splitlines()
    return lines + [code.strip("`") for code in INLINE.findall(FENCE.sub("", text))]
