"""Direct forces: a second network stands for the derivative of the energy by the features. They conserve no energy.

Forces of a conservative model follow from g_p = dE/dr_p = sum_f (dE_i/dx_if) (dx_if/dr_p), i the centre of the pair p.
Here a network h of its own gives the first factor, one number for each feature, and is the gradient of nothing:

    g_p = h(x_i) . dx_i/dr_p,      f_i = +sum_p g_p,   f_j = -sum_p g_p.

So forces turn with the atoms and sum to zero, and they cost the same derivatives of the features; with h = dE/dx they
are the conservative ones. Otherwise the work along a path depends on the path, and a run gains or loses energy.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.silu_layers import (
    apply_layers,
    fold_whitening_into_layers,
    initialise_small,
    linear_layer,
    silu_layers,
    sizes_of,
)
from mliap_hybrid.model.whitening import Whitening


class ForceNetwork(torch.nn.Module):
    """Fully connected SiLU network and a constant for each element: features of an atom -> as many numbers, in eV."""

    def __init__(self, n_inputs: int, hidden: Sequence[int], n_elements: int):
        """Make the network with weights from the current random state; the constants start at zero.

        Parameters
        ----------
        n_inputs : int
            Number of features.
        hidden : sequence of int
            Widths of the hidden layers; empty makes the output linear in the features.
        n_elements : int
        """
        super().__init__()
        self.hidden = tuple(hidden)
        self.layers = silu_layers([n_inputs, *hidden, n_inputs])
        initialise_small(self.layers)
        # A pair potential has the same feature gradients everywhere: those of the linear term of the energy's network.
        self.offset = torch.nn.Parameter(torch.zeros(n_elements, n_inputs))

    def forward(self, features: Tensor, species: Tensor) -> Tensor:
        """What stands for the derivative of the energy by the features.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_inputs)
        species : Tensor, shape (n_atoms,), int64
            Index of each atom's element.

        Returns
        -------
        Tensor, shape (n_atoms, n_inputs), eV
        """
        return apply_layers(self.layers, features) + self.offset[species]

    @property
    def sizes(self) -> str:
        """Widths of all layers, for people."""
        return sizes_of(self.layers)

    def with_folded_whitening(self, whitening: Whitening) -> ForceNetwork:
        """The same for features that are not whitened: s . dx/dr = (M s) . dF/dr, M the matrix of the whitening."""
        folded = copy.deepcopy(self)
        fold_whitening_into_layers(folded.layers, whitening)
        last: torch.nn.Linear = folded.layers[-1]  # type: ignore[assignment]
        matrix = whitening.matrix.to(last.weight.dtype)  # (n_features, n_kept)
        with torch.no_grad():
            folded.layers[-1] = linear_layer(matrix @ last.weight, matrix @ last.bias)
            folded.offset = torch.nn.Parameter(self.offset @ matrix.T)
        return folded


class DirectNetwork(torch.nn.Module):
    """An energy network with a force network beside it, in the place of an `AtomicNetwork`."""

    is_conservative = False

    def __init__(self, energy: AtomicNetwork, force_network: ForceNetwork):
        """Put the two together.

        Parameters
        ----------
        energy : AtomicNetwork
        force_network : ForceNetwork
            Of the same inputs.
        """
        super().__init__()
        self.energy = energy
        self.slopes = force_network  # its name in checkpoints

    @property
    def force_network(self) -> ForceNetwork:
        """What stands for the derivatives of the energy by the features."""
        return self.slopes

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers of the energy network."""
        return self.energy.hidden

    @property
    def layers(self) -> torch.nn.ModuleList:
        """Those of the energy network."""
        return self.energy.layers

    @property
    def linear(self) -> Tensor:
        """(n_elements, n_inputs): linear term of the energy network."""
        return self.energy.linear

    @property
    def offset(self) -> torch.nn.Parameter:
        """(n_elements,): that of the energy network."""
        return self.energy.offset

    def forward(self, features: Tensor, species: Tensor) -> Tensor:
        """Energies (n_atoms,), eV, of atoms; arguments as those of `AtomicNetwork`."""
        return self.energy(features, species)

    def hidden_values(self, features: Tensor, species: Tensor) -> Tensor:
        """As in `AtomicNetwork`, of the energy network."""
        return self.energy.hidden_values(features, species)

    def values_and_gradients(self, features: Tensor, species: Tensor) -> tuple[Tensor, Tensor]:
        """Energies (n_atoms,), and what stands for their derivatives by the features (n_atoms, n_inputs), eV."""
        return self.energy(features, species), self.force_network(features, species)

    def curvatures(self, features: Tensor, species: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """As in `AtomicNetwork`, of what the forces do: d(s . x')/dt, s being what the force network says."""

        def along(x: Tensor, change: Tensor) -> Tensor:
            return (self.force_network(x, species) * change).sum(1)

        return torch.func.jvp(along, (features, first), (first, second))[1]

    def parts(self) -> Mapping[str, torch.nn.Module]:
        """As in `AtomicNetwork`."""
        return {"network": self.energy, "force network": self.force_network}

    def with_folded_whitening(self, whitening: Whitening) -> DirectNetwork:
        """As in `AtomicNetwork`."""
        return DirectNetwork(
            self.energy.with_folded_whitening(whitening), self.force_network.with_folded_whitening(whitening)
        )
