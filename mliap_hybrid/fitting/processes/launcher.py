"""Several processes of this machine that do one thing together, started and watched by one that does nothing else."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import tempfile
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.processes.distributed_group import joined_group
from mliap_hybrid.fitting.processes.process_group import ProcessGroup

GRACE = 1.0
"""Seconds to wait, after one process failed, for what others say: the first to say something need not be the cause."""


KILLED, MISTAKE, ERROR = range(3)
"""Ways to fail, the likeliest cause first: any error may come from the loss of a partner."""


@dataclass(frozen=True, order=True)
class Failure:
    """How a process ended that did not do its work."""

    kind: int
    """KILLED, MISTAKE of the user, or any other ERROR."""
    message: str


def run_together(work: Callable[[ProcessGroup], None], n_processes: int, n_threads: int | None = None) -> None:
    """Do something in several new processes.

    Parameters
    ----------
    work : callable
        Called with the group in each process; a function of a module, or a partial of one.
    n_processes : int
    n_threads : int, optional
        Of each process; by default they share the cores.

    Raises
    ------
    InputError
        If one of them fails or is killed; the others are ended.
    """
    threads = n_threads or max(1, _n_cores() // n_processes)
    context = multiprocessing.get_context("spawn")
    running: dict[Connection, BaseProcess] = {}
    with tempfile.TemporaryDirectory(prefix="mliap-hybrid-") as folder:
        meeting_point = (Path(folder) / "meeting-point").as_uri()
        try:
            for rank in range(n_processes):
                here, there = context.Pipe(duplex=False)
                arguments = (work, rank, n_processes, threads, meeting_point, there)
                process = context.Process(target=_run, args=arguments, name=f"process {rank + 1}")
                process.start()
                running[here] = process
                there.close()  # only with its copy in the process: when that ends, the pipe does
            _watch(running)
        finally:
            for left in running.values():
                left.kill()  # nothing is left half written (whole_file.py)
                left.join()


def _watch(running: dict[Connection, BaseProcess]) -> None:
    """Return when all processes have done their work, and raise when one fails; they leave `running` as they end."""
    n_processes = len(running)
    while running:
        failures = _ended(running, None)
        if failures:
            failures += _ended(running, GRACE)
            cause = min(failures)
            others = "" if cause.kind == MISTAKE else f" (the others of {n_processes} processes were ended)"
            raise InputError(f"{cause.message}{others}")


def _ended(running: dict[Connection, BaseProcess], timeout: float | None) -> list[Failure]:
    """Wait until some processes end, and return those that failed."""
    failures = []
    for connection in wait(list(running), timeout):
        assert isinstance(connection, Connection)
        process = running[connection]
        try:
            failure = pickle.loads(connection.recv_bytes())
        except EOFError:  # it had no time to say anything
            failure = None
            process.join()
            if process.exitcode:
                failure = Failure(KILLED, f"{process.name} was ended by {_reason(process.exitcode)}")
        else:
            process.join()
        del running[connection]
        if failure is not None:
            failures.append(failure)
    return failures


def _reason(exit_code: int) -> str:
    if exit_code > 0:
        return f"status {exit_code}"
    name = signal.Signals(-exit_code).name
    return f"{name}, mostly for want of memory" if name == "SIGKILL" else name


def _run(
    work: Callable[[ProcessGroup], None],
    rank: int,
    n_processes: int,
    n_threads: int,
    meeting_point: str,
    connection: Any,
) -> None:
    """What each process does; says in the end None, or how it failed."""
    failure = None
    try:
        torch.set_num_threads(n_threads)
        with joined_group(rank, n_processes, meeting_point) as group:
            work(group)
    except InputError as error:
        failure = Failure(MISTAKE, str(error))
    except KeyboardInterrupt:
        failure = Failure(MISTAKE, "interrupted")
    except Exception:
        failure = Failure(ERROR, f"process {rank + 1} stopped:\n{traceback.format_exc()}")
    connection.send_bytes(pickle.dumps(failure))
    connection.close()
    os._exit(0)  # threads of torch.distributed may wait for processes that are gone


def _n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
