"""`dipoles`: permanent and induced dipoles of atoms, and where their numbers come from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import torch
from ase.data import atomic_numbers, chemical_symbols
from pydantic import Field, model_validator
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.bounds import Bound, VolumeRatio, Within
from mliap_hybrid.model.parameters import ElementParameter, FittedParameter, Parameter, PredictedParameter
from mliap_hybrid.model.term_section import MadeTerm, TermContext, TermSection
from mliap_hybrid.model.terms.dipoles import Dipoles
from mliap_hybrid.physics.damping import damping_of
from mliap_hybrid.section import Positive
from mliap_hybrid.units import BOHR

Source = Literal["none", "constant", "fitted", "predicted"]

OF_MOLECULES = {1: 0.496, 6: 1.334, 7: 1.073, 8: 0.837}
"""Å^3: polarisabilities with which damped atoms together have those of molecules (Thole 1981, as in AMOEBA: Ren and
Ponder, J. Phys. Chem. B 107, 5933 (2003))."""

POWER_OF_VOLUME = 4.0 / 3.0
"""Polarisabilities go as this power of an atom's volume, as those of confined atoms do (Gobre, thesis, Freie
Universität Berlin (2016))."""


USUAL_FACTORS = {"gaussian": 0.6, "thole": 0.39}
"""Of each damping: that of AMOEBA, and one with which Gaussians give molecules nearly the same polarisabilities."""

FACTORS = {"gaussian": (0.5, 1.0), "thole": (0.2, 0.5)}
"""Lowest and highest of each: Gaussians of 0.46 and wider are stable, Thole's atoms with 0.8 are often not."""


