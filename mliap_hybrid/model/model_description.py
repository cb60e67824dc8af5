"""What a model is made of, as plain data that can be written as JSON; older versions of it are read, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mliap_hybrid.model.feature_description import FeatureDescription

FIRST_VERSION_FEATURES = (
    "elements",
    "orders",
    "widths",
    "cutoff",
    "taper_width",
    "channels",
    "products",
    "normalization",
    "root_offset",
    "radial",
    "densities",
)
"""Entries of a model's description that are now those of its features."""

LayerSizes = list[Annotated[int, Field(gt=0, le=1_000_000)]]

Positive = Annotated[float, Field(gt=0)]


class PredictedChargesDescription(BaseModel):
    """How a model predicts charges."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    neutrality: Literal["shift", "increments"]
    """Way to keep the total charge."""
    hidden: LayerSizes
    """Hidden layers of the charge network."""
    largest: Positive
    """Bound of the charge network, e."""
    element_charges: dict[str, float]
    """Symbol -> q0 in e, to which the network adds."""
    typical_charges: dict[str, float]
    """Symbol -> mean charge in the training frames, e."""


class DirectForcesDescription(BaseModel):
    """How a model predicts forces that are not the gradient of its energy."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    hidden: LayerSizes
    """Hidden layers of the force network."""


class MoleculesDescription(BaseModel):
    """The kernel model of molecules; its arrays are tensors."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    sigma: Positive
    """Length scale of the kernel, 1/Å."""
    constant: float
    """Constant of integration, eV."""
    n_train: int
    """Number of training geometries."""
    n_permutations: int
    """Number of permutation symmetries."""
    formula: str
    """Symbols of the atoms, in order."""


class ModelDescription(BaseModel):
    """Which terms a model has, and all their settings; the weights are tensors beside it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    features: FeatureDescription
    """What the features are made of."""
    hidden: LayerSizes
    """Hidden layers of the network."""
    whitened: bool
    """Whether the whitening stands beside the network (True) or is folded into its first layer (False)."""
    baseline: dict[str, float]
    """Symbol -> E0, eV."""
    repulsion: Literal["zbl", "none"]
    """Screened nuclear repulsion, or none."""
    charges: dict[str, float] | None
    """Symbol -> fixed charge in e; None where there are none."""
    predicted_charges: PredictedChargesDescription | None = None
    """None where charges are not predicted, as in models before the third version."""
    total_charge_input: bool = False
    """Whether the networks take the total charge as a last input."""
    smearing: Annotated[float, Field(ge=0)]
    """Å."""
    direct_forces: DirectForcesDescription | None = None
    """None where forces are the gradient of the energy, as in models before the fourth version."""
    n_members: Annotated[int, Field(ge=0)] = 1
    """Number of networks whose mean is the energy; 1 in models before the fourth version, 0 without a network."""
    molecules: MoleculesDescription | None = None
    """None where there is no kernel model of molecules, as in models before the fifth version."""

    @model_validator(mode="before")
    @classmethod
    def _gather_features(cls, content: Any) -> Any:
        """Read the first version too, in which the settings of the multipoles stood among those of the model."""
        if not isinstance(content, Mapping) or "features" in content:
            return content
        of_features = {name: content[name] for name in FIRST_VERSION_FEATURES if name in content}
        rest = {name: value for name, value in content.items() if name not in of_features}
        return {"features": {"kind": "multipoles"} | of_features} | rest

    @model_validator(mode="after")
    def _check_tables(self) -> ModelDescription:
        """Each table has an entry for each element, and no other."""
        tables: dict[str, dict[str, float] | None] = {"baseline": self.baseline, "charges": self.charges}
        if self.predicted_charges is not None:
            tables["element_charges"] = self.predicted_charges.element_charges
            tables["typical_charges"] = self.predicted_charges.typical_charges
        for name, table in tables.items():
            if table is not None and set(table) != set(self.elements):
                raise ValueError(f"{name}: expected an entry for each of {' '.join(self.elements)}")
        return self

    @property
    def elements(self) -> list[str]:
        """Symbols, by ascending atomic number."""
        return self.features.elements

    @property
    def cutoff(self) -> float:
        """Cutoff of all local terms, Å."""
        return self.features.cutoff

    def terms(self) -> list[str]:
        """Names of the terms of the energy, for people."""
        names = ["baseline"]
        if self.n_members > 0:
            network = "network" if self.n_members == 1 else f"mean of {self.n_members} networks"
            names += [f"{network} on {self.features.title}"]
        if self.molecules is not None:
            names += [f"sGDML of {self.molecules.formula}"]
        names += ["ZBL repulsion"] if self.repulsion == "zbl" else []
        names += ["long-range Coulomb, fixed smeared charges"] if self.charges is not None else []
        names += ["long-range Coulomb, predicted smeared charges"] if self.predicted_charges is not None else []
        return names
