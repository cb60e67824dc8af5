"""How a run ends when the model cannot go on in LAMMPS' own ML-IAP, which does not end the run on all ranks.

ML-IAP prints the traceback of what was raised and waits for the other ranks to fail, too: they go on, and wait for this
one. The plugin needs none of this, since it ends runs itself.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
import traceback
from types import TracebackType
from typing import Any

from mliap_hybrid.errors import InputError

TO_BE_READ = 0.8
"""Seconds between the message and the end: `mpiexec` drops what it has not read by then."""

GRACE = 2.0
"""Seconds that other ranks leave the first one, so that what they all have to say is said once."""


def end_run(error: BaseException) -> None:
    """Say what went wrong and end all ranks; on a single rank return, so that the caller raises what LAMMPS reports.

    Parameters
    ----------
    error : BaseException
        A user's mistake (`InputError`) is shown without its traceback.
    """
    world = world_communicator()
    if world is None or world.size == 1:
        if isinstance(error, InputError):
            show_sentences_alone()
        return
    if world.rank:
        time.sleep(GRACE)
    ctypes.CDLL(None).fflush(None)  # what LAMMPS has printed, which the end of the processes would lose
    sys.stdout.flush()
    text = error if isinstance(error, InputError) else "".join(traceback.format_exception(error)).rstrip()
    print(f"ERROR on rank {world.rank}: {text}", file=sys.stderr, flush=True)
    time.sleep(TO_BE_READ)
    world.Abort(1)
    os._exit(1)  # MPI may return before this process is ended, and what is raised would be printed once more


def world_communicator() -> Any:
    """Communicator of all processes; None without MPI or mpi4py, or where that uses another MPI library than LAMMPS."""
    if "mpi4py.MPI" not in sys.modules and not _mpi_runs():  # to import it would start MPI
        return None
    try:
        import mpi4py

        if "mpi4py.MPI" not in sys.modules:
            mpi4py.rc.initialize = mpi4py.rc.finalize = False  # LAMMPS has started MPI, and will end it
        from mpi4py import MPI
    except (ImportError, RuntimeError):
        return None
    return MPI.COMM_WORLD if MPI.Is_initialized() and not MPI.Is_finalized() else None


def _mpi_runs() -> bool:
    """Whether this process has started MPI, asked of the library itself."""
    initialized = getattr(ctypes.CDLL(None), "MPI_Initialized", None)
    flag = ctypes.c_int(0)
    return initialized is not None and initialized(ctypes.byref(flag)) == 0 and flag.value != 0


def show_sentences_alone() -> None:
    """Let Python print an `InputError` that nobody catches as one line, as the commands do."""
    before = sys.excepthook

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if isinstance(error, InputError):
            print(f"ERROR: {error}", file=sys.stderr, flush=True)
        else:
            before(kind, error, trace)

    sys.excepthook = show
