"""What a model file says of parameters, and what people are told of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mliap_hybrid.model.bounds import BoundDescription

Name = Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,40}$")]


class ParameterDescription(BaseModel, ABC):
    """A parameter; which kind, `source` says."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: Name
    unit: str

    @abstractmethod
    def tables(self) -> list[dict[str, float]]:
        """Symbol -> value: each must have an entry for each element of the model."""

    @abstractmethod
    def rows(self) -> dict[str, str]:
        """Title -> what there is to say of the parameter, for people."""

    def in_words(self) -> str:
        """The same in one line, without the title."""
        return next(iter(self.rows().values()))


class ConstantDescription(ParameterDescription):
    """A parameter that is a constant of each element."""

    source: Literal["constant"] = "constant"
    values: dict[str, float]
    """Symbol -> value."""

    def tables(self) -> list[dict[str, float]]:
        """As in `ParameterDescription`."""
        return [self.values]

    def rows(self) -> dict[str, str]:
        """As in `ParameterDescription`."""
        return {f"{self.name}s": _values(self.values, self.unit)}


class PredictedDescription(ParameterDescription):
    """A parameter that a head predicts."""

    source: Literal["predicted"] = "predicted"
    start: dict[str, float]
    """Symbol -> where the values start from."""
    typical: dict[str, float]
    """Symbol -> mean value in the training frames."""
    bound: BoundDescription
    """How far they go."""
    neutrality: Literal["shift", "increments"] | None = None
    """What keeps the sum over a structure."""

    def tables(self) -> list[dict[str, float]]:
        """As in `ParameterDescription`."""
        return [self.start, self.typical]

    def rows(self) -> dict[str, str]:
        """As in `ParameterDescription`."""
        return {
            f"{self.name}s": "predicted" if self.neutrality is None else f"predicted, {self.neutrality}",
            f"mean {self.name}s": _values(self.typical, self.unit),
            f"starting {self.name}s": _values(self.start, self.unit),
        }

    def in_words(self) -> str:
        """As in `ParameterDescription`."""
        return f"predicted ({self.neutrality or 'free'}), mean {_values(self.typical, self.unit)}"


AnyParameter = Annotated[ConstantDescription | PredictedDescription, Field(discriminator="source")]


def _values(values: Mapping[str, float], unit: str) -> str:
    return ", ".join(f"{symbol} {value:+.4f} {unit}" for symbol, value in values.items())
