"""Features as plain data: everything that determines them, for checkpoints, exports and the feature cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from ase.data import atomic_numbers, chemical_symbols
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mliap_hybrid.features.acsf import SymmetryFunctions
from mliap_hybrid.features.density import DensityTable, PseudoDensity
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.features.radial import SplinedRadial


def _check_elements(symbols: list[str]) -> list[str]:
    numbers = [atomic_numbers.get(symbol, 0) for symbol in symbols]
    if not numbers or min(numbers) < 1 or numbers != sorted(set(numbers)):
        raise ValueError("expected symbols of elements by ascending atomic number")
    return symbols


Elements = Annotated[list[str], AfterValidator(_check_elements)]

Positive = Annotated[float, Field(gt=0)]

FEW = Field(max_length=64)
"""Settings whose products become features: more would be as many features as fit into no model."""


class PrimitivesDescription(BaseModel):
    """Pseudo-density of one element."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    amplitudes: list[float]
    """e/Å^3."""
    exponents: list[Positive]
    """1/Å^2."""


class MultipolesDescription(BaseModel):
    """Settings of `GaussianMultipoles`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["multipoles"] = "multipoles"
    """Tells the two kinds of features apart."""
    elements: Elements
    """Symbols, by ascending atomic number."""
    orders: Annotated[list[int], FEW]
    """Multipole orders."""
    widths: Annotated[list[Positive], FEW]
    """Probe widths in Å."""
    cutoff: Positive
    """Å."""
    taper_width: Annotated[float, Field(ge=0)]
    """Width of the last stretch before the cutoff in which the features fade, Å."""
    channels: Annotated[list[str], FEW]
    """Density channels."""
    products: str
    """Which products of moments are features."""
    third_order: str = "none"
    """Which products of three moments are features; models without the entry have none."""
    normalization: str
    """Normalisation of the features."""
    root_offset: float | None
    """Offset of the features' square root; None for plain squares."""
    radial: str
    """Whether radial functions are tabulated (spline) or summed (exact)."""
    densities: dict[str, PrimitivesDescription]
    """Symbol -> pseudo-density."""

    @property
    def title(self) -> str:
        """Name of the features, for people."""
        return "Gaussian multipoles"

    @property
    def summary(self) -> str:
        """The most telling settings, for people."""
        text = f"orders {_list(self.orders)}; widths {_list(self.widths)} Å; channels {' '.join(self.channels)}"
        return text if self.third_order == "none" else f"{text}; third order {self.third_order}"

    def build(self) -> GaussianMultipoles:
        """The features; raises InputError if an element has no pseudo-density."""
        return GaussianMultipoles(
            orders=self.orders,
            widths=self.widths,
            cutoff=self.cutoff,
            elements=[atomic_numbers[symbol] for symbol in self.elements],
            table=_table(self.densities),
            taper_width=self.taper_width,
            channels=self.channels,
            products=self.products,
            third_order=self.third_order,
            normalization=self.normalization,
            root_offset=self.root_offset,
            radial=self.radial,
        )


class MomentsDescription(BaseModel):
    """Settings of `NeighbourMoments`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["moments"] = "moments"
    """Tells the kinds of features apart."""
    elements: Elements
    """Symbols, by ascending atomic number."""
    widths: Annotated[list[Positive], FEW]
    """Probe widths in Å."""
    cutoff: Positive
    """Å."""
    taper_width: Annotated[float, Field(ge=0)]
    """Width of the last stretch before the cutoff in which the moments fade, Å."""
    channels: Annotated[list[str], FEW] | None
    """Density channels that tell neighbours apart; None where their elements do."""
    densities: dict[str, PrimitivesDescription]
    """Symbol -> pseudo-density."""

    @property
    def title(self) -> str:
        """Name of the features, for people."""
        return "learned contractions of moments"

    @property
    def summary(self) -> str:
        """The most telling settings, for people."""
        kinds = "element" if self.channels is None else f"of the densities {' '.join(self.channels)}"
        return f"moments for each {kinds}; widths {_list(self.widths)} Å"

    def build(self) -> NeighbourMoments:
        """The features; raises InputError if an element has no pseudo-density."""
        elements = [atomic_numbers[symbol] for symbol in self.elements]
        table = _table(self.densities)
        settings = {"channels": self.channels, "taper_width": self.taper_width}
        return NeighbourMoments(self.widths, self.cutoff, elements, table, **settings)  # type: ignore[arg-type]


class SymmetryFunctionsDescription(BaseModel):
    """Settings of `SymmetryFunctions`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["symmetry functions"] = "symmetry functions"
    """Tells the two kinds of features apart."""
    elements: Elements
    """Symbols, by ascending atomic number."""
    cutoff: Positive
    """Å."""
    radial_functions: list[tuple[float, float]]
    """eta in 1/Å^2 and shift in Å of each G2."""
    angular_functions: list[tuple[float, float, float]]
    """eta in 1/Å^2, zeta and lambda of each G4 or G5."""
    angular_form: str
    """G4 or G5."""
    cutoff_function: str
    """Name of the cutoff function."""

    @property
    def title(self) -> str:
        """Name of the features, for people."""
        return "symmetry functions"

    @property
    def summary(self) -> str:
        """The most telling settings, for people."""
        return f"{len(self.radial_functions)} G2, {len(self.angular_functions)} {self.angular_form}"

    def build(self) -> SymmetryFunctions:
        """The features."""
        return SymmetryFunctions(
            [atomic_numbers[symbol] for symbol in self.elements],
            self.cutoff,
            self.radial_functions,
            self.angular_functions,
            angular_form=self.angular_form,
            cutoff_function=self.cutoff_function,
        )


