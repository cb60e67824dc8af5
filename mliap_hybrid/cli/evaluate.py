"""`mliap-hybrid evaluate`: errors of a trained model on labelled structures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[Path, typer.Argument(help="Run folder or exported model file.", show_default=False)],
    data: Annotated[list[Path], typer.Argument(help="Labelled structures (extxyz, ...).", show_default=False)],
    plots: Annotated[Path | None, typer.Option(help="Folder for parity plots.", show_default=False)] = None,
    which: Annotated[str, typer.Option(help="Checkpoint of a run folder: best or last.")] = "best",
    energy_key: Annotated[str | None, typer.Option(help="Name of the energy label.")] = None,
    forces_key: Annotated[str | None, typer.Option(help="Name of the force label.")] = None,
    stress_key: Annotated[str | None, typer.Option(help="Name of the stress label.")] = None,
) -> None:
    """Print the error table of a model on labelled structures.

    Labels have the names and units of the run; for an exported file they are energy and forces in eV and Å.
    """
    from mliap_hybrid.cli.console import shown
    from mliap_hybrid.cli.load import label_settings, load_any_model
    from mliap_hybrid.data.reading import frame_to_batch, read_frames
    from mliap_hybrid.fitting.evaluation import evaluate as compare
    from mliap_hybrid.fitting.plots import write_parity_plots
    from mliap_hybrid.fitting.report import error_table

    potential = load_any_model(model, which)
    keys, units = label_settings(model)
    given = {"energy": energy_key, "forces": forces_key, "stress": stress_key}
    keys = keys.model_copy(update={label: key for label, key in given.items() if key is not None})
    with shown() as display:
        batches = [frame_to_batch(frame, potential.cutoff, keys, units) for frame in read_frames(data)]
        evaluations = {"data": compare(potential, display.track(batches, "errors"))}
        display.say(error_table(evaluations))
        if plots is not None:
            for path in write_parity_plots(evaluations, plots):
                display.say(f"wrote {path}")
