"""Maps from any number a to a parameter that stays within its bounds, whatever a network says where a run may lead."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor


class Bound(ABC):
    """theta(start, a), and its derivative by a."""

    scale: float = 1.0
    """How large a is where the bound is felt: tanh(a / scale) says about how far theta is on its way."""

    @abstractmethod
    def values(self, start: Tensor, a: Tensor) -> Tensor:
        """theta (n,) from the start (n,) and any numbers a (n,); the start itself at a = 0."""

    def changes(self, start: Tensor, a: Tensor) -> Tensor:
        """theta - start (n,)."""
        return self.values(start, a) - start

    @abstractmethod
    def derivatives(self, start: Tensor, a: Tensor) -> Tensor:
        """dtheta/da (n,)."""

    def limits(self, start: Tensor) -> tuple[Tensor, Tensor]:
        """Lowest and highest theta (n,) that any a can lead to."""
        ends = [self.values(start, torch.full_like(start, a)) for a in (-math.inf, math.inf)]
        return torch.minimum(*ends), torch.maximum(*ends)


@dataclass(frozen=True)
class Within(Bound):
    """start + b tanh(a / b): at most b away from the start; well below, the map is the identity."""

    largest: float
    """b, in the unit of the parameter; infinity for no bound."""

    @property
    def scale(self) -> float:  # type: ignore[override]
        """b, or 1 where there is no bound."""
        return 1.0 if math.isinf(self.largest) else self.largest

    def values(self, start: Tensor, a: Tensor) -> Tensor:
        """As in `Bound`."""
        return start + self.changes(start, a)

    def changes(self, start: Tensor, a: Tensor) -> Tensor:
        """b tanh(a / b)."""
        return a if math.isinf(self.largest) else self.largest * torch.tanh(a / self.largest)

    def derivatives(self, start: Tensor, a: Tensor) -> Tensor:
        """1 - tanh(a / b)^2."""
        return 1.0 - torch.tanh(a / self.largest).square()


@dataclass(frozen=True)
class Ratio(Bound):
    """start * R^tanh(a / log R): between 1/R and R times the start, hence of its sign."""

    largest: float
    """R, above 1."""

    @property
    def scale(self) -> float:  # type: ignore[override]
        """log R."""
        return math.log(self.largest)

    def values(self, start: Tensor, a: Tensor) -> Tensor:
        """As in `Bound`."""
        log = math.log(self.largest)
        return start * torch.exp(log * torch.tanh(a / log))

    def derivatives(self, start: Tensor, a: Tensor) -> Tensor:
        """theta (1 - tanh(a / log R)^2)."""
        log = math.log(self.largest)
        return self.values(start, a) * (1.0 - torch.tanh(a / log).square())


@dataclass(frozen=True)
class Positive(Bound):
    """start * softplus(a + log(e - 1)): positive where the start is, without an upper end; linear in a for large a."""

    def values(self, start: Tensor, a: Tensor) -> Tensor:
        """As in `Bound`."""
        return start * torch.nn.functional.softplus(a + math.log(math.e - 1.0), threshold=40.0)

    def derivatives(self, start: Tensor, a: Tensor) -> Tensor:
        """start * sigmoid(a + log(e - 1))."""
        return start * torch.sigmoid(a + math.log(math.e - 1.0))


@dataclass(frozen=True)
class VolumeRatio(Bound):
    """start * v^p, v the volume of the atom over that which the start belongs to: from 0.3 to 1.5, whatever a is.

    v = l + (h - l) / (1 + exp(-(a + a_0) / s)), which is 1 with the slope 1 at a = 0.
    """

    power: float
    """p: 4/3 of polarisabilities, 2 of C6."""
    lowest: ClassVar[float] = 0.3
    """l."""
    highest: ClassVar[float] = 1.5
    """h."""
    scale: ClassVar[float] = 0.5  # type: ignore[misc]

    def values(self, start: Tensor, a: Tensor) -> Tensor:
        """As in `Bound`."""
        return start * self._volume(a)[0] ** self.power

    def derivatives(self, start: Tensor, a: Tensor) -> Tensor:
        """p start v^(p - 1) dv/da."""
        volume, slope = self._volume(a)
        return self.power * start * volume ** (self.power - 1.0) * slope

    def _volume(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """v and dv/da (n,)."""
        width = self.highest - self.lowest
        at_start = (1.0 - self.lowest) / width  # of the sigmoid
        scale = 1.0 / (width * at_start * (1.0 - at_start))
        sigmoid = torch.sigmoid(scale * a + math.log(at_start / (1.0 - at_start)))  # (n,)
        return self.lowest + width * sigmoid, width * scale * sigmoid * (1.0 - sigmoid)


class BoundDescription(BaseModel):
    """A bound in a model file."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["within", "ratio", "positive", "volume_ratio"]
    """`Within`, `Ratio`, `Positive` or `VolumeRatio`."""
    largest: Annotated[float, Field(gt=0)] | None = None
    """Their setting, of the first two."""
    power: Annotated[float, Field(gt=0)] | None = None
    """That of a volume ratio."""


def describe_bound(bound: Bound) -> BoundDescription:
    """What a model file says of a bound."""
    if isinstance(bound, Within):
        return BoundDescription(kind="within", largest=bound.largest)
    if isinstance(bound, Ratio):
        return BoundDescription(kind="ratio", largest=bound.largest)
    if isinstance(bound, VolumeRatio):
        return BoundDescription(kind="volume_ratio", power=bound.power)
    return BoundDescription(kind="positive")


def bound_of(description: BoundDescription) -> Bound:
    """The bound of a model file.

    Raises
    ------
    ValueError
        If its setting is missing, or a ratio is not above 1.
    """
    if description.kind == "positive":
        return Positive()
    if description.kind == "volume_ratio":
        if description.power is None:
            raise ValueError("expected the power of a bound 'volume_ratio', found none")
        return VolumeRatio(description.power)
    if description.largest is None or (description.kind == "ratio" and description.largest <= 1.0):
        raise ValueError(f"expected how far a bound '{description.kind}' goes, found {description.largest}")
    return Within(description.largest) if description.kind == "within" else Ratio(description.largest)
