"""`make fuzz`: damaged input of every kind, each case read and sound or refused by the package's own error.

    python tests/fuzz/run.py [--kind NAME ...] [--seed N | --random-seed] [--cases N] [--processes N] [--minutes N]

Cases come from hypothesis, the same ones in each run unless another seed is asked for. The last line is
``fuzz ok: N cases``; a fault ends the run with status 1, the smallest case found and the command that repeats it.
"""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import pickle
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import array_files
import density_tables
import kernel_arrays
import model_files
import settings_files
import structure_files
import torch
import trajectories
from hypothesis import HealthCheck, given, seed, settings
from kind import LONGEST, Kind, outcome

MODULES = (
    model_files,
    settings_files,
    structure_files,
    array_files,
    trajectories,
    density_tables,
    kernel_arrays,
)

KINDS: dict[str, Kind] = {kind.name: kind for module in MODULES for kind in module.KINDS}

PART, CASE = "part.pickle", "case.pickle"
"""Files of what is in work."""

MOST_IN_A_PART = 250
"""Cases of one part of a kind, which one process works on."""

PARTS_OF_A_PROCESS = 80
"""Before it makes room for a new one."""


@dataclass(frozen=True)
class Part:
    """Some cases of one kind."""

    kind: str
    seed: int
    n_cases: int

    @property
    def command(self) -> str:
        """What repeats it."""
        return f"python tests/fuzz/run.py --kind '{self.kind}' --seed {self.seed} --cases {self.n_cases}"


@dataclass(frozen=True)
class Result:
    """What became of them."""

    part: Part
    counts: Counter[str]
    """read, refused."""
    seconds: float
    fault: str = ""
    """Empty where there is none."""


def run_part(part: Part, scratch: Path) -> Result:
    """Work on the cases of a part, in a folder that holds the case in work as long as there is one."""
    torch.set_num_threads(1)
    kind, counts, start = KINDS[part.kind], Counter[str](), time.monotonic()
    scratch.mkdir()
    folder = scratch / "case"
    (scratch / PART).write_bytes(pickle.dumps(part))

    @seed(part.seed)
    @settings(
        max_examples=part.n_cases,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(case=kind.cases())
    def one(case: Any) -> None:
        folder.mkdir()
        (scratch / CASE).write_bytes(pickle.dumps(case))
        faulthandler.dump_traceback_later(3.0 * LONGEST, exit=True)  # outside code may not come back to Python
        try:
            counts[outcome(kind, case, folder)] += 1
        finally:
            faulthandler.cancel_dump_traceback_later()
            shutil.rmtree(folder)

    try:
        one()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        fault = "".join(traceback.format_exception(error, limit=-6))
        return Result(part, counts, time.monotonic() - start, fault)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Result(part, counts, time.monotonic() - start)


def parts_of(kinds: Iterable[Kind], first_seed: int, n_cases: int | None) -> list[Part]:
    """The work of a run, in parts of different seeds; kinds take turns, so that each has its share of the time."""
    parts = []
    for kind in kinds:
        n_left, k = n_cases or kind.n_cases, 0
        while n_left > 0:
            parts.append(Part(kind.name, first_seed + k, min(n_left, MOST_IN_A_PART)))
            n_left, k = n_left - MOST_IN_A_PART, k + 1
    return sorted(parts, key=lambda part: part.seed)


def run(parts: list[Part], n_processes: int, minutes: float, scratch: Path) -> tuple[list[Result], int]:
    """Results of the parts, of each kind until its first fault, and the number of parts that there was no time for.

    Raises
    ------
    BrokenProcessPool
        If a case ended the process that worked on it.
    """
    end, results, waiting = time.monotonic() + 60.0 * minutes, list[Result](), list(parts)
    # New processes after some parts: outside libraries may keep memory of what they met.
    at_a_time = n_processes * PARTS_OF_A_PROCESS
    while waiting and time.monotonic() < end:
        some, waiting = waiting[:at_a_time], waiting[at_a_time:]
        with ProcessPoolExecutor(n_processes, multiprocessing.get_context("spawn")) as pool:
            running = {pool.submit(run_part, part, scratch / f"{part.seed}_{k}"): part for k, part in enumerate(some)}
            for future in as_completed(running):
                if future.cancelled():
                    waiting.append(running[future])
                    continue
                results.append(future.result())
                if time.monotonic() > end:
                    for other in running:
                        other.cancel()
        faulty = {result.part.kind for result in results if result.fault}
        waiting = [part for part in waiting if part.kind not in faulty]
    return results, len(waiting)


def print_crashes(scratch: Path) -> None:
    """Say which cases were in work when a process ended; one of them ended it."""
    print("a process crashed or did not come back in time; in work were:")
    for file in sorted(scratch.glob(f"*/{CASE}")):
        part = pickle.loads((file.parent / PART).read_bytes())
        print(f"\nin {part.kind}: {pickle.loads(file.read_bytes())!r}\nrepeat: {part.command}")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="this kind alone; may be given again")
    parser.add_argument("--seed", type=int, default=0, help="of the first part of each kind")
    parser.add_argument("--random-seed", action="store_true", help="choose a seed, and say which")
    parser.add_argument("--cases", type=int, help="of each kind, in place of the usual number")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=9.0, help="after them no part begins")
    asked = parser.parse_args()
    first_seed = secrets.randbelow(2**31) if asked.random_seed else asked.seed
    print(f"seed {first_seed}", flush=True)
    parts = parts_of((KINDS[name] for name in asked.kind or KINDS), first_seed, asked.cases)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        try:
            results, n_left_out = run(parts, asked.processes, asked.minutes, Path(folder))
        except BrokenProcessPool:
            print_crashes(Path(folder))
            return 1
    for name in KINDS:
        of_kind = [result for result in results if result.part.kind == name]
        counts = sum((result.counts for result in of_kind), Counter[str]())
        if of_kind:
            seconds = sum(result.seconds for result in of_kind)
            print(
                f"{name:28s} {counts.total():7d} cases: {counts['read']:6d} read, {counts['refused']:6d} refused",
                end="",
            )
            print(f", {seconds:6.1f} s")
    if n_left_out:
        print(f"{n_left_out} of {len(parts)} parts had no time")
    faults = {result.part.kind: result for result in results if result.fault}
    for kind, result in faults.items():
        print(f"\nfault in {kind}:\n{result.fault}\nrepeat: {result.part.command}")
    if faults:
        return 1
    print(f"fuzz ok: {sum(result.counts.total() for result in results)} cases")
    return 0


if __name__ == "__main__":
    sys.exit(main())
