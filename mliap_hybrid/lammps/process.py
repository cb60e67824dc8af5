"""How a LAMMPS process that evaluates a model uses the machine: its share of the cores, and the memory it has freed."""

from __future__ import annotations

import ctypes
import os
from typing import Any

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def ranks_on_machine(communicator: Any) -> int:
    """Ranks that share a machine with this one. Collective.

    Parameters
    ----------
    communicator : mpi4py communicator
        Of all ranks.
    """
    from mpi4py import MPI

    on_this_machine = communicator.Split_type(MPI.COMM_TYPE_SHARED)
    size: int = on_this_machine.size
    on_this_machine.Free()
    return size


def cores_of_rank(n_ranks: int) -> int:
    """A rank's share of the cores of a machine with so many ranks, at least one."""
    return max(1, len(os.sched_getaffinity(0)) // n_ranks)


def threads_of_rank(n_ranks: int) -> int:
    """Threads of a rank of a machine with so many ranks: as `OMP_NUM_THREADS` asks, but no more than its cores."""
    asked = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    share = cores_of_rank(n_ranks)
    return min(int(asked), share) if asked.isdecimal() and int(asked) else share


def keep_freed_memory() -> None:
    """Keep freed blocks for the next step instead of returning them to the system.

    A step allocates the same few arrays again and again; fetching fresh, zeroed pages for each costs a third of the
    time. Memory stays that of the largest step. Nothing happens where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)  # the largest that glibc takes
        mallopt(_M_TRIM_THRESHOLD, 2**30)
