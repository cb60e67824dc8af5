"""The network that turns the features of an atom into its energy; one for all elements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor


class AtomicNetwork(torch.nn.Module):
    """Fully connected SiLU network, features of an atom -> its energy in eV."""

    def __init__(self, n_inputs: int, hidden: Sequence[int]):
        """Make the network with weights from the current random state.

        Parameters
        ----------
        n_inputs : int
            Number of features.
        hidden : sequence of int
            Widths of the hidden layers; empty makes a linear model.
        """
        super().__init__()
        sizes = [n_inputs, *hidden, 1]
        self.hidden = tuple(hidden)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(n_in, n_out) for n_in, n_out in itertools.pairwise(sizes))

    def forward(self, features: Tensor) -> Tensor:
        """Energies of atoms.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_inputs)

        Returns
        -------
        Tensor, shape (n_atoms,), eV
        """
        values = features  # (n_atoms, n_inputs)
        for layer in self.layers[:-1]:
            values = torch.nn.functional.silu(layer(values))  # (n_atoms, n_hidden)
        return self.layers[-1](values).squeeze(1)
