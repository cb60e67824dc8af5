"""Damped dispersion of pairs, with coefficients that are constant, fitted or predicted for each atom.

    E = -1/2 sum_ij s(r) [ f_6(b r) C6_ij / r^6 + f_8(b r) C8_ij / r^8 ],      C_ij = sqrt(C_i C_j),
    f_n(x) = 1 - exp(-x) sum_{k <= n} x^k / k!

f_n damps what a point-like expansion says of atoms that overlap (Tang and Toennies, J. Chem. Phys. 80, 3726 (1984)); s
goes from one to zero with two continuous derivatives before the cutoff, beyond which there is nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from ase.data import atomic_numbers, chemical_symbols
from pydantic import Field, model_validator
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.bounds import Ratio
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.parameters import ElementParameter, FittedParameter, Parameter, PredictedParameter
from mliap_hybrid.model.term import PairTerm, TermDescription
from mliap_hybrid.model.term_section import MadeTerm, TermContext, TermSection
from mliap_hybrid.section import Positive
from mliap_hybrid.structure import Geometry
from mliap_hybrid.units import BOHR, HARTREE

C8_OVER_C6 = 7.0
"""Å^2: what C8 is in units of C6 where nothing is said of it, as in argon (25 bohr^2; hydrogen has 19)."""


class DispersionSettings(TermSection):
    """Dispersion of pairs, damped where atoms overlap (Tang and Toennies 1984), up to the cutoff of the features."""

    coefficients: Literal["none", "constant", "fitted", "predicted"] = "none"
    """Where C6 and C8 of atoms come from. none: no dispersion; constant: those of `c6` and `c8`; fitted: one ratio to
    these for each element, learned with the network; predicted: a ratio for each atom, by two more networks from the
    same features."""
    c6: dict[str, float] | None = None
    """C6 of each element in eV Å^6, such as {C: 27.8, H: 3.9}; null: of free atoms (Chu and Dalgarno 2004, as ASE has
    them)."""
    c8: dict[str, float] | None = None
    """C8 of each element in eV Å^8; null: 7 Å^2 times C6."""
    damping: Positive = 3.5
    """Range b of the damping in 1/Å: it is half gone at r = 7 / b."""
    switch_width: Positive = 1.0
    """Distance in Å before the cutoff over which the energy goes to zero."""
    largest_ratio: Annotated[float, Field(gt=1)] = 3.0
    """R: coefficients stay between 1/R and R times where they start from."""
    hidden: list[Annotated[int, Field(gt=0)]] = Field(default=[32, 32])
    """Widths of the hidden layers of each of the two networks, where coefficients are predicted."""

    source_key: ClassVar[str] = "coefficients"
    not_with: ClassVar[Mapping[str, tuple[str, ...]]] = {"weak_supervision": ("fitted",)}

    @property
    def source(self) -> str:
        """As in `TermSection`."""
        return "constant" if self.coefficients == "none" else self.coefficients

    def options(self, excluded: Sequence[str]) -> str:
        """As in `TermSection`."""
        return ", ".join(kind for kind in ("none", "constant", "fitted", "predicted") if kind not in excluded)

    @model_validator(mode="after")
    def _is_used(self) -> DispersionSettings:
        changed = [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]
        if self.coefficients == "none" and changed:
            raise ValueError("there are settings but no term: set coefficients to constant, fitted or predicted")
        return self

    def make(self, context: TermContext) -> MadeTerm | None:
        """As in `TermSection`.

        Raises
        ------
        InputError
            If there is no coefficient for an element, or one is not positive.
        """
        if self.coefficients == "none":
            return None
        c6 = coefficients(self.c6, free_atom_c6(), context.elements, "c6")
        usual_c8 = dict(zip(context.elements, (C8_OVER_C6 * c6).tolist(), strict=True))
        c8 = coefficients(self.c8, usual_c8, context.elements, "c8")
        parameters = tuple(
            self._parameter(name, unit, start) for name, unit, start in (("c6", "eV Å^6", c6), ("c8", "eV Å^8", c8))
        )
        hidden = {parameter.name: tuple(self.hidden) for parameter in parameters if parameter.head is not None}
        return MadeTerm(Dispersion(context.cutoff, self.damping, self.switch_width), parameters, hidden)

    def _parameter(self, name: str, unit: str, start: Tensor) -> Parameter:
        if self.coefficients == "constant":
            return ElementParameter(name, unit, start)
        bound = Ratio(self.largest_ratio)
        if self.coefficients == "fitted":
            return FittedParameter(name, unit, start, bound)
        return PredictedParameter(name, unit, start, bound)


class DispersionDescription(TermDescription):
    """The term in a model file; the coefficients are the parameters `c6` and `c8`."""

    kind: Literal["dispersion"] = "dispersion"
    damping: Annotated[float, Field(gt=0)]
    """b, 1/Å."""
    switch_width: Annotated[float, Field(gt=0)]
    """Å."""

    def title(self, sources: Any, on_features: str, n_members: int) -> str:
        """As in `TermDescription`."""
        return f"damped dispersion, {sources['c6']} coefficients"


class Dispersion(PairTerm):
    """-C6/r^6 - C8/r^8, damped and switched off."""

    kind = "dispersion"
    cost = "exchange"
    takes = ("c6", "c8")

    def __init__(self, cutoff: float, damping: float, switch_width: float):
        """Make the term.

        Parameters
        ----------
        cutoff : float, Å
            Of the neighbour pairs.
        damping : float, 1/Å
            b.
        switch_width : float, Å
            What the switch takes before the cutoff.
        """
        super().__init__()
        self.cutoff = cutoff
        self.damping = damping
        self.switch_width = switch_width

    def pair_energies(self, geometry: Geometry, distances: Tensor, parameters: ParameterValues) -> Tensor:
        """Half of each pair's dispersion (n_pairs,), eV, as its centre has it."""
        f6, f8 = tang_toennies(self.damping * distances)  # (n_pairs,) each
        squared = distances.square()  # (n_pairs,)
        of_r6, of_r8 = f6 / squared**3, f8 / squared**4  # (n_pairs,) each
        c6, c8 = (self._of_pairs(geometry, parameters, name) for name in self.takes)  # (n_pairs,) each
        return -0.5 * switch(distances, self.cutoff, self.switch_width) * (c6 * of_r6 + c8 * of_r8)

    def describe(self) -> DispersionDescription:
        """As in `Term`."""
        return DispersionDescription(damping=self.damping, switch_width=self.switch_width)

    @classmethod
    def restore(cls, description: Any, arrays: Any, cutoff: float) -> Dispersion:
        """As in `Term`."""
        return cls(cutoff, description.damping, description.switch_width)

    def _of_pairs(self, geometry: Geometry, parameters: ParameterValues, name: str) -> Tensor:
        """sqrt(C_i C_j) (n_pairs,)."""
        return (parameters[name].index_select(0, geometry.pair_i) * parameters.of_neighbours(name)).sqrt()


