"""`mliap-hybrid export`: from a run folder to a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from mliap_hybrid.model.hybrid import HybridModel
    from mliap_hybrid.structure import Batch

Precision = Literal["double", "single"]
"""double: forces to 1e-12 eV/Å; single: to 1e-5 eV/Å, in about half the time."""

Engine = Literal["kspace", "exact"]
"""kspace: LAMMPS' k-space solver, for any size; exact: the sum over wave vectors, as a reference for small systems."""


def export(
    run: Annotated[
        Path, typer.Argument(help="Run folder that `mliap-hybrid train` wrote, or a model of the sgdml package (.npz).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Model file to write; ends in .pt.")],
    which: Annotated[str, typer.Option(help="Checkpoint: best or last.")] = "best",
    total_charge: Annotated[float, typer.Option(help="Total charge in e of the systems to be run.")] = 0.0,
    allow_small_box: Annotated[
        bool, typer.Option("--allow-small-box", help="Run periodic boxes narrower than the cutoff sphere.")
    ] = False,
    allow_non_conservative: Annotated[
        bool,
        typer.Option("--allow-non-conservative", help="Export direct forces, with which energy is not conserved."),
    ] = False,
    precision: Annotated[Precision, typer.Option(help="Arithmetic of features and network in a run.")] = "double",
    coulomb: Annotated[Engine, typer.Option(help="What solves for the energy of predicted charges.")] = "kspace",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write the one file that LAMMPS, ASE and the other commands read."""
    from mliap_hybrid.errors import InputError
    from mliap_hybrid.lammps.exporter import export_model

    if output.exists() and not overwrite:
        raise InputError(f"{output} exists already; choose another name or give --overwrite")
    model, example, provenance = _trained(run, which)
    manifest = export_model(
        model,
        output,
        example=example,
        total_charge=total_charge,
        allow_small_box=allow_small_box,
        allow_non_conservative=allow_non_conservative,
        dtype="float64" if precision == "double" else "float32",
        coulomb_engine=coulomb,
        provenance=provenance,
    )
    typer.echo(f"wrote {output} ({output.stat().st_size / 1024:.0f} kB): {', '.join(manifest.description.elements)}")
    typer.echo(f"  terms: {'; '.join(manifest.terms)}; cutoff {manifest.description.cutoff} Å")
    for warning in manifest.description.warnings():
        typer.echo(f"  {warning}")
    typer.echo(f"next: mliap-hybrid check {output}; mliap-hybrid lammps-input {output}")


def _trained(run: Path, which: str) -> tuple[HybridModel, Batch | None, dict[str, Any]]:
    """The model, a structure that it knows, and where it comes from."""
    from mliap_hybrid.config import read_training_file
    from mliap_hybrid.fitting.checkpoint import load_checkpoint
    from mliap_hybrid.fitting.run_folder import RunFolder
    from mliap_hybrid.sgdml.known_molecules import imported_model

    if run.suffix == ".npz" and not run.is_dir():
        return imported_model(run), None, {"imported from": run.name}
    checkpoint = load_checkpoint(run, which)
    provenance = {
        "settings": read_training_file(RunFolder(run).config).model_dump(mode="json"),
        "data": checkpoint.data,
        "epoch": checkpoint.trainer["epoch"],
    }
    return checkpoint.model, checkpoint.example, provenance
