"""Pages of the examples: scripts in cells (`# %%`), whose comments are the text and whose code is shown as code."""

from __future__ import annotations

from pathlib import Path

LANGUAGES = {".py": "python", ".sh": "shell"}
"""Ending of a script -> language of its code."""


def example_pages(docs: Path) -> dict[str, str]:
    """Name of each page -> its text."""
    scripts = [path for path in sorted((docs / "examples").iterdir()) if path.suffix in LANGUAGES]
    return {f"{path.stem}.md": page_of(path) for path in scripts}


def page_of(script: Path) -> str:
    """The script as Markdown.

    A cell begins with `# %%`. Comment lines at its head, up to the first other line, are its text; the rest is code.
    What stands before the first cell is not shown.
    """
    parts = []
    for cell in script.read_text(encoding="utf-8").split("# %%\n")[1:]:
        lines = cell.splitlines()
        n_text = next((k for k, line in enumerate(lines) if not line.startswith("#")), len(lines))
        text = "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:n_text])
        code = "\n".join(lines[n_text:]).strip("\n")
        parts.append(text + (f"\n\n```{LANGUAGES[script.suffix]}\n{code}\n```" if code else ""))
    return "\n\n".join(parts) + f"\n\nThe script: `docs/examples/{script.name}`.\n"
