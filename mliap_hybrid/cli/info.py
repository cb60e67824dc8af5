"""`mliap-hybrid info`: what a model is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def info(
    model: Annotated[Path, typer.Argument(help="Run folder or exported model file.", show_default=False)],
    which: Annotated[str, typer.Option(help="Checkpoint of a run folder: best or last.")] = "best",
) -> None:
    """Print the terms, elements and settings of a model, and the errors that its run reported."""
    from mliap_hybrid.cli.load import load_any_model
    from mliap_hybrid.fitting.run_folder import RunFolder
    from mliap_hybrid.model_files.summary import summary

    rows = summary(load_any_model(model, which))
    width = max(10, *(len(name) + 2 for name in rows))
    for name, text in rows.items():
        print(f"{name + ':':<{width}}{text}")
    errors = RunFolder(model).report / "errors.md"
    if errors.is_file():
        print("\n" + errors.read_text(encoding="utf-8").strip())
