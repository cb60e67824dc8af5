"""`mliap-hybrid compile-plugin`: the plugin for a LAMMPS that was built from source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def compile_plugin(
    sources: Annotated[Path, typer.Argument(help="Source tree that LAMMPS was built from.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="Folder for the plugin alone.", show_default=False)],
    mpi: Annotated[
        Path | None,
        typer.Option(help="Folder of the mpi.h that LAMMPS was built with; default: that of the mpich wheel."),
    ] = None,
) -> None:
    """Compile the plugin for a LAMMPS built from source with PLUGIN, and print what to set for its runs."""
    import shlex
    import sys

    from mliap_hybrid.lammps.plugin_for_sources import compile_plugin as compile_for
    from mliap_hybrid.lammps.plugin_path import EXECUTABLE_VARIABLE, LIBRARY_VARIABLE, python_library

    target = compile_for(sources, folder, mpi).resolve()
    settings = {"LAMMPS_PLUGIN_PATH": str(target.parent), EXECUTABLE_VARIABLE: sys.executable}
    library = python_library()
    if library is not None:
        settings[LIBRARY_VARIABLE] = str(library)
    for name, value in settings.items():
        typer.echo(f"export {name}={shlex.quote(value)}")
