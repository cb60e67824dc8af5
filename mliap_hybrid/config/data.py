"""`data`: which frames, and the names and units of their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from mliap_hybrid.config.section import Fraction, Section
from mliap_hybrid.errors import did_you_mean
from mliap_hybrid.units import ENERGY_UNITS, LENGTH_UNITS


class LabelKeys(Section):
    """Names under which the files hold their labels."""

    energy: str = "energy"
    """Total energy of a frame."""
    forces: str | None = "forces"
    """Forces on the atoms; null trains without them."""
    stress: str | None = None
    """Stress of a frame (ASE sign: dE/d(strain)/V); null trains without it."""
    charges: str | None = None
    """Reference charges of the atoms in e, used by `charges: reference` and, with predicted charges, as labels."""
    dipole: str | None = None
    """Dipole moment of a molecule about the origin, in e times `units.length`; a label of predicted charges."""
    born_charges: str | None = None
    """Born effective charges of the atoms in e, 3 x 3 for each: dM_a/dr_b in row a, column b; a label of predicted
    charges."""
    total_charge: str | None = None
    """Total charge of a frame in e; null means that every frame is neutral."""
    config_type: str | None = "config_type"
    """Kind of a frame, such as liquid or surface: the report has an error table by kind where frames say theirs. null
    leaves the table out."""


class LabelUnits(Section):
    """Units of the labels in the files."""

    energy: str = "eV"
    """Unit of energies; forces are in this unit per `length`."""
    length: str = "Å"
    """Unit of positions and cells."""

    @field_validator("energy")
    @classmethod
    def _known_energy(cls, value: str) -> str:
        if value not in ENERGY_UNITS:
            raise ValueError(f"unknown energy unit '{value}': {did_you_mean(value, ENERGY_UNITS)}")
        return value

    @field_validator("length")
    @classmethod
    def _known_length(cls, value: str) -> str:
        if value not in LENGTH_UNITS:
            raise ValueError(f"unknown length unit '{value}': {did_you_mean(value, LENGTH_UNITS)}")
        return value


class DataSettings(Section):
    """Which frames to train on, and how to read them."""

    files: list[Path] = Field(min_length=1)
    """Files that ASE reads (extxyz, also .xz and .gz; ASE db), input.data of n2p2, and data sets of the sgdml package
    (.npz, which say their units themselves), relative to the training file."""
    split_key: str | None = None
    """Name of a frame's entry that says train, validation or test. Overrides the two fractions."""
    validation: Fraction = 0.1
    """Fraction of the frames used to choose the best epoch."""
    test: Fraction = 0.1
    """Fraction of the frames kept for the error table."""
    keys: LabelKeys = LabelKeys()
    """Names of the labels."""
    units: LabelUnits = LabelUnits()
    """Units of the labels."""
    missing_labels: Literal["refuse", "allow"] = "refuse"
    """What becomes of frames that lack some of the labels named under `keys`. refuse: nothing is trained, and a message
    says how many there are; allow: they are trained on with the labels that they have, at least one that the loss uses.
    An entry that is NaN throughout is a missing label, too."""
    cache: Path | None = None
    """Folder of the feature cache, relative to the training file: features are computed once and read by all later
    runs. null computes them anew for each run. Of features that no native kernel knows (`acsf`, orders above 6) it
    holds the derivatives as well, and a training that is too large for the memory reads them from there."""
    cache_workers: int = Field(default=1, ge=1)
    """Processes that compute features for the cache."""
