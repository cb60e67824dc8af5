"""`mliap-hybrid doctor`: is everything that a run needs in place?"""

from __future__ import annotations

import typer


def doctor() -> None:
    """Look at plugin, LAMMPS, MPI and torch, and say what to do where something is wrong."""
    from mliap_hybrid.lammps.doctor import diagnose

    findings = diagnose()
    for what, ok, found in findings:
        typer.echo(f"{'ok' if ok else 'NOT OK':8}{what}: {found}")
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(1)
