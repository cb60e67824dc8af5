"""Charge penetration: what turns the Coulomb energy of point charges into that of atoms whose electrons overlap.

    E = 1/2 sum_ij s(r) [ E_pen(r; q, N, a) + k_e q_i q_j erfc(r / (sqrt(2) sigma)) / r ]

with E_pen of physics/penetration.py. The second part is there beside the term `electrostatics`, whose charges are
smeared by sigma (physics/coulomb.py): the sum of both terms is the Coulomb energy of cores and valence electrons, near
as that of their densities and far as that of point charges. Without that term there may be the whole energy of pairs,

    E = 1/2 sum_ij s(r) [ E_pen(r; q, N, a) + k_e q_i q_j / r ],

which is for molecules and clusters within the cutoff. The charges q are the parameter `charge`; N > 0 is the number of
valence electrons, so that the core has the charge q + N.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.parameters import Parameter
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.free_atoms import density_exponents, valence_electrons
from mliap_hybrid.model.terms.pair_section import PairSection, Start
from mliap_hybrid.model.terms.switched_pair_term import Pairs, SwitchedPairDescription, SwitchedPairTerm
from mliap_hybrid.physics.coulomb import smearing_correction_kernel
from mliap_hybrid.physics.penetration import penetration_energy
from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import COULOMB_CONSTANT


class ChargePenetrationSettings(PairSection):
    """Charge penetration, the near part of the Coulomb energy (AMOEBA+), with the charges of `electrostatics`."""

    valence: dict[str, float] | None = None
    """N, valence electrons of each element that take part; null: those of its group of the periodic table."""
    exponent: dict[str, float] | None = None
    """a of each element in 1/Å, by which its valence density falls; null: 2 sqrt(2 I) of its ionisation energy."""
    largest_ratio: Annotated[float, Field(gt=1)] = 2.0
    """R: N stays between 1/R and R times where it starts from."""
    largest_exponent_ratio: Annotated[float, Field(gt=1)] = 1.5
    """The same for exponents."""

    title: ClassVar[str] = "charge_penetration"

    def make(self, context: TermContext) -> MadeTerm | None:
        """As in `TermSection`.

        Raises
        ------
        InputError
            If there are no charges that are known or predicted, or a value is missing for an element.
        """
        if self.coefficients == "none":
            return None
        electrostatics = context.made.get("electrostatics")
        charge = None if electrostatics is None else electrostatics.parameters[0]
        if electrostatics is None or charge is None or charge.source == "fitted":
            raise InputError(
                "charge_penetration needs charges: expected electrostatics.charges from a table, from labels or "
                f"predicted, found {'none' if charge is None else 'fitted'}"
            )
        starts = self.starts(context.elements)
        smearing: float = electrostatics.term.smearing  # type: ignore[assignment]
        term = ChargePenetration(context.cutoff, self.switch_width, self.pairs, smearing)
        return self.made(term, starts, (charge,))

    def starts(self, elements: tuple[int, ...]) -> tuple[Start, Start]:
        """The parameters besides the charge."""
        exponents = self.table("exponent", self.exponent, elements, density_exponents(elements))
        valences = self.table("valence", self.valence, elements, valence_electrons(elements))
        return (
            Start("valence", "e", valences, self.largest_ratio),
            Start("valence_exponent", "1/Å", exponents, self.largest_exponent_ratio),
        )

    def whole(self, context: TermContext, charge: Parameter) -> MadeTerm:
        """The term with the whole Coulomb energy of pairs, for molecules within the cutoff."""
        term = ChargePenetration(context.cutoff, self.switch_width, self.pairs, None)
        return self.made(term, self.starts(context.elements), (charge,))


class ChargePenetrationDescription(SwitchedPairDescription):
    """The term in a model file; its parameters are `charge`, `valence` and `valence_exponent`."""

    name: ClassVar[str] = "charge penetration"
    first_parameter: ClassVar[str] = "valence"
    kind: Literal["charge_penetration"] = "charge_penetration"
    smearing: Annotated[float, Field(gt=0)] | None
    """Å, of the charges of `electrostatics`; null: the term has the whole Coulomb energy of pairs."""


class ChargePenetration(SwitchedPairTerm):
    """Cores and valence electrons in place of point charges."""

    kind = "charge_penetration"
    takes = ("charge", "valence", "valence_exponent")

    def __init__(self, cutoff: float, switch_width: float, pairs: Pairs, smearing: float | None):
        """Make the term.

        Parameters
        ----------
        cutoff, switch_width, pairs
            As in `SwitchedPairTerm`.
        smearing : float, Å, or None
            Of the charges whose energy another term has; None where none has it.
        """
        super().__init__(cutoff, switch_width, pairs)
        self.smearing = smearing

    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Energy (n_pairs,), eV, of two atoms, but for that of smeared charges."""
        charges, valences, exponents = (self.of_both(geometry, parameters, name) for name in self.takes)
        penetration = penetration_energy(distances, charges, valences, exponents)  # (n_pairs,)
        return penetration + COULOMB_CONSTANT * charges[0] * charges[1] * self._beside_others(distances)

    def describe(self) -> ChargePenetrationDescription:
        """As in `Term`."""
        return ChargePenetrationDescription(smearing=self.smearing, **self.settings())

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> ChargePenetration:
        """As in `Term`."""
        return cls(cutoff, description.switch_width, description.pairs, description.smearing)

    def _beside_others(self, distances: Tensor) -> Tensor:
        """(n_pairs,) 1/Å: 1/r, less what another term has of it."""
        if self.smearing is None:
            return 1.0 / distances
        return -smearing_correction_kernel(distances, self.smearing)
