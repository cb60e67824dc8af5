"""`mliap-hybrid check`: LAMMPS against Python for a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types


def check(
    model: Annotated[Path, typer.Argument(help="Model file that `mliap-hybrid export` wrote.")],
    ranks: Annotated[str, typer.Option(help="Numbers of MPI ranks, separated by commas.")] = "1,2",
    structure: Annotated[
        Path | None, typer.Option(help="Structure to compare on (any file ASE reads); default: the model's example.")
    ] = None,
    elements: Elements = "",
) -> None:
    """Run `lmp` on a small system and compare energy, forces and virial with Python."""
    from rich.console import Console
    from rich.table import Table

    from mliap_hybrid.data.reading import read_frames
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.lammps.check import UNITS, check_model

    try:
        counts = [int(word) for word in ranks.split(",")]
    except ValueError:
        counts = []
    if not counts or min(counts) < 1:
        raise InputError(f"--ranks: expected numbers of ranks such as 1,2,4, found '{ranks}'")
    files = [] if structure is None else [structure]
    frames = read_frames(files, elements_of_types(elements, files))
    atoms = frames[0].atoms if frames else None
    comparisons = check_model(model, counts, atoms)

    table = Table("comparison", "quantity", "largest difference", "allowed", "", title=str(model))
    for row in comparisons:
        verdict = "[green]ok[/]" if row.ok else "[red]FAILED[/]"
        unit = UNITS[row.quantity]
        table.add_row(row.what, row.quantity, f"{row.difference:.2e} {unit}", f"{row.tolerance:.0e}", verdict)
    Console(width=120).print(table)
    failed = [row for row in comparisons if not row.ok]
    if failed:
        typer.echo(f"check failed: {len(failed)} of {len(comparisons)} comparisons differ by more than is allowed")
        raise typer.Exit(1)
    worst = max(row.difference for row in comparisons if row.quantity == "forces")
    typer.echo(f"check ok: {len(comparisons)} comparisons on {ranks} ranks, largest force difference {worst:.1e} eV/Å")
