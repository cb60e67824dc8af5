"""Buffered 14-7 potential of pairs (physics/buffered_14_7.py), van der Waals in AMOEBA: for comparison.

Repulsion and dispersion in one, with a radius and a depth for each atom; where exchange repulsion and dispersion are
terms of their own, it counts them twice.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field
from torch import Tensor

from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms.free_atoms import contact_distances
from mliap_hybrid.model.terms.pair_section import PairSection, Start
from mliap_hybrid.model.terms.switched_pair_term import CombiningPairTerm, SwitchedPairDescription
from mliap_hybrid.physics.buffered_14_7 import buffered_14_7
from mliap_hybrid.physics.combining import cubic_mean, harmonic_mean_of_means, waldman_hagler
from mliap_hybrid.structure import Geometry

USUAL_DEPTH = 0.0035
"""eV: depth of two like atoms where nothing is said of it, 0.08 kcal/mol."""

Combining = Literal["hhg", "waldman-hagler"]


class Buffered147Settings(PairSection):
    """Buffered 14-7 potential of pairs (Halgren 1992), in place of exchange repulsion and dispersion."""

    combining: Combining = "hhg"
    """Depths of pairs. hhg: 4 eps_i eps_j / (sqrt(eps_i) + sqrt(eps_j))^2, as in AMOEBA; waldman-hagler: as in
    AMOEBA+."""
    radius: dict[str, float] | None = None
    """R of each element in Å, where the energy of two like atoms is -eps; null: twice the van der Waals radius."""
    depth: dict[str, float] | None = None
    """eps of each element in eV; null: 0.0035 eV, for something to start from."""
    largest_radius_ratio: Annotated[float, Field(gt=1)] = 1.3
    """The same as `largest_ratio` for radii."""

    title: ClassVar[str] = "buffered_14_7"

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
        radii = self.table("radius", self.radius, elements, contact_distances(elements))
        depths = self.table("depth", self.depth, elements, dict.fromkeys(elements, USUAL_DEPTH))
        starts = (
            Start("vdw_radius", "Å", radii, self.largest_radius_ratio),
            Start("vdw_depth", "eV", depths, self.largest_ratio),
        )
        return self.made(Buffered147(context.cutoff, self.switch_width, self.pairs, self.combining), starts)


class Buffered147Description(SwitchedPairDescription):
    """The term in a model file; its parameters are `vdw_radius` and `vdw_depth`."""

    name: ClassVar[str] = "buffered 14-7 potential"
    first_parameter: ClassVar[str] = "vdw_depth"
    kind: Literal["buffered_14_7"] = "buffered_14_7"
    combining: Combining


class Buffered147(CombiningPairTerm):
    """The buffered 14-7 potential with combined radii and depths."""

    kind = "buffered_14_7"
    takes = ("vdw_radius", "vdw_depth")

    def interaction(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Energy (n_pairs,), eV, of two atoms."""
        radii, depths = (self.of_both(geometry, parameters, name) for name in self.takes)
        depth = harmonic_mean_of_means(*depths) if self.combining == "hhg" else waldman_hagler(*depths, *radii)
        return buffered_14_7(distances, cubic_mean(*radii), depth)

    def describe(self) -> Buffered147Description:
        """As in `Term`."""
        return Buffered147Description(**self.settings())
