"""The network that turns the features of an atom into a charge, bounded on both sides.

    c_i = b tanh(network(x_i) / b)

The network has the form of that of the energy: shared by all elements, with a linear term and an offset for each. The
bound b keeps a charge finite wherever a run may lead; well below it, the map is the identity.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.silu_layers import start_small


class ChargeNetwork(torch.nn.Module):
    """Features of an atom -> its charge in e, beyond the charge of its element."""

    def __init__(self, n_inputs: int, hidden: Sequence[int], n_elements: int, largest: float):
        """Make the network with weights from the current random state.

        Parameters
        ----------
        n_inputs : int
            Number of features.
        hidden : sequence of int
            Widths of the hidden layers.
        n_elements : int
        largest : float, e
            The bound b.
        """
        super().__init__()
        self.largest = largest
        self.network = AtomicNetwork(n_inputs, hidden, n_elements)
        start_small(self.network.layers)  # charges start near those of their elements

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.network.hidden

    def forward(self, features: Tensor, rows: Tensor) -> Tensor:
        """Charges of atoms beyond those of their elements.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_inputs)
        rows : Tensor, shape (n_atoms,), int64
            Index of each atom's element.

        Returns
        -------
        Tensor, shape (n_atoms,), e
        """
        return self.bounded(self.network(features, rows))

    def bounded(self, values: Tensor) -> Tensor:
        """b tanh(a / b) (n_atoms,) of the network's values a (n_atoms,)."""
        return self.largest * torch.tanh(values / self.largest)

    def bounded_slope(self, charges: Tensor) -> Tensor:
        """dc/da (n_atoms,) = 1 - (c / b)^2 where the bounded value is c (n_atoms,)."""
        return 1.0 - (charges / self.largest) ** 2
