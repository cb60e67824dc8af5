"""The numbers of a head, which is a SiLU network with a linear term for each element (model/atomic_network.py).

With the features x_i and y_i = x_i - shift,

    E_i = w(Z_i) . y_i + b(Z_i) + network(y_i).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class NetworkWeights:
    """All of one precision and on one device."""

    weights: Sequence[Tensor]
    """(n_outputs, n_inputs) of each layer, the last one with one output."""
    biases: Sequence[Tensor]
    """(n_outputs,) of each layer."""
    linear: Tensor
    """(n_elements, n_features): w."""
    offset: Tensor
    """(n_elements,), eV: b."""
    shift: Tensor | None = None
    """(n_features,), where there is one."""

    @property
    def parameters(self) -> list[Tensor]:
        """All tensors but the shift: weights, biases, linear, offset."""
        return [*self.weights, *self.biases, self.linear, self.offset]

    def to(self, device: torch.device, dtype: torch.dtype) -> NetworkWeights:
        """The same on a device and in a precision, without gradients."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.detach().to(device, dtype)

        return NetworkWeights(
            [moved(weight) for weight in self.weights],
            [moved(bias) for bias in self.biases],
            moved(self.linear),
            moved(self.offset),
            None if self.shift is None else moved(self.shift),
        )
