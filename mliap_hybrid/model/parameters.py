"""What atoms have that terms need: a charge, a dispersion coefficient, the energy that the network gives.

A parameter is constant, one number for each element; fitted, the same with numbers that training finds; or predicted,
from a head of the networks (heads.py), bounded by construction. Calling one gives its values and their pullback:

    theta = constraint(bound(start(Z), a)),      dE/dtheta -> (dE/da, and dE/dr_p at fixed a),

a the number that the head gives an atom. Only the pullback of a constraint may ask other atoms (neutrality.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import torch
from torch import Tensor

from mliap_hybrid.model.bounds import Bound, bound_of, describe_bound
from mliap_hybrid.model.heads import Heads
from mliap_hybrid.model.neutrality import Neutrality, neutrality_of
from mliap_hybrid.model.parameter_descriptions import ConstantDescription, ParameterDescription, PredictedDescription
from mliap_hybrid.structure import Geometry


class Pullback(Protocol):
    """Derivatives by a parameter, on their way back."""

    def __call__(self, gradients: Tensor, by_moments: Tensor | None = None) -> tuple[Tensor | None, Tensor | None]:
        """dE/dtheta (n_centres,), and dE/dmu (n_centres, 3) of `Moments` -> dE/da (n_centres,), dE/dr_p (n_pairs, 3).

        The first is by the head's numbers, the second at fixed ones; None for zero. Collective if the parameter is.
        """


@dataclass(frozen=True)
class Moments:
    """First moment of a parameter, sum_i (Z_i r_i + mu_i), divided such that no choice of cells changes mu."""

    carried: Tensor
    """(n_centres,) Z: what atoms carry wherever they go."""
    between: Tensor
    """(n_centres, 3) mu, the unit of the parameter times Å: of vectors between atoms."""


class Parameter(torch.nn.Module, ABC):
    """One number for each atom."""

    source: ClassVar[Literal["constant", "fitted", "predicted"]]
    """Where the number comes from."""
    bound: Bound | None = None
    """How far training may lead it; None where it does not."""

    def __init__(self, name: str, unit: str):
        super().__init__()
        self.name = name
        self.unit = unit

    @property
    def head(self) -> str | None:
        """Name of the head that it is predicted by; None if it is not predicted."""
        return None

    @abstractmethod
    def forward(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> tuple[Tensor, Pullback]:
        """Values of the centres, and how derivatives by them go back.

        Parameters
        ----------
        geometry : Geometry
        species : Tensor, shape (n_centres,), int64
            Index of each atom's element.
        head : Tensor, shape (n_centres,), or None
            What the head says.

        Returns
        -------
        values : Tensor, shape (n_centres,)
        pullback : Pullback
        """

    def moments(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> Moments | None:
        """Where its first moment is, if not at the atoms; arguments as of `forward`. Collective if the parameter is."""
        return None

    def limits(self) -> tuple[Tensor, Tensor] | None:
        """Lowest and highest value of each element (n_elements,); None where nothing but the numbers themselves is."""
        return None

    def coordinates_of_elements(self, heads: Heads) -> torch.nn.Parameter | None:
        """What training moves to lead the values of whole elements (n_elements,), before the bound; None if nothing.

        Parameters
        ----------
        heads : Heads
            Of the model.
        """
        return None

    def after_training(self, trained: Mapping[str, Parameter], typical: Mapping[str, Tensor]) -> Parameter:
        """This parameter of a whole model, which is made as before the training, with what the training has found.

        Parameters
        ----------
        trained : mapping of str to Parameter
            Name -> parameter of the trained model.
        typical : mapping of str to Tensor, shape (n_elements,)
            Name -> mean in the training frames, of those that are predicted.
        """
        return self

    def describe(self, symbols: Sequence[str]) -> ParameterDescription | None:
        """What a model file says of the parameter; `symbols` are those of the elements. None if it needs no words."""
        return None

    @classmethod
    def restore(cls, description: Any, symbols: Sequence[str], cutoff: float) -> Parameter:
        """The parameter again, from what `describe` said; `cutoff`, in Å, is that of the model."""
        raise NotImplementedError(f"{cls.__name__} has no place in files")


def _nothing(gradients: Tensor, by_moments: Tensor | None = None) -> tuple[None, None]:
    return None, None


class ElementParameter(Parameter):
    """A constant of each element."""

    source = "constant"
    values: Tensor

    def __init__(self, name: str, unit: str, values: Tensor):
        """Take the constants.

        Parameters
        ----------
        name, unit : str
        values : Tensor, shape (n_elements,)
        """
        super().__init__(name, unit)
        self.register_buffer("values", values)

    def forward(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> tuple[Tensor, Pullback]:
        """As in `Parameter`."""
        return self.values.index_select(0, species), _nothing

    def describe(self, symbols: Sequence[str]) -> ConstantDescription:
        """As in `Parameter`."""
        return ConstantDescription(name=self.name, unit=self.unit, values=_table(self.values, symbols))

    @classmethod
    def restore(cls, description: ConstantDescription, symbols: Sequence[str], cutoff: float) -> ElementParameter:
        """As in `Parameter`."""
        return cls(description.name, description.unit, _values(description.values, symbols))


class FittedParameter(Parameter):
    """A number of each element that training finds, bounded."""

    source = "fitted"
    start: Tensor

    def __init__(self, name: str, unit: str, start: Tensor, bound: Bound):
        """Begin at the start.

        Parameters
        ----------
        name, unit : str
        start : Tensor, shape (n_elements,)
        bound : Bound
        """
        super().__init__(name, unit)
        self.bound: Bound = bound
        self.register_buffer("start", start)
        self.coordinates = torch.nn.Parameter(torch.zeros_like(start))  # (n_elements,)

    @property
    def values(self) -> Tensor:
        """(n_elements,): what has been found."""
        return self.bound.values(self.start, self.coordinates)

    def forward(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> tuple[Tensor, Pullback]:
        """As in `Parameter`."""
        return self.values.index_select(0, species), _nothing

    def limits(self) -> tuple[Tensor, Tensor]:
        """As in `Parameter`."""
        return self.bound.limits(self.start)

    def coordinates_of_elements(self, heads: Heads) -> torch.nn.Parameter:
        """As in `Parameter`: all that is trained of it."""
        return self.coordinates

    def after_training(self, trained: Mapping[str, Parameter], typical: Mapping[str, Tensor]) -> ElementParameter:
        """As in `Parameter`: a constant."""
        found: Tensor = trained[self.name].values  # type: ignore[assignment]
        return ElementParameter(self.name, self.unit, found.detach().double())


class PredictedParameter(Parameter):
    """A number of each atom that a head of the networks gives, bounded, and in sum what it has to be."""

    source = "predicted"
    start: Tensor
    typical: Tensor

    def __init__(
        self,
        name: str,
        unit: str,
        start: Tensor,
        bound: Bound,
        neutrality: Neutrality | None = None,
        typical: Tensor | None = None,
    ):
        """Put the parts together.

        Parameters
        ----------
        name, unit : str
            The name is that of the head, too.
        start : Tensor, shape (n_elements,)
            Where the values start from.
        bound : Bound
        neutrality : Neutrality, optional
            What keeps the sum over a structure.
        typical : Tensor, shape (n_elements,), optional
            Mean of each element in the training frames, for those who must guess before they compute; the start by
            default.
        """
        super().__init__(name, unit)
        self.bound: Bound = bound
        self.neutrality = neutrality
        self.register_buffer("start", start)
        self.register_buffer("typical", start if typical is None else typical)

    @property
    def head(self) -> str:
        """Name of the head."""
        return self.name

    def forward(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> tuple[Tensor, Pullback]:
        """As in `Parameter`."""
        assert head is not None
        start = self.start.to(head.dtype).index_select(0, species)  # (n_centres,)
        derivatives = self.bound.derivatives(start, head)  # (n_centres,)
        if self.neutrality is None:
            return self.bound.values(start, head), lambda gradients, by_moments=None: (gradients * derivatives, None)
        values, constrained = self.neutrality(start, self.bound.changes(start, head), geometry)

        def pullback(gradients: Tensor, by_moments: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
            of_unconstrained, of_pairs = constrained(gradients, by_moments)
            return of_unconstrained * derivatives, of_pairs

        return values, pullback

    def moments(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> Moments | None:
        """As in `Parameter`."""
        assert head is not None
        start = self.start.to(head.dtype).index_select(0, species)  # (n_centres,)
        if self.neutrality is None:
            return None
        between = self.neutrality.moments(self.bound.changes(start, head), geometry)
        return None if between is None else Moments(start, between)

    def limits(self) -> tuple[Tensor, Tensor] | None:
        """As in `Parameter`; a constraint leads beyond the bound of a single atom."""
        return self.bound.limits(self.start) if self.neutrality is None else None

    def coordinates_of_elements(self, heads: Heads) -> torch.nn.Parameter:
        """As in `Parameter`: the offsets of its head."""
        return heads[self.head].networks[0].offset

    def after_training(self, trained: Mapping[str, Parameter], typical: Mapping[str, Tensor]) -> PredictedParameter:
        """As in `Parameter`: with its mean in the frames."""
        self.typical = typical.get(self.name, self.start)
        return self

    def describe(self, symbols: Sequence[str]) -> PredictedDescription:
        """As in `Parameter`."""
        return PredictedDescription(
            name=self.name,
            unit=self.unit,
            start=_table(self.start, symbols),
            typical=_table(self.typical, symbols),
            bound=describe_bound(self.bound),
            neutrality=None if self.neutrality is None else self.neutrality.kind,  # type: ignore[arg-type]
        )

    @classmethod
    def restore(cls, description: PredictedDescription, symbols: Sequence[str], cutoff: float) -> PredictedParameter:
        """As in `Parameter`."""
        return cls(
            description.name,
            description.unit,
            _values(description.start, symbols),
            bound_of(description.bound),
            neutrality_of(description.neutrality, cutoff),
            _values(description.typical, symbols),
        )


class AtomicEnergy(Parameter):
    """The energy of an atom that the network gives, as it is."""

    source = "predicted"

    def __init__(self) -> None:
        super().__init__("energy", "eV")

    @property
    def head(self) -> str:
        """Name of the head."""
        return self.name

    def forward(self, geometry: Geometry, species: Tensor, head: Tensor | None) -> tuple[Tensor, Pullback]:
        """As in `Parameter`."""
        assert head is not None
        return head, lambda gradients, by_moments=None: (gradients, None)


KINDS: Mapping[str, type[Parameter]] = {"constant": ElementParameter, "predicted": PredictedParameter}
"""`source` of a description -> the parameter that it is one of."""


def _table(values: Tensor, symbols: Sequence[str]) -> dict[str, float]:
    """Symbol -> value (n_elements,)."""
    return dict(zip(symbols, values.tolist(), strict=True))


def _values(table: Mapping[str, float], symbols: Sequence[str]) -> Tensor:
    """Values (n_elements,) of a table."""
    return torch.tensor([table[symbol] for symbol in symbols], dtype=torch.float64)
