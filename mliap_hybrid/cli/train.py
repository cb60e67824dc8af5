"""`mliap-hybrid train`: from a training file to a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def train(
    file: Annotated[Path, typer.Argument(help="Training file (YAML).", show_default=False)],
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Move a run that is there to a backup.")] = False,
    run: Annotated[Path | None, typer.Option(help="Run folder, instead of the file's.", show_default=False)] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads for tensors.", show_default=False)] = None,
) -> None:
    """Train a model, and write its run folder: checkpoints, metrics, error table, plots."""
    from mliap_hybrid.config import read_training_file
    from mliap_hybrid.errors import InputError

    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other: give one of them")
    settings = read_training_file(file)
    if run is not None:
        settings = settings.model_copy(update={"run": run})

    import torch  # after the training file is checked: a typing mistake is answered at once

    from mliap_hybrid.cli.console import shown
    from mliap_hybrid.fitting.run import train as run_training

    if threads is not None:
        torch.set_num_threads(threads)
    with shown() as display:
        run_training(settings, display, resume=resume, overwrite=overwrite)
        display.say(f"run folder: {settings.run}")
