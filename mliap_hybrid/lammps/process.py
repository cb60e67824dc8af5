"""How a LAMMPS process that evaluates a model uses the machine: its share of the cores, and the memory it has freed."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import torch

# Parameters of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


def share_cores(communicator: Any) -> None:
    """Give each rank of a machine its share of the cores, unless fewer threads were asked for. Collective.

    torch takes all cores otherwise, on every rank.

    Parameters
    ----------
    communicator : mpi4py communicator
        Of all ranks.
    """
    from mpi4py import MPI

    on_this_machine = communicator.Split_type(MPI.COMM_TYPE_SHARED)
    share = max(1, len(os.sched_getaffinity(0)) // on_this_machine.size)
    on_this_machine.Free()
    torch.set_num_threads(min(torch.get_num_threads(), share))


def keep_freed_memory() -> None:
    """Keep freed blocks for the next step instead of returning them to the system.

    A step allocates the same few arrays again and again; fetching fresh, zeroed pages for each costs a third of the
    time. Memory stays that of the largest step. Nothing happens where the C library is not glibc.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20)  # the largest that glibc takes
        mallopt(_M_TRIM_THRESHOLD, 2**30)
