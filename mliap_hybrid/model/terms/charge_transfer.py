"""Charge transfer between pairs: an attraction that falls exponentially.

    combined (AMOEBA+):   E = -1/2 sum_ij s(r) A_ij exp(-b_ij r),      A_ij = sqrt(A_i A_j),   b_ij = (b_i + b_j) / 2
    separate (HIPPO):     E = -1/2 sum_ij s(r) [ A_i exp(-b_j r) + A_j exp(-b_i r) ]

(Liu, Piquemal and Ren, J. Chem. Theory Comput. 15, 4122 (2019); Rackers, Silva, Wang and Ponder, ibid. 17, 7056 (2021);
the names are those of Tinker.) In the second, an atom that gives and one that takes differ.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.free_atoms import contact_strengths, density_exponents
from mliap_hybrid.model.terms.pair_section import PairSection, Start
from mliap_hybrid.model.terms.switched_pair_term import CombiningPairTerm, SwitchedPairDescription
from mliap_hybrid.physics.combining import arithmetic_mean, geometric_mean
from mliap_hybrid.structure import Geometry

CONTACT_ENERGY = 0.003
"""eV: attraction of two like atoms in contact where nothing is said of strengths, a tenth of their repulsion."""

Combining = Literal["combined", "separate"]


class ChargeTransferSettings(PairSection):
    """Charge transfer between pairs (AMOEBA+; HIPPO)."""

    combining: Combining = "combined"
    """combined: one strength and one exponent for each pair, as in AMOEBA+; separate: what each atom takes from the
    other, as in HIPPO."""
    strength: dict[str, float] | None = None
    """A of each element in eV; null: 0.003 eV of attraction at twice the van der Waals radius, for something to start
    from."""
    exponent: dict[str, float] | None = None
    """b of each element in 1/Å; null: 2 sqrt(2 I) of its ionisation energy."""
    largest_ratio: Annotated[float, Field(gt=1)] = 10.0
    """R: strengths stay between 1/R and R times where they start from."""
    largest_exponent_ratio: Annotated[float, Field(gt=1)] = 1.5
    """The same for exponents."""

    title: ClassVar[str] = "charge_transfer"

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
        usual = contact_strengths(elements, exponents, CONTACT_ENERGY, lambda x: torch.exp(-x))
        strengths = self.table("strength", self.strength, elements, usual)
        starts = (
            Start("transfer_strength", "eV", strengths, self.largest_ratio),
            Start("transfer_exponent", "1/Å", exponents, self.largest_exponent_ratio),
        )
        return self.made(ChargeTransfer(context.cutoff, self.switch_width, self.pairs, self.combining), starts)


class ChargeTransferDescription(SwitchedPairDescription):
    """The term in a model file; its parameters are `transfer_strength` and `transfer_exponent`."""

    name: ClassVar[str] = "charge transfer"
    first_parameter: ClassVar[str] = "transfer_strength"
    kind: Literal["charge_transfer"] = "charge_transfer"
    combining: Combining


class ChargeTransfer(CombiningPairTerm):
    """-A exp(-b r)."""

    kind = "charge_transfer"
    component = "induction_energy"
    takes = ("transfer_strength", "transfer_exponent")

    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Charge transfer (n_pairs,), eV, of two atoms."""
        strengths, exponents = (self.of_both(geometry, parameters, name) for name in self.takes)
        if self.combining == "combined":
            return -geometric_mean(*strengths) * torch.exp(-arithmetic_mean(*exponents) * distances)
        (a_i, a_j), (b_i, b_j) = strengths, exponents  # (n_pairs,) each
        return -(a_i * torch.exp(-b_j * distances) + a_j * torch.exp(-b_i * distances))

    def describe(self) -> ChargeTransferDescription:
        """As in `Term`."""
        return ChargeTransferDescription(**self.settings())
