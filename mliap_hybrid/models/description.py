"""A model as plain data, for checkpoints and exports: a description that can be written as JSON, and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ase.data import atomic_numbers, chemical_symbols
from pydantic import BaseModel, ConfigDict, model_validator
from torch import Tensor

from mliap_hybrid.features.whitening import Whitening
from mliap_hybrid.models.atomic_network import AtomicNetwork
from mliap_hybrid.models.feature_description import FeatureDescription, describe_features
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.physics.repulsion import ZBLRepulsion

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


class ModelDescription(BaseModel):
    """Which terms a model has, and all their settings; the weights are tensors beside it."""

    model_config = ConfigDict(extra="forbid")

    features: FeatureDescription
    """What the features are made of."""
    hidden: list[int]
    """Hidden layers of the network."""
    whitened: bool
    """Whether the whitening stands beside the network (True) or is folded into its first layer (False)."""
    baseline: dict[str, float]
    """Symbol -> E0, eV."""
    repulsion: str
    """zbl or none."""
    charges: dict[str, float] | None
    """Symbol -> fixed charge in e; None without a long-range term."""
    smearing: float
    """Å."""

    @model_validator(mode="before")
    @classmethod
    def _gather_features(cls, content: Any) -> Any:
        """Read the first version too, in which the settings of the multipoles stood among those of the model."""
        if not isinstance(content, Mapping) or "features" in content:
            return content
        of_features = {name: content[name] for name in FIRST_VERSION_FEATURES if name in content}
        rest = {name: value for name, value in content.items() if name not in of_features}
        return {"features": {"kind": "multipoles"} | of_features} | rest

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
        names = ["baseline", f"network on {self.features.title}"]
        names += ["ZBL repulsion"] if self.repulsion == "zbl" else []
        names += ["long-range Coulomb, fixed smeared charges"] if self.charges is not None else []
        return names


def describe(model: HybridModel) -> tuple[ModelDescription, dict[str, Tensor]]:
    """Take a model apart.

    Returns
    -------
    description : ModelDescription
    tensors : dict of str to Tensor
        Weights of the network, and of the whitening if there is one.
    """
    symbols = {z: chemical_symbols[z] for z in model.elements}
    charges = {symbols[z]: charge for z, charge in model.charge_table().items()}
    description = ModelDescription(
        features=describe_features(model.features),
        hidden=list(model.network.hidden),
        whitened=model.whitening is not None,
        baseline={symbol: float(model.baseline[z]) for z, symbol in symbols.items()},
        repulsion="none" if model.repulsion is None else "zbl",
        charges=charges or None,
        smearing=model.smearing,
    )
    tensors = {f"network.{name}": value.detach().clone() for name, value in model.network.state_dict().items()}
    if model.whitening is not None:
        tensors |= {
            "whitening.mean": model.whitening.mean.detach().clone(),
            "whitening.matrix": model.whitening.matrix.detach().clone(),
        }
    return description, tensors


def build(description: ModelDescription, tensors: Mapping[str, Tensor]) -> HybridModel:
    """Put a model together again, in float64.

    Raises
    ------
    InputError
        If the description asks for an element without a pseudo-density.
    RuntimeError
        If the tensors do not fit the description.
    """
    features = description.features.build()
    whitening = Whitening(tensors["whitening.mean"], tensors["whitening.matrix"]) if description.whitened else None
    n_inputs = features.n_features if whitening is None else whitening.matrix.shape[1]
    # The random first weights are replaced below; the caller's random state stays as it is.
    with torch.random.fork_rng(devices=[]):
        network = AtomicNetwork(n_inputs, description.hidden, len(features.elements)).double()
    prefix = "network."
    network.load_state_dict({n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)})
    model = HybridModel(
        features=features,
        whitening=whitening,
        network=network,
        baseline=_by_number(description.baseline),
        repulsion=ZBLRepulsion(description.cutoff) if description.repulsion == "zbl" else None,
        charges=None if description.charges is None else _by_number(description.charges),
        smearing=description.smearing,
    )
    return model.double().eval()


def fold_whitening(model: HybridModel) -> HybridModel:
    """The same model with the whitening folded into the first layer and the linear terms, in float64."""
    if model.whitening is None:
        return model
    description, tensors = describe(model)
    folded = {name: tensor for name, tensor in tensors.items() if not name.startswith("whitening.")}
    for weight, bias in (("network.layers.0.weight", "network.layers.0.bias"), ("network.linear", "network.offset")):
        folded[weight], folded[bias] = model.whitening.fold_into(tensors[weight].double(), tensors[bias].double())
    return build(description.model_copy(update={"whitened": False}), folded)


def _by_number(values: Mapping[str, float]) -> dict[int, float]:
    return {atomic_numbers[symbol]: value for symbol, value in values.items()}