class NoFeaturesDescription(BaseModel):
    """Settings of `NoFeatures`."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: Literal["none"] = "none"
    """Tells them apart from real features."""
    elements: Elements
    """Symbols, by ascending atomic number."""
    cutoff: Positive
    """Å."""

    @property
    def title(self) -> str:
        """Name of the features, for people."""
        return "no features"

    @property
    def summary(self) -> str:
        """The most telling settings, for people."""
        return "none"

    def build(self) -> NoFeatures:
        """The features."""
        return NoFeatures([atomic_numbers[symbol] for symbol in self.elements], self.cutoff)


AnyDescription = MultipolesDescription | MomentsDescription | SymmetryFunctionsDescription | NoFeaturesDescription

FeatureDescription = Annotated[AnyDescription, Field(discriminator="kind")]
"""One of them; its entry `kind` says which."""


def describe_features(features: Featuriser) -> AnyDescription:
    """Everything that determines the features.

    Raises
    ------
    TypeError
        If they are of a kind that cannot be described.
    """
    if isinstance(features, NoFeatures):
        return NoFeaturesDescription(elements=[chemical_symbols[z] for z in features.elements], cutoff=features.cutoff)
    if not isinstance(features, GaussianMultipoles | NeighbourMoments | SymmetryFunctions):
        raise TypeError(f"expected features that are known, got {type(features).__name__}")
    symbols = [chemical_symbols[z] for z in features.elements]
    if isinstance(features, NeighbourMoments):
        return MomentsDescription(
            elements=symbols,
            widths=list(features.widths),
            cutoff=features.cutoff,
            taper_width=features.taper_width,
            channels=None if features.by_element else list(features.channels),
            densities=_primitives(features.densities),
        )
    if isinstance(features, SymmetryFunctions):
        return SymmetryFunctionsDescription(
            elements=symbols,
            cutoff=features.cutoff,
            radial_functions=list(features.radial),
            angular_functions=list(features.angular),
            angular_form=features.angular_form,
            cutoff_function=features.cutoff_function,
        )
    return MultipolesDescription(
        elements=symbols,
        orders=list(features.orders),
        widths=list(features.widths),
        cutoff=features.cutoff,
        taper_width=features.taper_width,
        channels=list(features.channels),
        products=features.products,
        third_order=features.third_order,
        normalization=features.normalization,
        root_offset=features.root_offset,
        radial="spline" if isinstance(features.radial, SplinedRadial) else "exact",
        densities=_primitives(features.densities),
    )


def _primitives(table: DensityTable) -> dict[str, PrimitivesDescription]:
    return {
        chemical_symbols[z]: PrimitivesDescription(
            amplitudes=density.amplitudes.tolist(), exponents=density.exponents.tolist()
        )
        for z, density in table.densities.items()
    }


def _table(densities: Mapping[str, PrimitivesDescription]) -> DensityTable:
    made = {
        atomic_numbers[symbol]: PseudoDensity(np.array(entry.amplitudes), np.array(entry.exponents))
        for symbol, entry in densities.items()
    }
    return DensityTable("of the model", made)


def _list(values: list[int] | list[float]) -> str:
    return " ".join(f"{value:g}" for value in values)
