"""`mliap-hybrid lammps-input`: the block of an input file that makes a model run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def lammps_input(
    model: Annotated[Path, typer.Argument(help="Model file that `mliap-hybrid export` wrote.")],
    elements: Annotated[
        str, typer.Option(help="Element of each LAMMPS atom type, such as 'Na Cl'; default: the model's order.")
    ] = "",
    accuracy: Annotated[float, typer.Option(help="Relative accuracy of the k-space solver.")] = 1e-5,
    coulomb_cutoff: Annotated[float, typer.Option(help="Real-space cutoff of the point charges in Å.")] = 9.0,
    kspace: Annotated[str, typer.Option(help="k-space solver: pppm or ewald.")] = "pppm",
    connect: Annotated[
        bool, typer.Option("--connect", help="For LAMMPS built from source: the model asks it for units and charges.")
    ] = False,
) -> None:
    """Print pair_style, pair_coeff, kspace_style and the charges, to paste or to include."""
    from mliap_hybrid.lammps.inputs import potential_block
    from mliap_hybrid.model_files.model_file import read_model

    manifest, _ = read_model(model)
    words = elements.replace(",", " ").split()
    typer.echo(potential_block(manifest, str(model), words, accuracy, coulomb_cutoff, kspace, connect), nl=False)
