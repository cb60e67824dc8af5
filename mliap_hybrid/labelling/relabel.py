"""Labels for many structures: by several processes, written one by one, and gone on with where they ended."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.io import iread, write

from mliap_hybrid.errors import InputError
from mliap_hybrid.labelling.calculators import CalculatorSource
from mliap_hybrid.labelling.single_point import Labeller, bare

NUMBER = "frame"
"""Entry of a labelled frame: which one of those that were asked for it is, from 0."""

Track = Callable[[Iterable[Any], str], Iterator[Any]]

_of_process: Labeller | None = None


@dataclass
class Outcome:
    """What came of it."""

    n_before: int
    """Frames that had been labelled before."""
    n_now: int = 0
    failures: dict[int, str] = field(default_factory=dict)
    """Frame -> why it has no labels."""


def relabel(
    frames: Sequence[Atoms],
    source: CalculatorSource,
    output: Path,
    further: Sequence[str],
    n_jobs: int,
    track: Track,
) -> Outcome:
    """Label frames, and append each one to a file as soon as it is done.

    A file that is there is gone on with: its frames are not labelled again, and one that was cut short is taken off.

    Parameters
    ----------
    frames : sequence of Atoms
        Their own labels are left out.
    source : CalculatorSource
        What labels them.
    output : Path
        Extended xyz; eV, Å. Each frame says which of `frames` it is.
    further : sequence of str
        Properties beside energy, forces and stress.
    n_jobs : int
        Processes.
    track : callable
        Shows progress.

    Raises
    ------
    InputError
        If the calculator cannot be made, a process ends by itself, or the file has other structures.
    """
    structures = [bare(frame) for frame in frames]
    done = _labelled_before(output, structures)
    outcome = Outcome(len(done))
    waiting = {number: structure for number, structure in enumerate(structures) if number not in done}
    if not waiting:
        return outcome
    source.make()  # what is wrong with it shows before a process is started
    with ProcessPoolExecutor(
        min(n_jobs, len(waiting)), multiprocessing.get_context("spawn"), _begin, (source, tuple(further))
    ) as pool:
        tasks = {pool.submit(_label, structure): number for number, structure in waiting.items()}
        try:
            for task in track(Sized(as_completed(tasks), len(tasks)), "labels"):
                number, result = tasks[task], task.result()
                if isinstance(result, str):
                    outcome.failures[number] = result
                    continue
                result.info[NUMBER] = number
                write(output, result, format="extxyz", append=True)
                outcome.n_now += 1
        except BrokenProcessPool as error:
            raise InputError(
                f"a process of the calculator {source.name} ended by itself after {outcome.n_now} frames: these are in "
                f"{output}, and the same command goes on after them"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return outcome


class Sized:
    """An iterable whose length is known."""

    def __init__(self, items: Iterable[Any], n: int):
        self._items, self._n = items, n

    def __len__(self) -> int:
        return self._n

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)


def _begin(source: CalculatorSource, further: tuple[str, ...]) -> None:
    """Begin a process: it makes its calculator once."""
    global _of_process
    _of_process = Labeller(source.make(), further)


def _label(structure: Atoms) -> Atoms | str:
    """The labelled structure, or why it is not."""
    assert _of_process is not None
    try:
        return _of_process.label(structure)
    except InputError as error:
        return str(error)


def _labelled_before(output: Path, structures: Sequence[Atoms]) -> set[int]:
    """Numbers of the frames in a file that is there, whose last one is taken off if it is not complete."""
    if not output.exists():
        return set()
    _take_off_rest(output)
    if not output.stat().st_size:
        return set()
    found: set[int] = set()
    for atoms in iread(output, format="extxyz"):
        number = atoms.info.get(NUMBER)
        if number is None or not 0 <= number < len(structures) or not _same(atoms, structures[number]):
            raise InputError(f"{output} has labels of other structures: name another file with --output, or remove it")
        found.add(int(number))
    return found


def _take_off_rest(output: Path) -> None:
    """Cut the file after its last complete frame."""
    whole = 0
    with output.open("rb") as stream:
        while True:
            first = stream.readline()
            if not first.strip().isdigit():
                break
            lines = [stream.readline() for _ in range(int(first) + 1)]
            if not lines[-1].endswith(b"\n"):
                break
            whole = stream.tell()
        rest = output.stat().st_size - whole
    if first.strip() and not first.strip().isdigit():
        raise InputError(f"{output} is not what this command has written: name another file with --output")
    if rest:
        with output.open("r+b") as stream:
            stream.truncate(whole)


def _same(one: Atoms, other: Atoms) -> bool:
    """Whether two structures are the same but for the digits of the file."""
    return (
        np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.pbc, other.pbc)
        and np.allclose(one.positions, other.positions, rtol=0.0, atol=1e-6)
        and np.allclose(one.cell.array, other.cell.array, rtol=0.0, atol=1e-6)
    )
