"""The whitening folded into the networks: one linear map less in a run, and the same numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.direct_forces import DirectNetwork, ForceNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.tensor_names import head_prefix


def fold_whitening(model: HybridModel) -> HybridModel:
    """The same model with the whitening folded into first layers and linear terms, in float64."""
    if model.whitening is None:
        return model
    description, tensors = describe(model)
    folded = {name: tensor for name, tensor in tensors.items() if not name.startswith("whitening.")}
    for head in model.heads:
        folded |= _folded(head, model.whitening, tensors)
    return build(description.model_copy(update={"whitened": False}), folded)


def _folded(head: Head, whitening: Whitening, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights of the networks of a head on bare features."""
    n_whitened = whitening.matrix.shape[1]
    folded = {}
    for number, member in enumerate(head.networks):
        prefix = head_prefix(head.name) + (f".members.{number}" if len(head.members) > 1 else "")
        for layer, constant in (("layers.0.weight", "layers.0.bias"), ("linear", "offset")):
            weight, bias = tensors[f"{prefix}.{layer}"].double(), tensors[f"{prefix}.{constant}"].double()
            of_features, bias = whitening.fold_into(weight[:, :n_whitened], bias)
            # A last column, if any, belongs to the total charge.
            folded[f"{prefix}.{layer}"] = torch.cat([of_features, weight[:, n_whitened:]], dim=1)
            folded[f"{prefix}.{constant}"] = bias
        if isinstance(member, DirectNetwork):
            folded |= _fold_forces(member.slopes, whitening)
    return folded


def _fold_forces(network: ForceNetwork, whitening: Whitening) -> dict[str, Tensor]:
    """Weights of the force network on bare features: s . dx/dr = (M s) . dF/dr, M the matrix of the whitening."""
    tensors = {name: value.detach().double() for name, value in network.state_dict().items()}
    first, last = "layers.0", f"layers.{len(network.layers) - 1}"
    weight, bias = whitening.fold_into(tensors[f"{first}.weight"], tensors[f"{first}.bias"])
    tensors |= {f"{first}.weight": weight, f"{first}.bias": bias}
    matrix = whitening.matrix.double()  # (n_features, n_kept)
    tensors |= {f"{last}.weight": matrix @ tensors[f"{last}.weight"], f"{last}.bias": matrix @ tensors[f"{last}.bias"]}
    tensors["offset"] = tensors["offset"] @ matrix.T  # (n_elements, n_features)
    return {f"force_network.{name}": value for name, value in tensors.items()}
