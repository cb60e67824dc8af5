"""Run LAMMPS inside Python, with all flags of the `lmp` command: ``python -m mliap_hybrid.lammps.launcher -in FILE``.

For a Python without a shared library, which the `lmp` executable cannot start; otherwise `lmp` does the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.plugin_path import PLUGIN_FILE


def run_lammps(arguments: list[str]) -> int:
    """Do what `lmp` does with `arguments`, on all ranks if started by ``mpiexec``.

    Parameters
    ----------
    arguments : list of str
        Flags of the `lmp` command, such as ``["-in", "in.nacl", "-var", "seed", "7"]``.

    Returns
    -------
    int
        Exit status: 0 if the whole input was processed, 1 after an error, which LAMMPS has printed.

    Raises
    ------
    InputError
        If the plugin was not compiled.
    """
    if not PLUGIN_FILE.is_file():
        raise InputError(f"the LAMMPS plugin is not there ({PLUGIN_FILE}): install the package again to compile it")
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Python would see Ctrl-C only after LAMMPS has returned
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # LAMMPS' own default
    from lammps import lammps  # sets the plugin path

    try:
        instance = lammps(cmdargs=arguments)
    except RuntimeError:
        return 1
    run_input = ctypes.CDLL(str(PLUGIN_FILE)).mliap_hybrid_run_input
    run_input.argtypes = (ctypes.c_void_p,)
    status: int = run_input(instance.lmp)
    sys.stdout.flush()
    instance.finalize()
    return status


if __name__ == "__main__":
    try:
        sys.exit(run_lammps(sys.argv[1:]))
    except InputError as problem:
        sys.exit(f"Error: {problem}")