class DipoleSettings(TermSection):
    """Dipoles of atoms beside their charges: permanent ones of bonds, and induced ones with Thole's damping."""

    permanent: Source = "none"
    """Where strengths of permanent dipoles come from: mu_i = sum_j w(r_ij) s_j r_ij over close neighbours j. none: no
    permanent dipoles; constant: those of `strengths`; fitted: one for each element; predicted: of each atom, by one
    more network from the same features."""
    strengths: dict[str, float] | None = None
    """s of each element in e, where they are constant, or where others start from; null: 0."""
    reach: Positive = 2.5
    """Distance R in Å at which w(r) = (1 - r^2/R^2)^3 ends: longer than bonds."""
    largest_strength: Positive = 0.3
    """Bound b in e of what is added to where strengths start from: b tanh(network / b)."""
    induced: Source = "none"
    """Where polarisabilities come from. none: nothing is induced; constant: those of `polarisabilities`; fitted: one
    for each element, between 0.2 and 1.7 times where it starts from; predicted: the same for each atom, by one more
    network."""
    polarisabilities: dict[str, float] | None = None
    """Polarisability of each element in Å^3, such as {H: 0.496, O: 0.837}; null: of atoms in molecules (H, C, N, O, as
    in AMOEBA) and of free atoms (Chu and Dalgarno 2004, as ASE has them)."""
    damping: Literal["gaussian", "thole"] = "gaussian"
    """How close atoms are kept from polarising each other too much. gaussian: they are Gaussians, with which no
    arrangement of atoms can polarise itself without end; thole: the exponential form of AMOEBA, which leaves that to
    the polarisabilities, and ends a run or a training in which it happens."""
    damping_factor: Annotated[float, Field(gt=0)] | None = None
    """Of gaussian, c of widths c alpha^(1/3), from 0.5 to 1, null: 0.6; of thole, a of exp(-a r^3 / sqrt(alpha_i
    alpha_j)), from 0.2 to 0.5, null: 0.39. Small a and large c damp more."""
    between_molecules: bool = False
    """Whether charges and permanent dipoles induce in other molecules alone, as in AMOEBA, and induced ones everywhere.
    For molecules that stay whole: their charges are then those of the molecule as it is. In training and ASE molecules
    are found by bonds, in LAMMPS by molecule IDs; no molecule may meet its own image within the cutoff."""
    tolerance: Annotated[float, Field(ge=1e-13, le=1e-3)] = 1e-8
    """Relative error of induced dipoles, in training and in runs. Errors of forces are of that order."""
    hidden: list[Annotated[int, Field(gt=0)]] = Field(default=[32, 32])
    """Widths of the hidden layers of each network of what is predicted."""

    source_key: ClassVar[str] = "induced or permanent"
    parameters: ClassVar[tuple[str, ...]] = ("bond_dipole", "polarisability")
    not_with: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "weak_supervision": ("fitted",),
        "optimisation.optimiser lm": ("fitted",),  # its derivatives of many residuals at once know no solver
    }

    @property
    def is_on(self) -> bool:
        """Whether there are dipoles."""
        return (self.permanent, self.induced) != ("none", "none")

    @property
    def source(self) -> str:
        """As in `TermSection`: predicted if one of both is, fitted if one is and none is predicted."""
        sources = (self.permanent, self.induced)
        return next((source for source in ("predicted", "fitted") if source in sources), "constant")

    def options(self, excluded: Sequence[str]) -> str:
        """As in `TermSection`."""
        return ", ".join(kind for kind in ("none", "constant", "fitted", "predicted") if kind not in excluded)

    @model_validator(mode="after")
    def _is_used(self) -> DipoleSettings:
        of_parts = {
            "permanent": ("strengths", "reach", "largest_strength"),
            "induced": ("polarisabilities", "damping", "damping_factor", "between_molecules", "tolerance"),
        }
        for part, names in of_parts.items():
            for name in names:
                if getattr(self, part) == "none" and getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(
                        f"{name} has no effect without {part} dipoles: set {part} to constant, fitted or predicted"
                    )
        lowest, highest = FACTORS[self.damping]
        if not lowest <= self._factor <= highest:
            raise ValueError(
                f"damping_factor is {self.damping_factor}, but expected from {lowest} to {highest} with damping "
                f"{self.damping}"
            )
        return self

    @property
    def _factor(self) -> float:
        return USUAL_FACTORS[self.damping] if self.damping_factor is None else self.damping_factor

    def make(self, context: TermContext) -> MadeTerm | None:
        """As in `TermSection`.

        Raises
        ------
        InputError
            If there is no polarisability for an element, or one is not positive.
        """
        if not self.is_on:
            return None
        electrostatics = context.made["electrostatics"]
        smearing: float = electrostatics.term.smearing  # type: ignore[assignment]
        reach = None if self.permanent == "none" else self.reach
        damping = None if self.induced == "none" else damping_of(self.damping, self._factor)
        term = Dipoles(context.cutoff, smearing, reach, damping, self.tolerance, self.between_molecules)
        parameters: list[Parameter] = [*electrostatics.parameters]
        if reach is not None:
            table = {atomic_numbers.get(symbol, 0): value for symbol, value in (self.strengths or {}).items()}
            start = torch.tensor([table.get(z, 0.0) for z in context.elements], dtype=torch.float64)
            bound = Within(self.largest_strength)
            parameters.append(_parameter(self.permanent, "bond_dipole", "e", start, bound))
        if damping is not None:
            start = polarisabilities(self.polarisabilities, context.elements)
            bound_of_volume = VolumeRatio(POWER_OF_VOLUME)
            parameters.append(_parameter(self.induced, "polarisability", "Å^3", start, bound_of_volume))
        hidden = {parameter.name: tuple(self.hidden) for parameter in parameters[1:] if parameter.head is not None}
        return MadeTerm(term, tuple(parameters), hidden)


def _parameter(source: str, name: str, unit: str, start: Tensor, bound: Bound) -> Parameter:
    if source == "constant":
        return ElementParameter(name, unit, start)
    return (FittedParameter if source == "fitted" else PredictedParameter)(name, unit, start, bound)


def polarisabilities(given: Mapping[str, float] | None, elements: Sequence[int]) -> Tensor:
    """Polarisabilities (n_elements,), Å^3, of a table, or the usual ones.

    Raises
    ------
    InputError
        If one is missing or not positive.
    """
    from ase.calculators.vdwcorrection import vdWDB_alphaC6  # takes most of scipy along, which no run needs

    free = {atomic_numbers[symbol]: float(values[0]) * BOHR**3 for symbol, values in vdWDB_alphaC6.items()}  # type: ignore[index]
    of_table = {atomic_numbers.get(symbol, 0): value for symbol, value in (given or {}).items()}
    table = free | OF_MOLECULES if given is None else of_table
    for z in elements:
        if not 0.0 < table.get(z, 0.0) < math.inf:
            raise InputError(
                f"dipoles.polarisabilities: expected a positive number in Å^3 for {chemical_symbols[z]}, found "
                f"{table.get(z, 'none')}; give a table with an entry for each element"
            )
    return torch.tensor([table[z] for z in elements], dtype=torch.float64)
