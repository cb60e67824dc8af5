"""`electrostatics`: where charges come from, and how smeared they are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field, field_validator

from mliap_hybrid.errors import did_you_mean
from mliap_hybrid.model.bounds import Within
from mliap_hybrid.model.neutrality import neutrality_of
from mliap_hybrid.model.parameters import ElementParameter, FittedParameter, PredictedParameter
from mliap_hybrid.model.term_section import MadeTerm, TermContext, TermSection
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.section import Positive

CHARGE_SOURCES = ("none", "formal", "reference", "fitted", "predicted")
"""What `electrostatics.charges` may say, beside a table."""

STARTING_CHARGES = ("zero", "formal", "reference")
"""What `electrostatics.starting_charges` may say, beside a table."""


MOST_CHARGE = 1000.0
"""e. No element has such a charge; whole numbers of Python have no end."""


def largest_smearing(cutoff: float) -> float:
    """Largest smearing of charges in Å whose difference to point charges ends within a cutoff in Å."""
    return cutoff / 5.5


def _check_charges(value: Any, sources: tuple[str, ...], what: str) -> Any:
    """The value, if it is one of the sources or a table of numbers."""
    if isinstance(value, str) and value not in sources:
        raise ValueError(f"unknown {what} '{value}': {did_you_mean(value, sources)}")
    if isinstance(value, dict):
        for symbol, charge in value.items():
            if not isinstance(charge, int | float) or not abs(charge) < MOST_CHARGE:
                raise ValueError(f"the charge of {symbol} must be a number in e, not {charge!r:.40}")
    elif not isinstance(value, str):
        raise ValueError("expected " + ", ".join(sources) + " or a table such as {Na: 1.0, Cl: -1.0}")
    return value


@dataclass(frozen=True)
class ChargeSource:
    """Where the charges of the elements come from: fixed ones, or those that others start from."""

    setting: str
    """Of this section, which names it."""
    name: str | dict[str, float]
    """What the setting says."""
    is_start: bool
    """Whether training changes them."""
    any_sum: bool
    """Whether they need not sum to the total charge."""
    meets_labels: bool
    """Whether what follows from them is compared with charges of atoms."""


class ElectrostaticsSettings(TermSection):
    """The long-range term: Gaussian charges, fixed for each element or predicted from the surroundings."""

    charges: Literal["none", "formal", "reference", "fitted", "predicted"] | dict[str, float] = "none"
    """Where the charges come from. none: no long-range term; formal: oxidation states (pymatgen);
    reference: mean of the reference charges of each element; fitted: one for each element, learned with the network
    from energies and forces; predicted: of each atom, by a second network from the same features; or a table such as
    {Na: 1.0, Cl: -1.0} in e. The settings below, `smearing` apart, are for predicted charges. Where the file does not
    say it: fitted, if all frames are periodic and neutral and a short training has a validation loss lower by more
    than a fifth with them than without; else none."""
    smearing: Positive = 1.0
    """Smearing sigma of the charges in Å; at most cutoff / 5.5, where erfc(r / (sqrt(2) sigma)) has fallen to 4e-8."""
    neutrality: Literal["shift", "increments"] = "shift"
    """How predicted charges keep the total charge. shift: all atoms of a structure are moved by one number;
    increments: neighbours give each other charge, so that systems far apart have the charges that each has alone, and
    the total charge is that of the starting charges."""
    starting_charges: Literal["zero", "formal", "reference"] | dict[str, float] = "formal"
    """Charges q0 of the elements that predicted charges start from: zero, formal, reference or a table, as above."""
    charge_hidden: list[Annotated[int, Field(gt=0)]] = Field(default=[64, 64])
    """Widths of the hidden layers of the charge network."""
    largest_charge: Positive = 2.0
    """Bound b in e of what the charge network adds to q0: b tanh(network / b)."""
    total_charge_input: bool = False
    """Whether both networks see the total charge of the structure, for systems of several total charges."""

    @field_validator("charges", mode="before")
    @classmethod
    def _known_charges(cls, value: Any) -> Any:
        return _check_charges(value, CHARGE_SOURCES, "source of charges")

    @field_validator("starting_charges", mode="before")
    @classmethod
    def _known_starting_charges(cls, value: Any) -> Any:
        return _check_charges(value, STARTING_CHARGES, "source of starting charges")

    source_key: ClassVar[str] = "charges"
    parameters: ClassVar[tuple[str, ...]] = ("charge",)

    @property
    def source(self) -> str:
        """As in `TermSection`."""
        return self.charges if self.charges in ("fitted", "predicted") else "constant"

    def options(self, excluded: Sequence[str]) -> str:
        """As in `TermSection`."""
        return f"none, formal, reference{'' if 'fitted' in excluded else ', fitted'} or a table"

    def check(self, cutoff: float, labels: Collection[str]) -> None:
        """As in `TermSection`."""
        largest = largest_smearing(cutoff)
        if self.charges != "none" and self.smearing > largest:
            raise ValueError(
                f"electrostatics.smearing {self.smearing} Å is too wide for features.cutoff {cutoff} Å: expected at "
                f"most {largest:.3f} Å"
            )
        for setting in ("charges", "starting_charges") if self.predicts else ("charges",):
            if getattr(self, setting) == "reference" and "charges" not in labels:
                raise ValueError(
                    f"electrostatics.{setting} is reference, but data.keys.charges does not name a charge label"
                )
        if self.total_charge_input and not self.predicts:
            raise ValueError("electrostatics.total_charge_input has no effect unless charges are predicted")
        if self.total_charge_input and "total_charge" not in labels:
            raise ValueError(
                "electrostatics.total_charge_input is set, but data.keys.total_charge does not name the total charge"
            )

    @property
    def predicts(self) -> bool:
        """Whether charges are predicted."""
        return self.charges == "predicted"

    @property
    def charge_source(self) -> ChargeSource:
        """Of the charges of the elements."""
        if self.predicts:
            return ChargeSource("starting_charges", self.starting_charges, True, self.neutrality == "shift", True)
        return ChargeSource("charges", self.charges, self.charges == "fitted", False, False)

    def make(self, context: TermContext) -> MadeTerm | None:
        """The long-range term with its charges; fitted ones are kept neutral by fitting/charge_products.py."""
        if self.charges == "none":
            return None
        term, start = Electrostatics(self.smearing), context.start["charge"].double()  # (n_elements,) e
        if self.predicts:
            neutrality = neutrality_of(self.neutrality, context.cutoff)
            predicted = PredictedParameter("charge", "e", start, Within(self.largest_charge), neutrality)
            return MadeTerm(term, (predicted,), {"charge": tuple(self.charge_hidden)})
        if self.charges == "fitted":
            return MadeTerm(term, (FittedParameter("charge", "e", start, Within(torch.inf)),))
        return MadeTerm(term, (ElementParameter("charge", "e", start),))