def tang_toennies(x: Tensor) -> tuple[Tensor, Tensor]:
    """f_6 and f_8 (n,) of x = b r (n,)."""
    exponential = torch.exp(-x)
    polynomial = torch.ones_like(x)  # sum of x^k / k! to the order of the loop, by Horner's scheme
    for k in range(6, 0, -1):
        polynomial = 1.0 + polynomial * x / k
    f6 = 1.0 - exponential * polynomial
    x7 = x**7 / math.factorial(7)
    return f6, f6 - exponential * x7 * (1.0 + x / 8.0)


def switch(distances: Tensor, cutoff: float, width: float) -> Tensor:
    """1 up to cutoff - width, 0 from the cutoff on; between, 1 - x^3 (10 - 15 x + 6 x^2), smooth to second order."""
    x = ((distances - (cutoff - width)) / width).clamp(0.0, 1.0)
    return 1.0 - x**3 * (10.0 - x * (15.0 - 6.0 * x))


def free_atom_c6() -> dict[int, float]:
    """Atomic number -> C6 of the free atom in eV Å^6 (Chu and Dalgarno, J. Chem. Phys. 121, 4083 (2004); ASE)."""
    from ase.calculators.vdwcorrection import vdWDB_alphaC6  # takes most of scipy along, which no run needs

    unit = HARTREE * BOHR**6
    return {atomic_numbers[symbol]: float(values[1]) * unit for symbol, values in vdWDB_alphaC6.items()}  # type: ignore[index]


def coefficients(
    given: dict[str, float] | None, usual: dict[int, float], elements: tuple[int, ...], name: str
) -> Tensor:
    """Coefficients (n_elements,) of a table, or the usual ones.

    Raises
    ------
    InputError
        If one is missing or not positive.
    """
    table = usual if given is None else {atomic_numbers.get(symbol, 0): value for symbol, value in given.items()}
    values = [table.get(z, 0.0) for z in elements]
    for z, value in zip(elements, values, strict=True):
        if not 0.0 < value < math.inf:
            raise InputError(
                f"dispersion.{name}: expected a positive coefficient for {chemical_symbols[z]}, found "
                f"{value or 'none'}; give a table with an entry for each element"
            )
    return torch.tensor(values, dtype=torch.float64)
