"""`mliap-hybrid info`: what a model is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types


def info(
    model: Annotated[Path, typer.Argument(help="Run folder or exported model file.", show_default=False)],
    which: Annotated[str, typer.Option(help="Checkpoint of a run folder: best or last.")] = "best",
    explain: Annotated[
        Path | None, typer.Option(help="Structure to take apart (any file ASE reads).", show_default=False)
    ] = None,
    index: Annotated[int, typer.Option(help="Which frame of that file; -1 is the last.")] = 0,
    elements: Elements = "",
    unit: Annotated[str, typer.Option(help="Unit of the energies in its tables: eV, kcal/mol, ...")] = "eV",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for all numbers of --explain, in eV.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Picture of its parameters by element: .png, .pdf, .svg.", show_default=False)
    ] = None,
) -> None:
    """Print the terms, elements and settings of a model, and the errors that its run reported.

    With --explain print instead what the model says of one structure: its energy by term, of all of it and between its
    molecules, that of pairs of molecules, and the parameters of its atoms by element, with their bounds.
    """
    from mliap_hybrid.cli.load import load_any_model
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.fitting.run_folder import RunFolder
    from mliap_hybrid.model_files.summary import summary

    if explain is not None:
        _explain(model, which, explain, index, elements, unit, json_file, plot)
        return
    for option, given in (("--elements", elements or None), ("--json", json_file), ("--plot", plot)):
        if given is not None:
            raise InputError(f"{option} goes with --explain STRUCTURE: name a structure")
    rows = summary(load_any_model(model, which))
    width = max(10, *(len(name) + 2 for name in rows))
    for name, text in rows.items():
        print(f"{name + ':':<{width}}{text}")
    errors = RunFolder(model).report / "errors.md"
    if errors.is_file():
        print("\n" + errors.read_text(encoding="utf-8").strip())


def _explain(
    model: Path,
    which: str,
    structure: Path,
    index: int,
    elements: str,
    unit: str,
    json_file: Path | None,
    plot: Path | None,
) -> None:
    """Print the tables of one structure, and write what was asked for."""
    import json

    from mliap_hybrid.cli.load import label_settings, load_any_model, total_charge_of
    from mliap_hybrid.cli.plot import check_output
    from mliap_hybrid.data.reading import frame_to_batch, read_frame
    from mliap_hybrid.report.explanation import explain
    from mliap_hybrid.structure import with_total_charge
    from mliap_hybrid.units import energy_unit
    from mliap_hybrid.whole_file import whole_file

    value = energy_unit(unit)
    if plot is not None:
        check_output(plot, overwrite=True)
    potential = load_any_model(model, which)
    frame = read_frame(structure, index, elements_of_types(elements, [structure]))
    batch = frame_to_batch(frame, potential.cutoff, units=label_settings(model)[1])
    explanation = explain(potential, with_total_charge(batch, total_charge_of(model)))
    print(f"{frame.source}: {frame.atoms.get_chemical_formula()}")
    for title, table in explanation.tables(value, unit).items():
        print(f"\n{title}\n\n{table.markdown()}", end="")
    if json_file is not None:
        with whole_file(json_file) as file:
            file.write(json.dumps(explanation.content(), indent=1).encode())
        print(f"\nwrote {json_file}")
    if plot is not None:
        from mliap_hybrid.report.learning_curves import write_figure
        from mliap_hybrid.report.parameter_histograms import parameter_figure

        write_figure(parameter_figure(explanation.parameters, frame.source), plot)
        print(f"\nwrote {plot}")
