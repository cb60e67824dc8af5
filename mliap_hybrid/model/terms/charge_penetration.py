"""Charge penetration: what turns the Coulomb energy of point charges into that of atoms whose electrons overlap.

    E = 1/2 sum_ij s(r) [ E_pen(r; q, N, a) + k_e q_i q_j erfc(r / (sqrt(2) sigma)) / r ]

with E_pen of physics/penetration.py. The second part is there beside the term `electrostatics`, whose charges are
smeared by sigma (physics/coulomb.py): the sum of both terms is the Coulomb energy of cores and valence electrons, near
as that of their densities and far as that of point charges. Between molecules alone, it is less what charges of one
molecule, which must lie within the cutoff, have of each other and each smeared charge of itself:

    - 1/2 sum_ij' k_e q_i q_j erf(r / (sqrt(2) sigma)) / r - sum_i k_e q_i^2 / (sqrt(2 pi) sigma).

The charges q are the parameter `charge`; N > 0 is the number of
valence electrons, so that the core has the charge q + N.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.molecule_size import check_molecules_within_cutoff
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term import Constants, Contribution
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.free_atoms import density_exponents, valence_electrons
from mliap_hybrid.model.terms.pair_section import PairSection, Start
from mliap_hybrid.model.terms.switched_pair_term import Pairs, SwitchedPairDescription, SwitchedPairTerm
from mliap_hybrid.physics.coulomb import self_energies, smeared_kernel, smearing_correction_kernel
from mliap_hybrid.physics.penetration import penetration_energy
from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import COULOMB_CONSTANT

WITHIN = "charge_penetration takes off the Coulomb energy of charges within molecules"


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
            If a value is missing for an element.
        """
        if self.coefficients == "none":
            return None
        electrostatics = context.made["electrostatics"]
        starts = self.starts(context.elements)
        smearing: float = electrostatics.term.smearing  # type: ignore[assignment]
        term = ChargePenetration(context.cutoff, self.switch_width, self.pairs, smearing)
        return self.made(term, starts, electrostatics.parameters)

    def starts(self, elements: tuple[int, ...]) -> tuple[Start, Start]:
        """The parameters besides the charge."""
        exponents = self.table("exponent", self.exponent, elements, density_exponents(elements))
        valences = self.table("valence", self.valence, elements, valence_electrons(elements))
        return (
            Start("valence", "e", valences, self.largest_ratio),
            Start("valence_exponent", "1/Å", exponents, self.largest_exponent_ratio),
        )


class ChargePenetrationDescription(SwitchedPairDescription):
    """The term in a model file; its parameters are `charge`, `valence` and `valence_exponent`."""

    name: ClassVar[str] = "charge penetration"
    first_parameter: ClassVar[str] = "valence"
    kind: Literal["charge_penetration"] = "charge_penetration"
    smearing: Annotated[float, Field(gt=0)]
    """Å, of the charges of `electrostatics`."""


class ChargePenetration(SwitchedPairTerm):
    """Cores and valence electrons in place of point charges."""

    kind = "charge_penetration"
    component = "electrostatics_energy"
    takes = ("charge", "valence", "valence_exponent")

    def __init__(self, cutoff: float, switch_width: float, pairs: Pairs, smearing: float):
        """Make the term.

        Parameters
        ----------
        cutoff, switch_width, pairs
            As in `SwitchedPairTerm`.
        smearing : float, Å
            Of the charges of the long-range term.
        """
        super().__init__(cutoff, switch_width, pairs)
        self.smearing = smearing

    def check(self, geometry: Geometry) -> None:
        """As in `Term`: between molecules alone, these must lie within the cutoff."""
        if self.pairs != "all":
            check_molecules_within_cutoff(geometry, self.cutoff, WITHIN)

    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Energy (n_pairs,), eV, of two atoms, but for that of smeared charges."""
        charges, valences, exponents = (self.of_both(geometry, parameters, name) for name in self.takes)
        penetration = penetration_energy(distances, charges, valences, exponents)  # (n_pairs,)
        products = COULOMB_CONSTANT * charges[0] * charges[1]  # (n_pairs,)
        return penetration - products * smearing_correction_kernel(distances, self.smearing)

    def pair_energies(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """As in `PairTerm`: penetration, less the smeared charges within molecules where these do not count."""
        energies = super().pair_energies(geometry, distances, parameters)  # (n_pairs,)
        if self.pairs == "all":
            return energies
        q_i, q_j = self.of_both(geometry, parameters, "charge")
        within = 0.5 * COULOMB_CONSTANT * q_i * q_j * smeared_kernel(distances, self.smearing)  # (n_pairs,)
        return energies - within * (~geometry.is_between_molecules).to(within.dtype)

    def contribution(
        self, geometry: Geometry, parameters: ParameterValues, constants: Constants | None = None
    ) -> Contribution:
        """As in `Term`, between molecules less the energies of smeared charges with themselves."""
        of_pairs = super().contribution(geometry, parameters, constants)
        if self.pairs == "all":
            return of_pairs
        assert of_pairs.energies is not None
        charges = parameters["charge"]
        of_charge = 2.0 * self_energies(torch.ones_like(charges), self.smearing) * charges  # (n_centres,) eV/e
        gradients, energies = dict(of_pairs.parameter_gradients), of_pairs.energies
        assert energies is not None
        return replace(
            of_pairs,
            energies=energies - self_energies(charges, self.smearing),
            parameter_gradients=gradients | {"charge": gradients["charge"] - of_charge},
        )

    def energy(self, geometry: Geometry, parameters: ParameterValues) -> Tensor:
        """As in `Term`."""
        energies = super().energy(geometry, parameters)
        return energies if self.pairs == "all" else energies - self_energies(parameters["charge"], self.smearing)

    def describe(self) -> ChargePenetrationDescription:
        """As in `Term`."""
        return ChargePenetrationDescription(smearing=self.smearing, **self.settings())

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> ChargePenetration:
        """As in `Term`."""
        return cls(cutoff, description.switch_width, description.pairs, description.smearing)
