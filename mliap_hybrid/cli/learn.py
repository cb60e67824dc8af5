"""`mliap-hybrid learn`: rounds of training, runs, and labels for what the model does not know."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def learn(
    file: Annotated[Path, typer.Argument(help="Learning file (docs/labels.md).", show_default=False)],
) -> None:
    """Train, run, label what the model met and does not know, and train again, until runs meet nothing new.

    A command that was stopped goes on where it ended. Every round has a folder with its training, model and runs.
    """
    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.learning.loop import learn as go_through_rounds
    from mliap_hybrid.learning.settings import read_learning_file

    settings = read_learning_file(file)
    with console_display() as display:
        rounds = go_through_rounds(settings, display)
        last = settings.folder / f"round_{rounds[-1].number:02d}"
        inside = rounds[-1].share_outside <= settings.tolerated
        display.say(
            f"{'nothing new is met' if inside else 'the rounds are used up, and runs still meet what is new'} after "
            f"{sum(row.n_new for row in rounds)} new labels: {last / 'model.pt'}, {settings.folder / 'rounds.csv'}"
        )
