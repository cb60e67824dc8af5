"""Damped dispersion of pairs, with coefficients that are constant, fitted or predicted for each atom.

    E = -1/2 sum_ij s(r) [ f_6(x) C6_ij / r^6 + f_8(x) C8_ij / r^8 ],      C_ij = sqrt(C_i C_j)

f_n (physics/tang_toennies.py) damps what a point-like expansion says of atoms that overlap. Its argument is x = b r of
one range b for all pairs, or follows from exponents of the atoms, b_ij = sqrt(b_i b_j), as the slope of their overlap
(physics/slater_overlap.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from ase.data import atomic_numbers
from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.free_atoms import density_exponents
from mliap_hybrid.model.terms.pair_section import PairSection, Start
from mliap_hybrid.model.terms.switched_pair_term import Pairs, SwitchedPairDescription, SwitchedPairTerm
from mliap_hybrid.physics.combining import geometric_mean
from mliap_hybrid.physics.slater_overlap import slater_damping_argument
from mliap_hybrid.physics.tang_toennies import tang_toennies
from mliap_hybrid.section import Positive
from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import BOHR, HARTREE

C8_OVER_C6 = 7.0
"""Å^2: what C8 is in units of C6 where nothing is said of it, as in argon (25 bohr^2; hydrogen has 19)."""

OF_ATOMS = ("c6", "c8", "dispersion_exponent")
"""Parameters where each atom has its own range of the damping."""


class DispersionSettings(PairSection):
    """Dispersion of pairs, damped where atoms overlap (Tang and Toennies 1984), up to the cutoff of the features."""

    c6: dict[str, float] | None = None
    """C6 of each element in eV Å^6, such as {C: 27.8, H: 3.9}; null: of free atoms (Chu and Dalgarno 2004, as ASE has
    them)."""
    c8: dict[str, float] | None = None
    """C8 of each element in eV Å^8; null: 7 Å^2 times C6."""
    damping: Positive | dict[str, float] | Literal["atoms"] = 3.5
    """Range b of the damping in 1/Å. A number: that of all pairs, x = b r, so that it is half gone at r = 7 / b. A
    table such as {C: 3.4, H: 3.8}: exponents of the elements' electron densities, which come from the same source as C6
    and C8; atoms: the same of free atoms, 2 sqrt(2 I) of their ionisation energies."""
    largest_exponent_ratio: Annotated[float, Field(gt=1)] = 1.5
    """The same as `largest_ratio` for exponents of the damping."""

    title: ClassVar[str] = "dispersion"

    def make(self, context: TermContext) -> MadeTerm | None:
        """As in `TermSection`.

        Raises
        ------
        InputError
            If there is no coefficient for an element, or one is not positive.
        """
        if self.coefficients == "none":
            return None
        c6 = self.table("c6", self.c6, context.elements, free_atom_c6())
        usual_c8 = dict(zip(context.elements, (C8_OVER_C6 * c6).tolist(), strict=True))
        c8 = self.table("c8", self.c8, context.elements, usual_c8)
        starts = [Start("c6", "eV Å^6", c6, self.largest_ratio), Start("c8", "eV Å^8", c8, self.largest_ratio)]
        if isinstance(self.damping, float):
            return self.made(Dispersion(context.cutoff, self.damping, self.switch_width, self.pairs), starts)
        given = None if self.damping == "atoms" else self.damping
        exponents = self.table("damping", given, context.elements, density_exponents(context.elements))
        starts.append(Start("dispersion_exponent", "1/Å", exponents, self.largest_exponent_ratio))
        return self.made(Dispersion(context.cutoff, None, self.switch_width, self.pairs), starts)


class DispersionDescription(SwitchedPairDescription):
    """The term in a model file; the coefficients are the parameters `c6` and `c8`."""

    name: ClassVar[str] = "damped dispersion"
    first_parameter: ClassVar[str] = "c6"
    kind: Literal["dispersion"] = "dispersion"
    damping: Annotated[float, Field(gt=0)] | None
    """b, 1/Å; null: there is a parameter `dispersion_exponent`."""


class Dispersion(SwitchedPairTerm):
    """-C6/r^6 - C8/r^8, damped and switched off."""

    kind = "dispersion"
    component = "dispersion_energy"
    takes: tuple[str, ...] = ("c6", "c8")

    def __init__(self, cutoff: float, damping: float | None, switch_width: float, pairs: Pairs = "all"):
        """Make the term.

        Parameters
        ----------
        cutoff, switch_width, pairs
            As in `SwitchedPairTerm`.
        damping : float, 1/Å, or None
            b; None where each atom has its own.
        """
        super().__init__(cutoff, switch_width, pairs)
        self.damping = damping
        if damping is None:
            self.takes = OF_ATOMS

    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Dispersion (n_pairs,), eV, of two atoms."""
        f6, f8 = tang_toennies(self._damping_argument(geometry, distances, parameters))  # (n_pairs,) each
        squared = distances.square()  # (n_pairs,)
        c6, c8 = (geometric_mean(*self.of_both(geometry, parameters, name)) for name in ("c6", "c8"))  # (n_pairs,) each
        return -(c6 * f6 / squared**3 + c8 * f8 / squared**4)

    def describe(self) -> DispersionDescription:
        """As in `Term`."""
        return DispersionDescription(damping=self.damping, **self.settings())

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> Dispersion:
        """As in `Term`."""
        return cls(cutoff, description.damping, description.switch_width, description.pairs)

    def _damping_argument(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """x (n_pairs,)."""
        if self.damping is not None:
            return self.damping * distances
        return slater_damping_argument(
            geometric_mean(*self.of_both(geometry, parameters, "dispersion_exponent")) * distances
        )


def free_atom_c6() -> Mapping[int, float]:
    """Atomic number -> C6 of the free atom in eV Å^6 (Chu and Dalgarno, J. Chem. Phys. 121, 4083 (2004); ASE)."""
    from ase.calculators.vdwcorrection import vdWDB_alphaC6  # takes most of scipy along, which no run needs

    unit = HARTREE * BOHR**6
    return {atomic_numbers[symbol]: float(values[1]) * unit for symbol, values in vdWDB_alphaC6.items()}  # type: ignore[index]
