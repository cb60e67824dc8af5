"""Labels for many structures: by several processes, written one by one, and gone on with where they ended."""

from __future__ import annotations

import io
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
from mliap_hybrid.labelling.single_point import KEPT, Labeller, bare

NUMBER = "frame"
"""Entry of a labelled frame: which one of those that were asked for it is, from 0."""

CALCULATOR = "labelled_by"
"""Entry of a labelled frame: the calculator, how it was made, and what it was asked for."""

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
        If the calculator cannot be made, a process ends by itself, or the file is of other structures, by another
        calculator, or not of this command at all.
    """
    _check_output(output)
    structures = [bare(frame) for frame in frames]
    by = source.in_words(further)
    done = _labelled_before(output, structures, by)
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
                result.info |= {NUMBER: number, CALCULATOR: by}
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
    except SystemExit as error:
        return f"the calculator ended the program ({error.code})"


def _check_output(output: Path) -> None:
    """Refuse names that frames cannot be added to."""
    if output.suffix not in (".extxyz", ".xyz"):
        raise InputError(f"--output is {output}: expected a name that ends with .extxyz, to which frames can be added")
    if output.is_dir():
        raise InputError(f"--output is {output}, which is a folder: expected a file")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output.parent} cannot be made: {error.strerror}") from error


def _labelled_before(output: Path, structures: Sequence[Atoms], by: str) -> set[int]:
    """Numbers of the frames in a file that is there, whose last one is taken off if it is not complete.

    A file that is not of these structures and this calculator is left as it is.
    """
    if not output.exists() or not output.stat().st_size:
        return set()
    content = output.read_bytes()
    whole = _complete(content)
    rest = content[whole:].lstrip()
    try:
        frames = list(iread(io.StringIO(content[:whole].decode()), format="extxyz")) if whole else []
    except Exception as error:  # whatever ASE raises
        raise _other_file(output) from error
    if rest and not rest.split(b"\n")[0].strip().isdigit():
        raise _other_file(output)
    found: set[int] = set()
    for atoms in frames:
        if NUMBER not in atoms.info or not 0 <= (number := int(atoms.info[NUMBER])) < len(structures):
            raise _other_file(output)
        if not _same(atoms, structures[number]):
            raise InputError(f"{output} has labels of other structures: name another file with --output, or remove it")
        if atoms.info.get(CALCULATOR) != by:
            raise InputError(
                f"{output} has labels by {atoms.info.get(CALCULATOR)}, not by {by}: name another file with --output, "
                "or remove it"
            )
        found.add(number)
    if whole < len(content):
        with output.open("r+b") as stream:
            stream.truncate(whole)
    return found


def _other_file(output: Path) -> InputError:
    return InputError(f"{output} is not what this command has written: name another file with --output")


def _complete(content: bytes) -> int:
    """Bytes of the complete frames at the beginning."""
    stream, whole = io.BytesIO(content), 0
    while (first := stream.readline()).strip().isdigit():
        lines = [stream.readline() for _ in range(int(first) + 1)]
        if not lines[-1].endswith(b"\n"):
            break
        whole = stream.tell()
    return whole


def _same(one: Atoms, other: Atoms) -> bool:
    """Whether two structures are the same but for the digits of the file."""
    return (
        all(one.info.get(name) == other.info.get(name) for name in KEPT)
        and np.allclose(one.get_initial_charges(), other.get_initial_charges())
        and np.allclose(one.get_initial_magnetic_moments(), other.get_initial_magnetic_moments())
        and np.array_equal(one.numbers, other.numbers)
        and np.array_equal(one.pbc, other.pbc)
        and np.allclose(one.positions, other.positions, rtol=0.0, atol=1e-6)
        and np.allclose(one.cell.array, other.cell.array, rtol=0.0, atol=1e-6)
    )
