"""`mliap-hybrid train`: from a training file to a run folder."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mliap_hybrid.config import TrainingFile
    from mliap_hybrid.fitting.processes.process_group import ProcessGroup


def train(
    file: Annotated[Path, typer.Argument(help="Training file (YAML).", show_default=False)],
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Move a run that is there to a backup.")] = False,
    run: Annotated[Path | None, typer.Option(help="Run folder, instead of the file's.", show_default=False)] = None,
    committee: Annotated[
        int | None, typer.Option(min=1, help="Number of networks to train, instead of the file's.", show_default=False)
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="Processes that share the frames of each step.")] = 1,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads for tensors, of each process.", show_default=False)
    ] = None,
) -> None:
    """Train a model, and write its run folder: checkpoints, metrics, error table, plots.

    It may also be started by torchrun, on several machines that see the same files.
    """
    from mliap_hybrid.config import read_training_file, with_committee
    from mliap_hybrid.errors import InputError

    if resume and overwrite:
        raise InputError("--resume and --overwrite exclude each other: give one of them")
    settings = read_training_file(file)
    if run is not None:
        settings = settings.model_copy(update={"run": run})
    if committee is not None:
        settings = with_committee(settings, committee)

    import torch  # after the training file is checked: a typing mistake is answered at once

    from mliap_hybrid.fitting.processes.distributed_group import joined_group
    from mliap_hybrid.fitting.processes.launcher import run_together
    from mliap_hybrid.fitting.processes.process_group import ProcessGroup

    if threads is not None:
        torch.set_num_threads(threads)
    work = functools.partial(_train, settings, resume, overwrite)
    if torch.distributed.is_torchelastic_launched():
        with joined_group() as group:
            work(group)
    elif processes > 1:
        run_together(work, processes, threads)
    else:
        work(ProcessGroup())


def _train(settings: TrainingFile, resume: bool, overwrite: bool, group: ProcessGroup) -> None:
    """Train as one of the processes of a group, of which the first one is heard."""
    from rich.console import Console

    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.runs.progress import Display
    from mliap_hybrid.runs.run import train as run_training

    with console_display() if group.is_first else Display(Console(quiet=True)) as display:
        run_training(settings, display, resume=resume, overwrite=overwrite, group=group)
        display.say(f"run folder: {settings.run}")
