"""The numbers of a head, which is a SiLU network with a linear term for each element (model/atomic_network.py).

With the features x_i and y_i = x_i - shift,

    E_i = w(Z_i) . y_i + b(Z_i) + network(y_i).

Where there is a contraction, the features are moments, and x_i the invariants that it makes of them
(model/contraction.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.features.channel_invariants import N_COMPONENTS, ChannelInvariants


@dataclass(frozen=True)
class ContractionWeights:
    """The numbers of a learned contraction, all of one precision and on one device."""

    weights: Tensor
    """(n_elements, n_orders, n_channels, n_inputs): W, of the element of the centre."""
    own: Tensor
    """(n_elements, n_channels): what the centre itself adds to A_0."""
    body_order: int

    def changed(self, change: Callable[[Tensor], Tensor]) -> ContractionWeights:
        """The same with all tensors changed in some way."""
        return ContractionWeights(change(self.weights), change(self.own), self.body_order)

    @property
    def n_moments(self) -> int:
        """Moments of an atom."""
        return N_COMPONENTS * self.weights.shape[3]

    @property
    def n_invariants(self) -> int:
        """Invariants of an atom, those of all channels."""
        return ChannelInvariants(self.body_order).n * self.weights.shape[2]


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
    contraction: ContractionWeights | None = None
    """What makes the features of moments, where something does."""

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
            None if self.contraction is None else self.contraction.changed(moved),
        )
