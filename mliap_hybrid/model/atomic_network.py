"""The network that turns the features of an atom into its energy: shared by all elements, with a linear term for each.

    E_i = w(Z_i) . x_i + b(Z_i) + network(x_i)

The linear term is a pair potential where the features hold moments of order 0: the network need not learn the steep
part that every element has of its own, and the whole extrapolates as a pair potential does.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mliap_hybrid.kernels.backend import backend_of_training
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.model.curvature import curvature_of_path
from mliap_hybrid.model.silu_layers import (
    apply_layers,
    fold_whitening_into_layers,
    hidden_values,
    silu_layers,
    sizes_of,
)
from mliap_hybrid.model.whitening import Whitening


class AtomicNetwork(torch.nn.Module):
    """Fully connected SiLU network plus a linear term for each element: features of an atom -> its energy in eV."""

    is_conservative = True
    """Whether `values_and_gradients` gives the gradients of the values."""

    def __init__(self, n_inputs: int, hidden: Sequence[int], n_elements: int):
        """Make the network with weights from the current random state; the linear terms start at zero.

        Parameters
        ----------
        n_inputs : int
            Number of features.
        hidden : sequence of int
            Widths of the hidden layers; empty makes a linear model.
        n_elements : int
            Number of elements, each with its part of the linear term.
        """
        super().__init__()
        self.hidden = tuple(hidden)
        self.layers = silu_layers([n_inputs, *hidden, 1])
        self.linear = torch.nn.Parameter(torch.zeros(n_elements, n_inputs))  # w
        self.offset = torch.nn.Parameter(torch.zeros(n_elements))  # b

    def forward(self, features: Tensor, species: Tensor) -> Tensor:
        """Energies of atoms.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_inputs)
        species : Tensor, shape (n_atoms,), int64
            Index of each atom's element.

        Returns
        -------
        Tensor, shape (n_atoms,), eV
        """
        linear = (self.linear[species] * features).sum(1) + self.offset[species]  # (n_atoms,)
        return apply_layers(self.layers, features).squeeze(1) + linear

    def hidden_values(self, features: Tensor, species: Tensor) -> Tensor:
        """What the last hidden layer gives (n_atoms, n_hidden); arguments as those of `forward`."""
        return hidden_values(self.layers, features)

    def values_and_gradients(self, features: Tensor, species: Tensor) -> tuple[Tensor, Tensor]:
        """Energies of atoms and their derivatives by the features, differentiable once in the weights.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_inputs)
            Constants, in the precision of the weights.
        species : Tensor, shape (n_atoms,), int64
            Index of each atom's element.

        Returns
        -------
        values : Tensor, shape (n_atoms,), eV
        gradients : Tensor, shape (n_atoms, n_inputs), eV
        """
        backend = backend_of_training(len(self.layers), features.device, features.dtype)
        return backend.values_and_gradients(features, species, self.weights())

    def weights(self) -> NetworkWeights:
        """All that a back end takes, as they are."""
        layers: list[torch.nn.Linear] = list(self.layers)  # type: ignore[arg-type]
        weights, biases = [layer.weight for layer in layers], [layer.bias for layer in layers]
        return NetworkWeights(weights, biases, self.linear, self.offset)

    def curvatures(self, features: Tensor, species: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """d^2E_i/dt^2 (n_atoms,), eV, on a path of the features with the derivatives x' and x'' (n_atoms, n_inputs)."""
        return curvature_of_path(lambda x: self(x, species), features, first, second)

    @property
    def sizes(self) -> str:
        """Widths of all layers, for people."""
        return sizes_of(self.layers)

    def parts(self) -> Mapping[str, torch.nn.Module]:
        """The networks that this one is made of, by the names that people and files give them."""
        return {"network": self}

    def with_folded_whitening(self, whitening: Whitening) -> AtomicNetwork:
        """The same network with a whitening of its inputs folded into the first layer and the linear term."""
        folded = copy.deepcopy(self)
        fold_whitening_into_layers(folded.layers, whitening)
        with torch.no_grad():
            linear, offset = whitening.fold_into(self.linear, self.offset)
        folded.linear, folded.offset = torch.nn.Parameter(linear), torch.nn.Parameter(offset)
        return folded
