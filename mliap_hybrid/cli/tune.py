"""`mliap-hybrid tune`: size and weight of weak supervision by the validation frames."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer


class Criterion(enum.StrEnum):
    """Validation error that counts."""

    loss = "loss"
    energy = "energy"
    forces = "forces"


def tune(
    file: Annotated[Path, typer.Argument(help="Training file with weak_supervision.", show_default=False)],
    sizes: Annotated[str, typer.Option(help="Sizes of the displacements in Å.")] = "0.005,0.015,0.05",
    weights: Annotated[str, typer.Option(help="Factors on the weights of the file.")] = "0.1,1,10",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each choice.")] = 1,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of each, instead of the file's.", show_default=False)
    ] = None,
    by: Annotated[Criterion, typer.Option(help="Validation error that counts.")] = Criterion.loss,
    output: Annotated[
        Path | None, typer.Option(help="Training file to write; FILE_tuned.yaml by default.", show_default=False)
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="Results so far; FILE_tune.json by default.", show_default=False)
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads for tensors.", show_default=False)] = None,
) -> None:
    """Find out which size and weight of weak supervision are best, or that none is.

    A training for each pair of a size and a weight, and one without weak supervision; features are computed once. What
    is finished is kept in a file: the same command goes on after an interruption, and more sizes are added to it.
    """
    from mliap_hybrid.config import read_training_file, write_training_file
    from mliap_hybrid.errors import InputError

    output = output or file.with_name(f"{file.stem}_tuned.yaml")
    results = results or file.with_name(f"{file.stem}_tune.json")
    if output.exists():
        raise InputError(f"{output} exists: remove it, or name another file with --output")
    settings = read_training_file(file)
    chosen_sizes, factors = _numbers(sizes, "--sizes"), _numbers(weights, "--weights")

    import torch  # after the training file is checked: a typing mistake is answered at once

    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.runs.tune import tune as run_trials
    from mliap_hybrid.runs.tune_trials import NONE, best_candidate, table_of_trials

    if threads is not None:
        torch.set_num_threads(threads)
    trial_settings = settings
    if epochs is not None:
        optimisation = settings.optimisation.model_copy(update={"epochs": epochs})
        trial_settings = settings.model_copy(update={"optimisation": optimisation})
    with console_display() as display:
        trials = run_trials(trial_settings, chosen_sizes, factors, seeds, results, display)
        display.say(table_of_trials(trials, settings, by.value).markdown())
        best = best_candidate(trials, by.value)
        write_training_file(best.applied(settings), output, said_only=True)
        if best == NONE:
            display.say("best: none, without weak supervision")
        else:
            display.say(f"best: displacement_size {best.size:g} Å, weights times {best.factor:g}")
        display.say(f"wrote {output}")


def _numbers(text: str, option: str) -> list[float]:
    """Numbers above zero, from text with commas."""
    from mliap_hybrid.errors import InputError

    try:
        numbers = list(dict.fromkeys(float(word) for word in text.split(",")))
    except ValueError:
        numbers = []
    if not numbers or min(numbers) <= 0:
        raise InputError(f"{option}: expected numbers above zero such as 0.005,0.05, found {text!r}")
    return numbers
