"""`mliap-hybrid lmp`: LAMMPS inside Python, where the plain `lmp` cannot find Python's library."""

from __future__ import annotations

import typer


def lmp(context: typer.Context) -> None:
    """Run LAMMPS with all of lmp's own options, such as -in FILE -var x 1."""
    from mliap_hybrid.lammps.launcher import run_lammps

    raise typer.Exit(run_lammps(context.args))
