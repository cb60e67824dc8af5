"""`mliap-hybrid plot`: pictures."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types
from mliap_hybrid.cli.label_options import with_label_options
from mliap_hybrid.quantities import OF_INTERACTIONS

app = typer.Typer(help="Draw pictures.", no_args_is_help=True)

FORMATS = (".png", ".pdf", ".svg")

MOST_SCANS = 8
"""In one picture."""


@app.command()
def features(
    structure: Annotated[Path, typer.Argument(help="Structure (any file ASE reads).", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .pdf or .svg.", show_default=False)
    ],
    index: Annotated[int, typer.Option(help="Which frame of the file; -1 is the last.")] = 0,
    elements: Elements = "",
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
    from mliap_hybrid.data.reading import frame_to_batch, read_frame
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.features.pictures import feature_figure
    from mliap_hybrid.fitting.model_factory import make_features

    if config is not None and feature_set is not None:
        raise InputError("--set and --config exclude each other: give one of them")
    check_output(output, overwrite)
    if config is not None:
        settings = read_training_file(config)
    else:
        chosen = {} if feature_set is None else {"set": feature_set}
        settings = parse_training_file({"data": {"files": [structure]}, "features": chosen}, "options")

    frame = read_frame(structure, index, elements_of_types(elements, [structure]))
    batch = frame_to_batch(frame, settings.features.cutoff, units=settings.data.units)
    made = make_features(settings, tuple(int(z) for z in batch.numbers.unique()))
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
    check_output(output, overwrite)
    read = read_runs(runs)
    write_figure(learning_curve_figure(read, against), output)
    typer.echo(f"wrote {output}: " + ", ".join(f"{name} {len(rows)} epochs" for name, rows in read.items()))


@app.command()
@partial(with_label_options, keys=OF_INTERACTIONS)
def dimer(
    model: Annotated[Path, typer.Argument(help="Run folder or exported model file.", show_default=False)],
    scan: Annotated[Path, typer.Argument(help="Dimers at several distances (extxyz, ...).", show_default=False)],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Picture to write: .png, .pdf or .svg.", show_default=False)
    ],
    by: Annotated[
        str | None, typer.Option(help="Name of what says to which scan a frame belongs.", show_default=False)
    ] = None,
    elements: Elements = "",
    which: Annotated[str, typer.Option(help="Checkpoint of a run folder: best or last.")] = "best",
    unit: Annotated[str, typer.Option(help="Unit of the picture: eV, kcal/mol, ...")] = "eV",
    label_keys: Mapping[str, str | None] | None = None,
    energy_unit: Annotated[str | None, typer.Option(help="Unit of the labels: eV, kcal/mol, Ha, ...")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Draw the interaction of two molecules over their distance by component, beside its labels.

    Labels are interaction energies with the names and the unit of the run; for an exported file the total is `energy`
    in eV, and components have the names that options give them. Without any label the model is drawn alone.
    """
    from mliap_hybrid.cli.load import interaction_labels, label_settings, load_any_model, with_given_units
    from mliap_hybrid.data.frames import lookup
    from mliap_hybrid.data.reading import frame_to_batch, read_frames
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.model.evaluator import Evaluator
    from mliap_hybrid.report.dimer_scan import ScanPoint, dimer_figure, scan_errors, scan_point
    from mliap_hybrid.report.learning_curves import write_figure
    from mliap_hybrid.units import energy_unit as value_of

    check_output(output, overwrite)
    value = value_of(unit)
    potential = load_any_model(model, which)
    keys, units = label_settings(model)
    units = with_given_units(units, {} if energy_unit is None else {"energy": energy_unit})
    given = {label: key for label, key in (label_keys or {}).items() if key is not None}
    frames = read_frames([scan], elements_of_types(elements, [scan]))
    keys = interaction_labels(keys, given, frames, potential)
    scans: dict[str, list[ScanPoint]] = {}
    evaluator = Evaluator(potential)
    for frame in frames:
        name = "" if by is None else f"{by} {lookup(frame, by, '--by')}"
        batch = frame_to_batch(frame, potential.cutoff, keys, units, allow_missing=True)
        scans.setdefault(name, []).append(scan_point(evaluator, batch))
    if len(scans) > MOST_SCANS:
        raise InputError(f"--by {by}: {scan} has {len(scans)} scans; expected {MOST_SCANS} at most in one picture")
    write_figure(dimer_figure(scans, value, unit), output)
    if (errors := scan_errors(scans, value, unit)).rows:
        typer.echo(errors.markdown())
    typer.echo(f"wrote {output}: {len(frames)} dimers")


def check_output(output: Path, overwrite: bool) -> None:
    """Refuse a picture that cannot be written, or would replace a file."""
    from mliap_hybrid.errors import InputError

    if output.suffix.lower() not in FORMATS:
        raise InputError(f"{output}: expected a name that ends in {', '.join(FORMATS)}")
    if not output.parent.is_dir():
        raise InputError(f"the folder {output.parent} does not exist")
    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already; choose another name or give --overwrite")
