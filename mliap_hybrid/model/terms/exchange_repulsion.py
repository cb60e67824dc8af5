"""Exchange repulsion of pairs, which goes as the overlap of their electron densities.

    E = 1/2 sum_ij s(r) A_ij (1 + x + x^2 / 3) exp(-x),      x = b_ij r,   A_ij = sqrt(A_i A_j),   b_ij = sqrt(b_i b_j)

(physics/slater_overlap.py). With b of the density's decay it is the short-range part of the Slater force field of Van
Vleet et al. (2016), and of PhyNEO, whose strengths are sqrt(A_i).
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.free_atoms import contact_strengths, density_exponents
from mliap_hybrid.model.terms.pair_section import PairSection, Start
from mliap_hybrid.model.terms.switched_pair_term import SwitchedPairDescription, SwitchedPairTerm
from mliap_hybrid.physics.combining import geometric_mean
from mliap_hybrid.physics.slater_overlap import slater_overlap
from mliap_hybrid.structure import Geometry

CONTACT_ENERGY = 0.03
"""eV: repulsion of two like atoms in contact where nothing is said of strengths, about that of carbons in SAPT."""


class ExchangeRepulsionSettings(PairSection):
    """Exchange repulsion of pairs, by the overlap of exponential densities (Van Vleet et al. 2016)."""

    strength: dict[str, float] | None = None
    """A of each element in eV; null: 0.03 eV of repulsion at twice the van der Waals radius, for something to start
    from."""
    exponent: dict[str, float] | None = None
    """b of each element in 1/Å; null: 2 sqrt(2 I) of its ionisation energy."""
    largest_ratio: Annotated[float, Field(gt=1)] = 10.0
    """R: strengths stay between 1/R and R times where they start from."""
    largest_exponent_ratio: Annotated[float, Field(gt=1)] = 1.5
    """The same for exponents."""

    title: ClassVar[str] = "exchange_repulsion"

    def make(self, context: TermContext) -> MadeTerm | None:
        """As in `TermSection`.

        Raises
        ------
        InputError
            If a value is missing for an element, or not positive.
        """
        if self.coefficients == "none":
            return None
        elements = context.elements
        exponents = self.table("exponent", self.exponent, elements, density_exponents(elements))
        usual = contact_strengths(elements, exponents, CONTACT_ENERGY, slater_overlap)
        strengths = self.table("strength", self.strength, elements, usual)
        starts = (
            Start("exchange_strength", "eV", strengths, self.largest_ratio),
            Start("exchange_exponent", "1/Å", exponents, self.largest_exponent_ratio),
        )
        return self.made(ExchangeRepulsion(context.cutoff, self.switch_width, self.pairs), starts)


class ExchangeRepulsionDescription(SwitchedPairDescription):
    """The term in a model file; its parameters are `exchange_strength` and `exchange_exponent`."""

    name: ClassVar[str] = "exchange repulsion"
    first_parameter: ClassVar[str] = "exchange_strength"
    kind: Literal["exchange_repulsion"] = "exchange_repulsion"


class ExchangeRepulsion(SwitchedPairTerm):
    """Overlap of exponential densities, times a strength."""

    kind = "exchange_repulsion"
    component = "exchange_energy"
    takes = ("exchange_strength", "exchange_exponent")

    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Repulsion (n_pairs,), eV, of two atoms."""
        strengths, exponents = (
            geometric_mean(*self.of_both(geometry, parameters, name)) for name in self.takes
        )  # (n_pairs,) each
        return strengths * slater_overlap(exponents * distances)

    def describe(self) -> ExchangeRepulsionDescription:
        """As in `Term`."""
        return ExchangeRepulsionDescription(**self.settings())

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> ExchangeRepulsion:
        """As in `Term`."""
        return cls(cutoff, description.switch_width, description.pairs)
