"""`mliap-hybrid evaluate`: errors of a trained model on labelled structures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types
from mliap_hybrid.cli.label_options import with_label_options


@with_label_options
def evaluate(
    model: Annotated[Path, typer.Argument(help="Run folder or exported model file.", show_default=False)],
    data: Annotated[list[Path], typer.Argument(help="Labelled structures (extxyz, ...).", show_default=False)],
    report: Annotated[
        Path | None, typer.Option(help="Folder for report.html: tables and pictures.", show_default=False)
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for parity plots.", show_default=False)] = None,
    which: Annotated[str, typer.Option(help="Checkpoint of a run folder: best or last.")] = "best",
    elements: Elements = "",
    label_keys: Mapping[str, str | None] | None = None,
    total_charge_key: Annotated[str | None, typer.Option(help="Name of the total charge.")] = None,
    electric_field_key: Annotated[str | None, typer.Option(help="Name of the electric field, in V/Å.")] = None,
    config_type_key: Annotated[str | None, typer.Option(help="Name of what says a structure's kind.")] = None,
    energy_unit: Annotated[str | None, typer.Option(help="Unit of energies: eV, kcal/mol, Ha, ...")] = None,
    length_unit: Annotated[str | None, typer.Option(help="Unit of positions: Å, bohr, ...")] = None,
    stress_unit: Annotated[str | None, typer.Option(help="Unit of stresses: eV/Å^3, GPa, -kbar, ...")] = None,
    stress_order: Annotated[str | None, typer.Option(help="Order of six stresses: ase, vasp or lammps.")] = None,
) -> None:
    """Print the error table of a model on labelled structures.

    Labels have the names and units of the run; for an exported file they are energy and forces in eV and Å, or in what
    the format of the data says. Each structure is compared where it has labels, and labels that look wrong are told.
    """
    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.cli.load import (
        comparable_labels,
        label_settings,
        load_any_model,
        total_charge_of,
        with_given_units,
    )
    from mliap_hybrid.data.label_warnings import label_warnings
    from mliap_hybrid.data.missing_labels import n_labelled_frames
    from mliap_hybrid.data.reading import frame_to_batch, read_frames
    from mliap_hybrid.report.error_tables import error_table
    from mliap_hybrid.report.evaluation import evaluate as compare
    from mliap_hybrid.report.parity_plots import write_parity_plots
    from mliap_hybrid.report.reliability import distances_in_words
    from mliap_hybrid.report.report import Report, charges_in_words, model_facts, write_report
    from mliap_hybrid.structure import with_total_charge

    potential = load_any_model(model, which)
    keys, units = label_settings(model)
    said = {"energy": energy_unit, "length": length_unit, "stress": stress_unit, "stress_order": stress_order}
    units = with_given_units(units, {name: value for name, value in said.items() if value is not None})
    options = {
        **(label_keys or {}),
        "total_charge": total_charge_key,
        "electric_field": electric_field_key,
        "config_type": config_type_key,
    }
    given = {label: key for label, key in options.items() if key is not None}
    frames = read_frames(data, elements_of_types(elements, data))
    keys = comparable_labels(keys, given, frames, list(potential.atomic_parameters))
    counts = n_labelled_frames(frames, keys)
    with console_display() as display:
        batches = [frame_to_batch(frame, potential.cutoff, keys, units, allow_missing=True) for frame in frames]
        for sentence in label_warnings(frames, batches, keys, units):
            display.say(f"Warning: {sentence}")
        if keys.total_charge is None:
            batches = [with_total_charge(batch, total_charge_of(model)) for batch in batches]
        evaluations = {"data": compare(potential, display.track(batches, "errors"))}
        for sentence in (sentence for term in potential.all_terms for sentence in term.remarks()):
            display.say(f"Warning: {sentence}")
        if set(counts.values()) != {len(frames)}:
            found = ", ".join(f"{label} {count}" for label, count in counts.items())
            display.say(f"of {len(frames)} structures have labels: {found}")
        display.say(error_table(evaluations).markdown())
        of_distance = None if potential.distance is None else potential.distance.description
        display.say(distances_in_words(evaluations, of_distance))
        if report is not None:
            told = Report(
                title=f"{model.name} on {', '.join(file.name for file in data)}",
                words=f"Charges: {charges_in_words(potential)}.",
                evaluations=evaluations,
                facts={"model": str(model), "data": ", ".join(map(str, data)), **model_facts(potential)},
                distance=of_distance,
            )
            display.say(f"wrote {write_report(told, report)[-1]}")
        if plots is not None:
            for path in write_parity_plots(evaluations, plots):
                display.say(f"wrote {path}")
