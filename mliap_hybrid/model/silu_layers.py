"""Fully connected layers with SiLU between them: what all networks of a model are made of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.model.whitening import Whitening

FIRST_SCALE = 0.1
"""Factor of `initialise_small`."""


def silu_layers(sizes: Sequence[int]) -> torch.nn.ModuleList:
    """Linear maps from each of the sizes to the next, with weights from the current random state."""
    return torch.nn.ModuleList(torch.nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(sizes))


def sizes_of(layers: torch.nn.ModuleList) -> str:
    """Inputs and outputs of the layers, for people."""
    linear: list[torch.nn.Linear] = list(layers)  # type: ignore[arg-type]
    return "-".join(str(n) for n in [linear[0].in_features, *(layer.out_features for layer in linear)])


def apply_layers(layers: torch.nn.ModuleList, features: Tensor) -> Tensor:
    """What the layers make of features (n_atoms, n_inputs): (n_atoms, n_outputs)."""
    return layers[-1](hidden_values(layers, features))


def hidden_values(layers: torch.nn.ModuleList, features: Tensor) -> Tensor:
    """What the last of them reads of features (n_atoms, n_inputs): (n_atoms, n_hidden)."""
    values = features
    for layer in layers[:-1]:
        values = torch.nn.functional.silu(layer(values))  # (n_atoms, n_hidden)
    return values


def initialise_small(layers: torch.nn.ModuleList) -> None:
    """Make the values small that the layers give at the start of a training."""
    with torch.no_grad():
        for parameter in layers[-1].parameters():
            parameter.mul_(FIRST_SCALE)


def linear_layer(weight: Tensor, bias: Tensor) -> torch.nn.Linear:
    """The layer with this weight (n_outputs, n_inputs) and bias (n_outputs,)."""
    layer = torch.nn.utils.skip_init(torch.nn.Linear, weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = torch.nn.Parameter(weight), torch.nn.Parameter(bias)
    return layer


@torch.no_grad()
def fold_whitening_into_layers(layers: torch.nn.ModuleList, whitening: Whitening) -> None:
    """Fold a whitening into the first of the layers."""
    first: torch.nn.Linear = layers[0]  # type: ignore[assignment]
    layers[0] = linear_layer(*whitening.fold_into(first.weight, first.bias))
