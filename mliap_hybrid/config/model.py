"""`features`, `network`, `repulsion`, `electrostatics`: what the model is made of."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from mliap_hybrid.config.section import Positive, Section
from mliap_hybrid.errors import did_you_mean

CHARGE_SOURCES = ("none", "formal", "reference", "fitted", "predicted")
"""What `electrostatics.charges` may say, beside a table."""

STARTING_CHARGES = ("zero", "formal", "reference")
"""What `electrostatics.starting_charges` may say, beside a table."""


class FeatureSettings(Section):
    """Features of the surroundings of an atom: Gaussian multipoles (Lei and Medford 2022) or symmetry functions."""

    set: Literal["gmp-classic", "gmp-2c", "gmp-2c3", "gmp-3c3", "gmp-3c3w", "acsf"] = "gmp-2c3"
    """Named set, with its number of features for the default widths and order. gmp-classic (16): the squares of the
    paper, of the valence density alone; gmp-2c (116): a second density, one count for every atom, and the products of
    all pairs of probes; gmp-2c3 (148): with products of three moments; gmp-3c3 (294): with a third density, that of the
    core electrons; gmp-3c3w (438): with more products of three. More features cost time and find more. acsf: symmetry
    functions (Behler and Parrinello 2007) in place of multipoles, more of them with each element; of the settings
    below, `cutoff` alone is theirs. Where the file does not say it, gmp-3c3w for several elements."""
    max_order: int = Field(default=3, ge=0, le=9)
    """Highest multipole order n; orders 0..n are used."""
    widths: list[Positive] = Field(default=[0.25, 0.5, 1.0, 2.0])
    """Widths s of the Gaussian probes in Å. Where the file does not say it, four between a quarter of the distance of
    nearest neighbours and a third of the cutoff, in equal ratios."""
    cutoff: Positive = 6.0
    """Cutoff radius r_c in Å: how far an atom sees, and the cutoff of the LAMMPS pair style."""
    density_table: str = "gth-pbe"
    """Pseudo-density table: a shipped name, a .gpsp file, or a folder of .g files."""
    selection: Literal["none", "fps", "cur"] = "none"
    """Which features the network sees. none: all; fps: `n_selected` that are as different from each other as possible
    on the training atoms; cur: `n_selected` from which the others are best rebuilt."""
    n_selected: int | None = Field(default=None, ge=1)
    """Number of features to select."""

    @model_validator(mode="after")
    def _selection_has_its_number(self) -> FeatureSettings:
        if self.selection != "none" and self.n_selected is None:
            raise ValueError(f"selection {self.selection} needs n_selected, the number of features to select")
        if self.selection == "none" and self.n_selected is not None:
            raise ValueError("n_selected has no effect without a selection: set selection to fps or cur")
        return self


class NetworkSettings(Section):
    """The network of the energy, which all elements share, and where the forces come from."""

    hidden: list[Annotated[int, Field(gt=0)]] = Field(default=[256, 128])
    """Widths of the hidden layers."""
    whitening_damping: Positive = 1e-3
    """Damping of the PCA whitening, relative to the largest variance: 1e-5 for about 30 features, 1e-3 for hundreds,
    more where training frames are few."""
    forces: Literal["conservative", "direct"] = "conservative"
    """Where forces come from. conservative: they are the gradient of the energy; direct: a second network predicts
    them. Direct forces do not conserve energy: in molecular dynamics the total energy drifts, and minimisations find no
    minimum of the energy. They are for research on training, and are exported only with `--allow-non-conservative`."""
    force_hidden: list[Annotated[int, Field(gt=0)]] | None = None
    """Widths of the hidden layers of the second network, with `forces: direct`; null: those of `hidden`."""

    @model_validator(mode="after")
    def _force_network_is_used(self) -> NetworkSettings:
        if self.force_hidden is not None and self.forces != "direct":
            raise ValueError("force_hidden has no effect unless forces is direct")
        return self


class RepulsionSettings(Section):
    """Screened nuclear repulsion (Ziegler, Biersack, Littmark 1985) at short distance."""

    kind: Literal["zbl", "none"] = "zbl"
    """zbl adds it, none leaves it out."""


def _check_charges(value: Any, sources: tuple[str, ...], what: str) -> Any:
    """The value, if it is one of the sources or a table of numbers."""
    if isinstance(value, str) and value not in sources:
        raise ValueError(f"unknown {what} '{value}': {did_you_mean(value, sources)}")
    if isinstance(value, dict):
        for symbol, charge in value.items():
            if not isinstance(charge, int | float) or not math.isfinite(charge):
                raise ValueError(f"the charge of {symbol} must be a number in e, not {charge!r}")
    elif not isinstance(value, str):
        raise ValueError("expected " + ", ".join(sources) + " or a table such as {Na: 1.0, Cl: -1.0}")
    return value


class ElectrostaticsSettings(Section):
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

    @property
    def predicts(self) -> bool:
        """Whether charges are predicted."""
        return self.charges == "predicted"
