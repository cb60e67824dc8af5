"""From a model to its description and tensors, and back: what checkpoints and exported files hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.model.contraction import Contraction
from mliap_hybrid.model.feature_description import describe_features
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import KINDS, AtomicEnergy, Parameter
from mliap_hybrid.model.terms.kinds import restore_term
from mliap_hybrid.model.training_distance import TrainingDistance
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.model_files.head_factory import make_head
from mliap_hybrid.model_files.model_description import HeadDescription, ModelDescription
from mliap_hybrid.model_files.tensor_names import tensor_prefix
from mliap_hybrid.model_files.tensor_shapes import check_tensors


def describe(model: HybridModel) -> tuple[ModelDescription, dict[str, Tensor]]:
    """Take a model apart.

    Returns
    -------
    description : ModelDescription
    tensors : dict of str to Tensor
        Weights of the networks, arrays of terms, and of whitening and distance if there are any.
    """
    symbols = [chemical_symbols[z] for z in model.elements]
    described = [parameter.describe(symbols) for parameter in model.all_parameters]
    description = ModelDescription(
        features=describe_features(model.features),
        whitened=model.whitening is not None,
        total_charge_input=model.total_charge_input,
        environment=model.environment,
        heads=[_describe_head(head) for head in model.heads],
        parameters=[each for each in described if each is not None],  # type: ignore[misc]
        terms=[term.describe() for term in model.all_terms],  # type: ignore[misc]
        distance=None if model.distance is None else model.distance.description,
    )
    tensors: dict[str, Tensor] = {}
    for head in model.heads:
        tensors |= {name: value.detach().clone() for name, value in weights_of(head).items()}
    for term in model.all_terms:
        tensors |= {f"{term.kind}.{name}": value for name, value in term.arrays().items()}
    if model.distance is not None:
        tensors |= {
            "distance.map": model.distance.map.detach().clone(),
            "distance.shift": model.distance.shift.detach().clone(),
        }
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
        If the description asks for an element without a pseudo-density, or the tensors do not fit it.
    """
    features = description.features.build()
    check_tensors(description, features.n_features, tensors)
    whitening = Whitening(tensors["whitening.mean"], tensors["whitening.matrix"]) if description.whitened else None
    if isinstance(features, NeighbourMoments) and whitening is not None and whitening.diagonal is None:
        raise InputError("the whitening of the model mixes moments, which must not be: export the model again")
    n_features = features.n_features if whitening is None else whitening.matrix.shape[1]
    n_others = int(description.total_charge_input)
    # The random first weights are replaced; the caller's random state stays as it is.
    with torch.random.fork_rng(devices=[]):
        heads = [make_head(head, n_features, n_others, len(features.elements)).double() for head in description.heads]
    for head in heads:
        load_weights(head, tensors)
    parameters = [KINDS[p.source].restore(p, description.elements, description.cutoff) for p in description.parameters]
    energies: list[Parameter] = [AtomicEnergy() for head in heads if head.name == "energy"]
    by_head = sorted([*energies, *parameters], key=lambda p: _place(p, [head.name for head in heads]))
    arrays = {kind: _with_prefix(tensors, f"{kind}.") for kind in (term.kind for term in description.terms)}
    terms = [restore_term(term, arrays[term.kind], description.cutoff) for term in description.terms]
    others = description.total_charge_input, description.environment
    distance = None
    if description.distance is not None:
        distance = TrainingDistance(tensors["distance.map"], tensors["distance.shift"], description.distance)
    return HybridModel(features, terms, by_head, heads, whitening, *others, distance).double().eval()


def weights_of(head: Head) -> dict[str, Tensor]:
    """Weights of a head under the names that files give them."""
    return {
        f"{tensor_prefix(head.name, len(head.members), number, part)}.{name}": value
        for number, member in enumerate(head.networks)
        for part, network in member.parts().items()
        for name, value in network.state_dict().items()
    }


def load_weights(head: Head, tensors: Mapping[str, Tensor]) -> None:
    """Give a head the weights of a file."""
    with torch.no_grad():
        for name, own in weights_of(head).items():
            own.copy_(tensors[name])


def _describe_head(head: Head) -> HeadDescription:
    parts = head.networks[0].parts()
    described: dict[str, Any] = {OF_PART[part]: _describe_part(module) for part, module in parts.items()}
    return HeadDescription(name=head.name, n_members=len(head.members), **described)


def _describe_part(part: torch.nn.Module) -> Any:
    if not isinstance(part, Contraction):
        return part.hidden
    n_channels, body_order = part.shape.n_channels, part.shape.body_order
    return {"n_channels": n_channels, "body_order": body_order, "whitened": part.whitening is not None}


OF_PART = {"network": "hidden", "force network": "direct_hidden", "contraction": "contraction"}
"""Part of a member of a head -> the entry of the description that describes it."""


def _place(parameter: Parameter, heads: list[str]) -> int:
    """Parameters that are predicted stand in the order of their heads, after the others."""
    return -1 if parameter.head is None or parameter.head not in heads else heads.index(parameter.head)


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
