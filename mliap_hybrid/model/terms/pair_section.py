"""What the sections of pair terms have in common: where parameters come from and how far they go, which pairs count."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, Self

import torch
from ase.data import atomic_numbers, chemical_symbols
from pydantic import Field, model_validator
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.bounds import Ratio
from mliap_hybrid.model.parameters import ElementParameter, FittedParameter, Parameter, PredictedParameter
from mliap_hybrid.model.term_section import MadeTerm, TermSection
from mliap_hybrid.model.terms.switched_pair_term import Pairs, SwitchedPairTerm
from mliap_hybrid.section import Positive


@dataclass(frozen=True)
class Start:
    """A parameter before the training."""

    name: str
    unit: str
    values: Tensor
    """(n_elements,)."""
    largest_ratio: float
    """R: it stays between 1/R and R times where it starts from."""


class PairSection(TermSection):
    """A section of a term of pairs."""

    coefficients: Literal["none", "constant", "fitted", "predicted"] = "none"
    """Where the parameters of atoms come from. none: no such term; constant: the tables of this section; fitted: a
    ratio to these for each element, learned with the network; predicted: a ratio for each atom, by one more network for
    each parameter from the same features."""
    pairs: Pairs = "all"
    """Which pairs count: all, or those of atoms of different molecules. Molecules are those that the frames name, or
    what bonds hold together."""
    switch_width: Positive = 1.0
    """Distance in Å before the cutoff over which the energy goes to zero."""
    largest_ratio: Annotated[float, Field(gt=1)] = 3.0
    """R: parameters stay between 1/R and R times where they start from."""
    hidden: list[Annotated[int, Field(gt=0)]] = Field(default=[32, 32])
    """Widths of the hidden layers of each of the networks, where parameters are predicted."""

    source_key: ClassVar[str] = "coefficients"
    not_with: ClassVar[Mapping[str, tuple[str, ...]]] = {"weak_supervision": ("fitted",)}
    title: ClassVar[str]
    """Name of the section in the training file, for messages."""

    @property
    def source(self) -> str:
        """As in `TermSection`."""
        return "constant" if self.coefficients == "none" else self.coefficients

    def options(self, excluded: Sequence[str]) -> str:
        """As in `TermSection`."""
        return ", ".join(kind for kind in ("none", "constant", "fitted", "predicted") if kind not in excluded)

    @model_validator(mode="after")
    def _is_used(self) -> Self:
        changed = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if self.coefficients == "none" and changed:
            raise ValueError("there are settings but no term: set coefficients to constant, fitted or predicted")
        return self

    def made(self, term: SwitchedPairTerm, starts: Sequence[Start], shared: Sequence[Parameter] = ()) -> MadeTerm:
        """The term with its parameters.

        Parameters
        ----------
        term : SwitchedPairTerm
        starts : sequence of Start
            Of the parameters of this section.
        shared : sequence of Parameter
            What the term takes of another one's.
        """
        parameters = tuple(self._parameter(start) for start in starts)
        hidden = {parameter.name: tuple(self.hidden) for parameter in parameters if parameter.head is not None}
        return MadeTerm(term, (*shared, *parameters), hidden)

    def table(
        self,
        name: str,
        given: Mapping[str, float] | None,
        elements: Sequence[int],
        usual: Mapping[int, float] | None = None,
    ) -> Tensor:
        """Values (n_elements,) of a setting of the section.

        Parameters
        ----------
        name : str
            Of the setting.
        given : mapping of str to float, or None
            Symbol -> value, as the file says it.
        elements : sequence of int
            Atomic numbers.
        usual : mapping of int to float, optional
            Atomic number -> what stands where the file says nothing.

        Raises
        ------
        InputError
            If one is missing or not positive.
        """
        known = (
            (usual or {})
            if given is None
            else {atomic_numbers.get(symbol, 0): value for symbol, value in given.items()}
        )
        values = [known.get(z, 0.0) for z in elements]
        for z, value in zip(elements, values, strict=True):
            if not 0.0 < value < math.inf:
                raise InputError(
                    f"{self.title}.{name}: expected a positive coefficient for {chemical_symbols[z]}, found "
                    f"{value or 'none'}; give a table with an entry for each element"
                )
        return torch.tensor(values, dtype=torch.float64)

    def _parameter(self, start: Start) -> Parameter:
        if self.coefficients == "constant":
            return ElementParameter(start.name, start.unit, start.values)
        bound = Ratio(start.largest_ratio)
        if self.coefficients == "fitted":
            return FittedParameter(start.name, start.unit, start.values, bound)
        return PredictedParameter(start.name, start.unit, start.values, bound)
