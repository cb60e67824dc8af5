"""Global optimisation of what parameters of terms are for whole elements: many descents, none into a known basin.

The loss is not convex in strengths, exponents and dispersion coefficients: where a descent ends depends on where it
starts. So there are several starts: that of the training file; others that are drawn; and, when something is known,
every second one at the lowest minimum with some parameters drawn anew. Basins that were visited are taboo
(basin_memory.py). Each descent is one of L-BFGS under the bounds of the parameters. Networks stay as they begin.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.basin_memory import Basin, BasinMemory
from mliap_hybrid.fitting.element_coordinates import ElementCoordinates
from mliap_hybrid.fitting.losses import RunningErrors
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers.lbfgs import LBFGS
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.whole_file import whole_file

ROUND = 8
"""Descents that know of the same basins, those of the rounds before, however many processes there are."""

MOST_FRAMES = 512
"""Training frames whose loss is looked at; of more, so many that are drawn once."""

INTERVAL = 10
"""Steps after which a descent asks whether it is in a known basin."""


@dataclass(frozen=True)
class Descent:
    """One start, and what it led to."""

    number: int
    """From 0, which is the start of the training file."""
    start: list[float]
    """(n,): u, where it began between the bounds."""
    minimum: list[float]
    """(n,): a, where it ended."""
    start_loss: float
    loss: float
    n_steps: float
    is_known: float
    """1 where it ended early, in a basin with a lower minimum; else 0."""
    seconds: float

    @property
    def kind(self) -> str:
        """Where it began."""
        if self.number == 0:
            return "training file"
        return "lowest minimum, changed" if is_kick(self.number) else "drawn"


def is_kick(number: int) -> bool:
    """Whether a start is the lowest minimum with some parameters changed."""
    return number >= ROUND and number % 2 == 0


class GlobalSearch:
    """Descents of one model on its training frames; the model is moved."""

    def __init__(self, objective: Objective, n_steps: int, seed: int):
        """Set up.

        Parameters
        ----------
        objective : Objective
            Of this process alone.
        n_steps : int
            Most steps of a descent.
        seed : int
            Of the starts, and of the frames that are looked at.

        Raises
        ------
        InputError
            If no parameter is led by numbers of elements.
        """
        self.objective = objective
        self.coordinates = ElementCoordinates(objective.model)
        if not len(self.coordinates):
            raise InputError(
                "optimisation.starts needs terms with fitted or predicted parameters, such as exchange_repulsion; "
                "found none: leave it out"
            )
        self.n_steps = n_steps
        self.seed = seed
        n_frames = objective.n_frames
        self._indices = np.random.default_rng(seed).permutation(n_frames)[:MOST_FRAMES].tolist()
        self._start = self.coordinates.position()  # (n,)
        rows = np.split(np.arange(len(self.coordinates)), np.cumsum(self.coordinates.sizes)[:-1])
        self.memory = BasinMemory(rows)
        objective.start_epoch(1)

    def loss(self, position: Tensor) -> tuple[float, Tensor]:
        """Loss and its gradient (n,) at a (n,); infinite where it is not a number."""
        self.coordinates.move_to(position)
        result = self.objective.gradient(self._indices, RunningErrors())
        return result.loss if result.is_finite else math.inf, self.coordinates.gradient()

    def descend(self, number: int) -> Descent:
        """One descent, which depends on the seed, its number and what the memory holds."""
        began = time.perf_counter()
        start = self._start_of(number)  # (n,)
        minimiser = LBFGS(start)
        start_loss, _ = self.loss(start)
        n_steps, is_known = 0, False
        while n_steps < self.n_steps and not is_known:
            had_memory = minimiser.has_memory
            if minimiser.step(self.loss) == 0.0 and not had_memory:
                break
            n_steps += 1
            if n_steps % INTERVAL == 0:
                is_known = self.memory.leads_to(self._fractions(minimiser.position), minimiser.value or 0.0)
        loss = start_loss if minimiser.value is None else minimiser.value
        found = minimiser.position.tolist()
        seconds = time.perf_counter() - began
        return Descent(
            number, self._fractions(start).tolist(), found, start_loss, loss, n_steps, float(is_known), seconds
        )

    def remember(self, descents: Sequence[Descent]) -> None:
        """Make their basins taboo."""
        for descent in descents:
            minimum = self._fractions(torch.tensor(descent.minimum, dtype=torch.float64))
            self.memory.basins.append(Basin(np.array(descent.start), minimum, descent.loss))

    def _start_of(self, number: int) -> Tensor:
        """a (n,)."""
        if number == 0:
            return self._start
        random = np.random.default_rng([self.seed, number])
        drawn = self.memory.draw(is_kick(number), lambda u: self.loss(self._positions(u))[0], random)
        return self._positions(drawn)

    def _fractions(self, position: Tensor) -> np.ndarray:
        return self.coordinates.fractions(position).numpy()

    def _positions(self, fractions: np.ndarray) -> Tensor:
        return self.coordinates.positions(torch.from_numpy(fractions))


def search(
    descents: GlobalSearch,
    n_starts: int,
    folder: Path,
    data: str,
    group: ProcessGroup,
    after_round: Callable[[Sequence[Descent]], None],
) -> list[Descent]:
    """All descents, divided between processes; those that are written in the folder are not done again.

    Parameters
    ----------
    descents : GlobalSearch
    n_starts : int
    folder : Path
        Of a file for each descent.
    data : str
        Fingerprint of the frames.
    group : ProcessGroup
        Processes that all call this.
    after_round : callable
        Told all descents so far.

    Raises
    ------
    InputError
        If the folder holds descents on other frames, or no loss is finite.
    """
    found: list[Descent] = []
    for first in range(0, n_starts, ROUND):
        numbers = range(first, min(first + ROUND, n_starts))
        own = {}
        for number in group.shard(numbers):
            file = folder / f"{number}.json"
            if file.exists():
                own[number] = _read(file, data)
            else:
                own[number] = descents.descend(number)
                _write(file, data, own[number])
        of_round = _of_all_processes(own, numbers, len(descents.coordinates), group)
        descents.remember(of_round)
        found += of_round
        after_round(found)
    if not math.isfinite(min(descent.loss for descent in found)):
        raise InputError(
            f"the loss is not finite at any of {n_starts} starts: look at the labels, or lower largest_ratio of the "
            "terms"
        )
    return found


def _of_all_processes(
    own: dict[int, Descent], numbers: Sequence[int], n_coordinates: int, group: ProcessGroup
) -> list[Descent]:
    """The descents of a round, which each process knows some of."""
    rows = torch.zeros((len(numbers), 2 * n_coordinates + 5), dtype=torch.float64)
    for number, descent in own.items():
        others = [descent.start_loss, descent.loss, descent.n_steps, descent.is_known, descent.seconds]
        rows[number - numbers[0]] = torch.tensor([*descent.start, *descent.minimum, *others], dtype=torch.float64)
    shared = group.sum(rows).tolist()
    n = n_coordinates
    return [
        Descent(number, row[:n], row[n : 2 * n], *row[2 * n :]) for number, row in zip(numbers, shared, strict=True)
    ]


def _write(file: Path, data: str, descent: Descent) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as opened:
        opened.write(json.dumps({"data": data, **asdict(descent)}).encode())


def _read(file: Path, data: str) -> Descent:
    content = json.loads(file.read_text(encoding="utf-8"))
    if content.pop("data") != data:
        raise InputError(f"the data are not those that {file} was found with: restore the files, or start a new run")
    return Descent(**content)
