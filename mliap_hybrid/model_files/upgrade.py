"""Descriptions of models as versions 1 to 5 of the model file had them: read, and made into those of today."""

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
"""Entries of the first version that are now those of the features."""

LayerSizes = list[Annotated[int, Field(gt=0, le=1_000_000)]]

Positive = Annotated[float, Field(gt=0)]


class _Old(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class _PredictedCharges(_Old):
    neutrality: Literal["shift", "increments"]
    hidden: LayerSizes
    largest: Positive
    element_charges: dict[str, float]
    typical_charges: dict[str, float]


class _DirectForces(_Old):
    hidden: LayerSizes


class _Molecules(_Old):
    sigma: Positive
    constant: float
    n_train: int
    n_permutations: int
    formula: str


class OldDescription(_Old):
    """A model of a fixed set of terms; what a version did not know yet has a default."""

    features: FeatureDescription
    hidden: LayerSizes
    whitened: bool
    baseline: dict[str, float]
    repulsion: Literal["zbl", "none"]
    charges: dict[str, float] | None
    predicted_charges: _PredictedCharges | None = None  # since the third version
    total_charge_input: bool = False
    smearing: Annotated[float, Field(ge=0)]
    direct_forces: _DirectForces | None = None  # since the fourth
    n_members: Annotated[int, Field(ge=0)] = 1
    molecules: _Molecules | None = None  # since the fifth

    @model_validator(mode="before")
    @classmethod
    def _gather_features(cls, content: Any) -> Any:
        """Read the first version too, in which the settings of the multipoles stood among those of the model."""
        if not isinstance(content, Mapping) or "features" in content:
            return content
        of_features = {name: content[name] for name in FIRST_VERSION_FEATURES if name in content}
        rest = {name: value for name, value in content.items() if name not in of_features}
        return {"features": {"kind": "multipoles"} | of_features} | rest


def upgraded(content: Mapping[str, Any]) -> dict[str, Any]:
    """Content of today's description from that of an older one.

    Parameters
    ----------
    content : mapping
        Without an entry `terms`.

    Raises
    ------
    pydantic.ValidationError
        If it is none of the older versions.
    """
    old = OldDescription.model_validate(content)
    heads: list[dict[str, Any]] = []
    terms: list[dict[str, Any]] = [{"kind": "baseline"}]
    parameters: list[dict[str, Any]] = [_constant("baseline", "eV", old.baseline)]
    if old.n_members > 0:
        direct = None if old.direct_forces is None else old.direct_forces.hidden
        heads.append({"name": "energy", "hidden": old.hidden, "n_members": old.n_members, "direct_hidden": direct})
        terms.append({"kind": "network"})
    terms += [] if old.molecules is None else [{"kind": "molecules"} | old.molecules.model_dump()]
    terms += [] if old.repulsion == "none" else [{"kind": "zbl"}]
    charges = [] if old.charges is None else [_constant("charge", "e", old.charges)]
    if old.predicted_charges is not None:
        charges.append(_predicted_charge(old.predicted_charges))
        heads.append({"name": "charge", "hidden": old.predicted_charges.hidden})
    terms += [{"kind": "electrostatics", "smearing": old.smearing}] if charges else []
    return {
        "features": old.features.model_dump(),
        "whitened": old.whitened,
        "total_charge_input": old.total_charge_input,
        "heads": heads,
        "parameters": parameters + charges,
        "terms": terms,
    }


def _constant(name: str, unit: str, values: dict[str, float]) -> dict[str, Any]:
    return {"source": "constant", "name": name, "unit": unit, "values": values}


def _predicted_charge(old: _PredictedCharges) -> dict[str, Any]:
    return {
        "source": "predicted",
        "name": "charge",
        "unit": "e",
        "start": old.element_charges,
        "typical": old.typical_charges,
        "bound": {"kind": "within", "largest": old.largest},
        "neutrality": old.neutrality,
    }
