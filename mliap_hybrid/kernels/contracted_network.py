"""A network on the invariants of a learned contraction: energies, and their gradients by the moments.

    B = invariants(W x),      E = network(B),      dE/dx = (dB/dx)^T dE/dB

The same for every back end, which brings the contraction and the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.kernels.network_weights import ContractionWeights, NetworkWeights

Contract = Callable[[Tensor, Tensor, ContractionWeights], Tensor]
"""Moments (n_atoms, n_moments), species (n_atoms,) -> invariants (n_atoms, n_invariants)."""

ContractBack = Callable[[Tensor, Tensor, Tensor, ContractionWeights], Tensor]
"""dE/dB (n_atoms, n_invariants), moments (n_atoms, n_moments), species (n_atoms,) -> dE/dx (n_atoms, n_moments)."""

Network = Callable[[Tensor, Tensor, NetworkWeights], tuple[Tensor, Tensor]]
"""As `Backend.values_and_gradients`, without a contraction, differentiable in the features."""


def values_and_gradients(
    features: Tensor,
    species: Tensor,
    network: NetworkWeights,
    contract: Contract,
    contract_back: ContractBack,
    of_network: Network,
) -> tuple[Tensor, Tensor]:
    """As `Backend.values_and_gradients` for a network with a contraction; inputs behind the moments go past it.

    Raises
    ------
    ValueError
        If shapes do not belong together.
    """
    contraction = network.contraction
    assert contraction is not None
    n_moments, n_invariants = contraction.n_moments, contraction.n_invariants
    expected = (len(features), network.linear.shape[1] - n_invariants + n_moments)
    if features.shape != expected or species.shape != expected[:1]:
        raise ValueError(
            f"expected moments {expected} and species of as many atoms, got {features.shape}, {species.shape}"
        )
    moments, others = features[:, :n_moments].contiguous(), features[:, n_moments:]
    invariants = contract(moments, species, contraction)  # (n_atoms, n_invariants)
    inputs = invariants if others.shape[1] == 0 else torch.cat([invariants, others], dim=1)
    if network.shift is not None:
        inputs = inputs - network.shift
    energies, by_inputs = of_network(inputs, species, replace(network, contraction=None, shift=None))
    by_moments = contract_back(by_inputs[:, :n_invariants], moments, species, contraction)  # (n_atoms, n_moments)
    return energies, by_moments if others.shape[1] == 0 else torch.cat([by_moments, by_inputs[:, n_invariants:]], dim=1)
