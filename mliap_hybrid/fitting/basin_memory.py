"""Where to start next: a memory of the basins that were visited, which are taboo.

After tabu search (Glover, ORSA J. Comput. 1, 190 (1989)), between descents in place of single moves.
Points are u in (-1, 1)^n. Their distance is sqrt(mean (u - u')^2), so that it does not grow with n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

RADIUS = 0.1
"""What lies closer to a start or a minimum belongs to its basin."""

WIDTH = 0.7
"""Starts are drawn between minus this and this: beyond, bounds are felt and gradients are small."""

TRIALS = 16
"""Points that are drawn for a start; the one of the lowest loss becomes it."""


@dataclass(frozen=True)
class Basin:
    """A basin that was visited."""

    start: np.ndarray
    """(n,): u where the descent began."""
    minimum: np.ndarray
    """(n,): u where it ended."""
    loss: float


@dataclass
class BasinMemory:
    """All basins so far, and starts that lie in none of them."""

    groups: Sequence[np.ndarray]
    """Indices of the coordinates of each parameter, which are drawn anew together."""
    basins: list[Basin] = field(default_factory=list)

    @property
    def best(self) -> Basin:
        """That of the lowest loss."""
        return min(self.basins, key=lambda basin: basin.loss)

    def is_taboo(self, point: np.ndarray) -> bool:
        """Whether a point (n,) lies in a basin that was visited."""
        ends = (end for basin in self.basins for end in (basin.start, basin.minimum))
        return any(distance(point, end) < RADIUS for end in ends)

    def leads_to(self, point: np.ndarray, loss: float) -> bool:
        """Whether a descent that is at this point (n,) and loss has come into a basin whose minimum is lower."""
        return any(basin.loss <= loss and distance(point, basin.minimum) < RADIUS for basin in self.basins)

    def draw(self, is_kick: bool, loss: Callable[[np.ndarray], float], random: np.random.Generator) -> np.ndarray:
        """A start outside of all basins.

        Parameters
        ----------
        is_kick : bool
            Whether some parameters are drawn anew at the lowest minimum, or all.
        loss : callable
            Of a point (n,); infinite where there is none.
        random : numpy Generator

        Returns
        -------
        array, shape (n,)
            Of some that are drawn, the one of the lowest loss.
        """
        found, lowest = None, math.inf
        for _ in range(TRIALS):
            point = self._kicked(random) if is_kick else self._drawn(random)
            if self.is_taboo(point):
                continue
            value = loss(point)
            if found is None or value < lowest:
                found, lowest = point, value
        return self._drawn(random) if found is None else found

    def _drawn(self, random: np.random.Generator) -> np.ndarray:
        return random.uniform(-WIDTH, WIDTH, sum(map(len, self.groups)))

    def _kicked(self, random: np.random.Generator) -> np.ndarray:
        """The lowest minimum with the values of one to three parameters drawn anew."""
        n_kicked = int(random.integers(1, min(3, len(self.groups)), endpoint=True))
        rows = np.concatenate([self.groups[k] for k in random.permutation(len(self.groups))[:n_kicked]])
        point = self.best.minimum.clip(-0.95, 0.95)
        point[rows] = self._drawn(random)[rows]
        return point


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """sqrt(mean (a - b)^2) of two points (n,)."""
    return float(np.sqrt(np.mean((a - b) ** 2)))
