"""`mliap-hybrid plot`: pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Draw pictures.", no_args_is_help=True)

FORMATS = (".png", ".pdf", ".svg")


@app.command()
def features(
    structure: Annotated[Path, typer.Argument(help="Structure (any file ASE reads).", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .pdf or .svg.", show_default=False)
    ],
    index: Annotated[int, typer.Option(help="Which frame of the file; -1 is the last.")] = 0,
    feature_set: Annotated[
        str | None, typer.Option("--set", help="Named set of features, with its defaults.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Training file that describes the features.", show_default=False)
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Draw densities, radial functions and the feature spectrum of a structure.

    Without --set and --config the default features are drawn.
    """
    from mliap_hybrid.config import parse_training_file, read_training_file
    from mliap_hybrid.data.reading import frame_to_batch, read_frames
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.features.pictures import feature_figure
    from mliap_hybrid.fitting.model_factory import make_features

    if config is not None and feature_set is not None:
        raise InputError("--set and --config exclude each other: give one of them")
    _check_output(output, overwrite)
    if config is not None:
        settings = read_training_file(config)
    else:
        chosen = {} if feature_set is None else {"set": feature_set}
        settings = parse_training_file({"data": {"files": [structure]}, "features": chosen}, "options")

    frames = read_frames([structure])
    if not -len(frames) <= index < len(frames):
        raise InputError(f"--index {index}: {structure} has {len(frames)} frames; expected 0 to {len(frames) - 1}")
    frame = frames[index]
    batch = frame_to_batch(frame, settings.features.cutoff, units=settings.data.units)
    elements = tuple(int(z) for z in batch.numbers.unique())
    made = make_features(settings, elements)
    values = made(batch.geometry()).detach().numpy()  # (n_atoms, n_features)
    title = f"{frame.atoms.get_chemical_formula()}: {settings.features.set}, {made.n_features} features"
    feature_figure(made, batch.numbers.numpy(), values, title).savefig(output)
    typer.echo(f"wrote {output}: {made.n_features} features of {batch.n_atoms} atoms")


@app.command("learning-curve")
def learning_curve(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or their metrics.csv.", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .pdf or .svg.", show_default=False)
    ],
    against: Annotated[str, typer.Option(help="What errors are shown over: epoch or time.")] = "epoch",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Draw the errors of one or several runs over their epochs or their time, also while they train.

    Of one run the errors of training and validation are shown, of several those of validation.
    """
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.report.learning_curves import learning_curve_figure, write_figure
    from mliap_hybrid.runs.compared_runs import read_runs

    if against not in ("epoch", "time"):
        raise InputError(f"--against {against}: expected epoch or time")
    _check_output(output, overwrite)
    read = read_runs(runs)
    write_figure(learning_curve_figure(read, against), output)
    typer.echo(f"wrote {output}: " + ", ".join(f"{name} {len(rows)} epochs" for name, rows in read.items()))


def _check_output(output: Path, overwrite: bool) -> None:
    """Refuse a picture that cannot be written, or would replace a file."""
    from mliap_hybrid.errors import InputError

    if output.suffix.lower() not in FORMATS:
        raise InputError(f"{output}: expected a name that ends in {', '.join(FORMATS)}")
    if not output.parent.is_dir():
        raise InputError(f"the folder {output.parent} does not exist")
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already; choose another name or give --overwrite")
