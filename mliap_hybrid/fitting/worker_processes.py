"""Features of many frames computed by several processes, with the same bits as by one."""

from __future__ import annotations

import multiprocessing
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Generic, TypeVar

import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.structure import Batch

Result = TypeVar("Result")

Task = Callable[[Featuriser, Sequence[Batch]], Result]
"""What is done with the frames of a chunk; a function of a module or a partial of one, since workers import it."""

AHEAD = 2
"""Chunks that wait for each worker, so that none is idle and few are held in memory twice."""


class FinishedFrames(Generic[Result]):
    """The frames of all chunks, each handed on when its chunk is done; results are collected on the way."""

    def __init__(self, chunks: Sequence[Sequence[Batch]], results: Iterator[Result]):
        self.chunks = chunks
        self.results: list[Result] = []
        self._coming = results

    def __len__(self) -> int:
        return sum(len(chunk) for chunk in self.chunks)

    def __iter__(self) -> Iterator[Batch]:
        for chunk, result in zip(self.chunks, self._coming, strict=True):
            self.results.append(result)
            yield from chunk


def map_chunks(
    task: Task[Result], featuriser: Featuriser, chunks: Sequence[Sequence[Batch]], n_workers: int
) -> Iterator[Result]:
    """Results of a task on chunks of frames, in the order of the chunks.

    Parameters
    ----------
    task : callable
        Given the featuriser and the frames of a chunk.
    featuriser : Featuriser
    chunks : sequence of sequences of Batch
    n_workers : int
        Processes beside this one; with 1, this one does the work.

    Yields
    ------
    Result
        Computed with one thread each, so that their bits do not depend on the number of workers.

    Raises
    ------
    InputError
        If a worker is killed, which is mostly for want of memory.
    """
    if n_workers <= 1 or len(chunks) <= 1:
        for chunk in chunks:
            with _single_thread():
                result = task(featuriser, chunk)
            yield result
        return
    # Plain pickles: tensors sent by torch's own way would each hold an open file.
    setup = pickle.dumps((task, featuriser))
    executor = ProcessPoolExecutor(
        min(n_workers, len(chunks)), multiprocessing.get_context("spawn"), initializer=_start, initargs=(setup,)
    )
    waiting: deque[Future[bytes]] = deque()
    try:
        for chunk in chunks:
            waiting.append(executor.submit(_work, pickle.dumps(chunk)))
            if len(waiting) > AHEAD * n_workers:
                yield pickle.loads(waiting.popleft().result())
        while waiting:
            yield pickle.loads(waiting.popleft().result())
    except BrokenProcessPool:
        raise InputError(
            f"one of {n_workers} processes that compute features ended without an answer, mostly for want of memory: "
            "use fewer of them; what the others finished is kept"
        ) from None
    finally:
        executor.shutdown(cancel_futures=True)


@contextmanager
def _single_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


_setup: tuple[Task, Featuriser]
"""Task and featuriser of a worker process, unpickled once."""


def _start(setup: bytes) -> None:
    global _setup
    torch.set_num_threads(1)
    _setup = pickle.loads(setup)


def _work(chunk: bytes) -> bytes:
    task, featuriser = _setup
    return pickle.dumps(task(featuriser, pickle.loads(chunk)))
