"""Fully connected layers with SiLU between them: what all networks of a model are made of."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor

FIRST_SCALE = 0.1
"""Factor of `start_small`."""


def silu_layers(sizes: Sequence[int]) -> torch.nn.ModuleList:
    """Linear maps from each of the sizes to the next, with weights from the current random state."""
    return torch.nn.ModuleList(torch.nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(sizes))


def through(layers: torch.nn.ModuleList, features: Tensor) -> Tensor:
    """What the layers make of features (n_atoms, n_inputs): (n_atoms, n_outputs)."""
    values = features
    for layer in layers[:-1]:
        values = torch.nn.functional.silu(layer(values))  # (n_atoms, n_hidden)
    return layers[-1](values)


def start_small(layers: torch.nn.ModuleList) -> None:
    """Make the values small that the layers give at the start of a training."""
    with torch.no_grad():
        for parameter in layers[-1].parameters():
            parameter.mul_(FIRST_SCALE)
