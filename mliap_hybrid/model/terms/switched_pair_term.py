"""Pair terms that end smoothly at the cutoff, of all pairs or of those between molecules.

    E = 1/2 sum_ij s(r_ij) E_ij(r_ij, theta_i, theta_j)

with the switch s of physics/switching.py. The sum runs over all pairs or over those of different molecules.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import PairTerm, TermDescription
from mliap_hybrid.physics.switching import switch
from mliap_hybrid.structure import Geometry

Pairs = Literal["all", "between_molecules"]
"""Which pairs have the energy."""


class SwitchedPairDescription(TermDescription):
    """What model files say of all such terms."""

    name: ClassVar[str]
    """What people are told that the term is."""
    first_parameter: ClassVar[str]
    """Parameter whose source is that of all of the term's own."""
    switch_width: Annotated[float, Field(gt=0)]
    """Å."""
    pairs: Pairs = "all"

    def title(self, sources: Mapping[str, str], on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        where = "" if self.pairs == "all" else " between molecules"
        return f"{self.name}{where}, {sources[self.first_parameter]} coefficients"


class SwitchedPairTerm(PairTerm):
    """A pair energy, switched off before the cutoff."""

    cost = "exchange"

    def __init__(self, cutoff: float, switch_width: float, pairs: Pairs = "all"):
        """Say where it ends.

        Parameters
        ----------
        cutoff : float, Å
            Of the neighbour pairs.
        switch_width : float, Å
            What the switch takes before the cutoff.
        pairs : {"all", "between_molecules"}
        """
        super().__init__()
        self.cutoff = cutoff
        self.switch_width = switch_width
        self.pairs: Pairs = pairs
        self.needs_molecules = pairs == "between_molecules"  # type: ignore[misc]

    @abstractmethod
    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """E_ij (n_pairs,), eV, of two atoms, whole and not switched; arguments as in `pair_energies`."""

    def pair_energies(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Half of each pair's energy (n_pairs,), eV, as its centre has it."""
        energies = 0.5 * switch(distances, self.cutoff, self.switch_width)
        energies = energies * self.interaction(geometry, distances, parameters)
        if self.pairs == "all":
            return energies
        return energies * geometry.is_between_molecules.to(energies.dtype)

    def settings(self) -> dict[str, Any]:
        """What `describe` says of the switch and of the pairs."""
        return {"switch_width": self.switch_width, "pairs": self.pairs}

    @staticmethod
    def of_both(geometry: Geometry, parameters: ParameterValues, name: str) -> tuple[Tensor, Tensor]:
        """Values (n_pairs,) of a parameter at the centre and at the neighbour of each pair."""
        return parameters[name].index_select(0, geometry.pair_i), parameters.of_neighbours(name)


class CombiningPairTerm(SwitchedPairTerm):
    """One with a choice of how parameters of two atoms are combined."""

    def __init__(self, cutoff: float, switch_width: float, pairs: Pairs, combining: str):
        """Say where it ends, and the choice.

        Parameters
        ----------
        cutoff, switch_width, pairs
            As in `SwitchedPairTerm`.
        combining : str
            One of those of the term's description.
        """
        super().__init__(cutoff, switch_width, pairs)
        self.combining = combining

    def settings(self) -> dict[str, Any]:
        """As in `SwitchedPairTerm`, with the choice."""
        return {**super().settings(), "combining": self.combining}

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> Self:
        """As in `Term`."""
        return cls(cutoff, description.switch_width, description.pairs, description.combining)
