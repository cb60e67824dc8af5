"""Compile the plugin for a LAMMPS that was built from source."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.plugin_build import plugin_commands, plugin_sources, refusal, run_at_once, version_of_sources
from mliap_hybrid.lammps.plugin_path import PLUGIN_FILE


def compile_plugin(sources: Path, folder: Path, mpi: Path | None = None) -> Path:
    """Compile the plugin for one LAMMPS.

    Parameters
    ----------
    sources : Path
        The source tree that this LAMMPS was built from.
    folder : Path
        For the plugin and nothing else: LAMMPS loads all plugins of a folder.
    mpi : Path or None
        Folder of the ``mpi.h`` that it was built with; None is that of the `mpich` wheel.

    Returns
    -------
    Path
        The shared object.

    Raises
    ------
    InputError
        If `sources` is no source tree, its version is outside of the range, or a header or the compiler is missing.
    """
    version = version_of_sources(sources)
    if version is None:
        raise InputError(f"'{sources}' has no src/version.h of LAMMPS: give the root of its source tree")
    reason = refusal(version)
    if reason is not None:
        raise InputError(reason)
    mpi = mpi or _mpi_of_wheel()
    if not (mpi / "mpi.h").is_file():
        raise InputError(f"'{mpi}' has no mpi.h: name the folder of that of the MPI library that LAMMPS was built with")
    compiler = os.environ.get("CXX", "g++")
    if shutil.which(compiler) is None:
        raise InputError(f"the C++ compiler '{compiler}' was not found: install it, or name another by CXX")
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / PLUGIN_FILE.name
    unfinished = target.with_suffix(".so.new")  # a running LAMMPS keeps the plugin that it has open
    files = [str(path) for path in plugin_sources()]
    headers = sources.resolve() / "src"
    with tempfile.TemporaryDirectory(prefix="mliap-hybrid-plugin-") as objects:
        compiling, linking = plugin_commands(compiler, files, headers, mpi, version, Path(objects), unfinished)
        try:
            run_at_once(compiling)
            run_at_once([linking])
        except subprocess.CalledProcessError as failure:
            errors = [line for line in failure.stderr.splitlines() if "error" in line] or failure.stderr.splitlines()
            told = " ".join(errors[:1])
            raise InputError(f"{compiler} could not compile the plugin for LAMMPS {version}: {told}") from failure
    unfinished.replace(target)
    return target


def _mpi_of_wheel() -> Path:
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name == "mpi.h":
            return Path(str(file.locate())).resolve().parent
    raise InputError("the wheel of mpich is not installed: name the folder of LAMMPS' mpi.h by --mpi")
