"""L-BFGS with a line search (Nocedal and Wright, Numerical Optimization, 2nd ed., algorithms 3.5, 3.6, 7.4 and 7.5).

The direction is p = -H g. H, an inverse Hessian, is built from the last steps s and the changes y of the gradient along
them. The length t of the step fulfils the strong Wolfe conditions

    f(x + t p) <= f(x) + c1 t p.g(x),      |p.g(x + t p)| <= -c2 p.g(x),

the first of them up to the rounding of a loss in single precision. All vectors are float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

C1, C2 = 1e-4, 0.9

ROUNDING = 1e-6
"""Relative rounding of the loss."""

MAX_EVALUATIONS = 20
"""Of the loss, in one line search."""

Function = Callable[[Tensor], tuple[float, Tensor]]
"""Position (n,) -> value and gradient (n,); the value may be infinite or NaN."""


@dataclass(frozen=True)
class Point:
    """A point on the line x + t p."""

    length: float
    """t."""
    value: float
    """f."""
    gradient: Tensor
    """(n,): g."""
    derivative: float
    """p.g."""


class LBFGS:
    """A minimisation, step by step."""

    def __init__(self, position: Tensor, memory: int = 50):
        """Start somewhere.

        Parameters
        ----------
        position : Tensor, shape (n,), float64
        memory : int
            Number of steps that the inverse Hessian is built from.
        """
        self.position = position
        self.memory = memory
        self.value: float | None = None
        self.gradient = torch.zeros_like(position)
        self._steps: list[Tensor] = []
        self._changes: list[Tensor] = []

    @property
    def has_memory(self) -> bool:
        """Whether the next step is one of L-BFGS, and not along -g."""
        return bool(self._steps)

    def step(self, function: Function, is_new: bool = False) -> float:
        """Take one step.

        Parameters
        ----------
        function : callable
            What is minimised.
        is_new : bool
            Whether it is another function than in the last step, so that what is known of it must be computed again.

        Returns
        -------
        float
            Length of the step in units of p; 0 where no lower value was found. The next step is then one along -g.
        """
        if self.value is None or is_new:
            self.value, self.gradient = function(self.position)
        direction = self._direction()
        start = Point(0.0, self.value, self.gradient, float(direction @ self.gradient))
        # Without a memory, H is unknown: a first step of length 1 at most.
        first = 1.0 if self._steps else min(1.0, 1.0 / float(self.gradient.norm().clamp(min=1e-300)))

        def at(length: float) -> Point:
            value, gradient = function(self.position + length * direction)
            return Point(length, value if math.isfinite(value) else math.inf, gradient, float(direction @ gradient))

        end = _line_search(at, start, first) if start.derivative < 0.0 else None
        if end is None:
            self._steps.clear()
            self._changes.clear()
            return 0.0
        self._remember(end.length * direction, end.gradient - self.gradient)
        self.position = self.position + end.length * direction
        self.value, self.gradient = end.value, end.gradient
        return end.length

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next step depends on."""
        return {
            "position": self.position,
            "value": self.value,
            "gradient": self.gradient,
            "steps": self._steps,
            "changes": self._changes,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` returned."""
        device, self.value = self.position.device, state["value"]
        self.position, self.gradient = state["position"].to(device), state["gradient"].to(device)
        self._steps, self._changes = ([vector.to(device) for vector in state[name]] for name in ("steps", "changes"))

    def _remember(self, step: Tensor, change: Tensor) -> None:
        if float(step @ change) <= 1e-10 * float(step.norm() * change.norm()):
            return  # H would not stay positive definite
        self._steps.append(step)
        self._changes.append(change)
        del self._steps[: -self.memory], self._changes[: -self.memory]

    def _direction(self) -> Tensor:
        """-H g, by two loops over the memory."""
        q, factors = self.gradient.clone(), []
        pairs = list(zip(self._steps, self._changes, strict=True))
        for s, y in reversed(pairs):
            factor = (s @ q) / (s @ y)
            q -= factor * y
            factors.append(factor)
        if pairs:
            s, y = pairs[-1]
            q *= (s @ y) / (y @ y)
        for (s, y), factor in zip(pairs, reversed(factors), strict=True):
            q += (factor - (y @ q) / (s @ y)) * s
        return -q


def _line_search(at: Callable[[float], Point], start: Point, length: float) -> Point | None:
    """A point that fulfils the conditions; at last the lowest one that was found, or None if none is lower."""
    low, high = start, None  # the conditions are fulfilled somewhere between the two
    for _ in range(MAX_EVALUATIONS):
        point = at(length)
        if not _is_low_enough(point, start) or point.value > low.value + ROUNDING * abs(start.value):
            high = point
        elif abs(point.derivative) <= -C2 * start.derivative:
            return point
        elif point.derivative * (1.0 if high is None else high.length - low.length) >= 0.0:
            high, low = low, point
        else:
            low = point
        length = 2.0 * point.length if high is None else _between(low, high)
    return low if low.value < start.value else None


def _is_low_enough(point: Point, start: Point) -> bool:
    """The first condition."""
    return point.value <= start.value + C1 * point.length * start.derivative + ROUNDING * abs(start.value)


def _between(low: Point, high: Point) -> float:
    """Where the cubic through two points has its minimum, kept away from both (equation 3.59)."""
    width = high.length - low.length
    if math.isfinite(high.value):
        d1 = low.derivative + high.derivative - 3.0 * (low.value - high.value) / (low.length - high.length)
        squared = d1**2 - low.derivative * high.derivative
        if squared >= 0.0:
            d2 = math.copysign(math.sqrt(squared), width)
            denominator = high.derivative - low.derivative + 2.0 * d2
            if denominator != 0.0:
                length = high.length - width * (high.derivative + d2 - d1) / denominator
                nearest, farthest = low.length + 0.1 * width, low.length + 0.9 * width
                return min(max(length, min(nearest, farthest)), max(nearest, farthest))
    return low.length + 0.5 * width
