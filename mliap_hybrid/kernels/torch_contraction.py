"""Learned contractions written out in torch, for any device and precision (model/contraction.py has the formulas)."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.features.channel_invariants import MAX_ORDER, N_COMPONENTS, ChannelInvariants
from mliap_hybrid.kernels.network_weights import ContractionWeights


def contract(moments: Tensor, species: Tensor, contraction: ContractionWeights) -> Tensor:
    """Invariants of moments; plain operations, so that torch can differentiate them as often as it likes.

    Parameters
    ----------
    moments : Tensor, shape (n_atoms, n_moments)
        Component by component: (N_COMPONENTS, n_inputs) in a row.
    species : Tensor, shape (n_atoms,), int64
        Index of the element of each centre.
    contraction : ContractionWeights

    Returns
    -------
    Tensor, shape (n_atoms, n_invariants)
        Invariant by invariant: those of all channels are neighbours.
    """
    x = moments.unflatten(1, (N_COMPONENTS, -1))  # (n_atoms, N_COMPONENTS, n_inputs)
    weights = contraction.weights.index_select(0, species)  # (n_atoms, n_orders, n_channels, n_inputs)
    a = [x[:, n * n : (n + 1) ** 2] @ weights[:, n].transpose(1, 2) for n in range(MAX_ORDER + 1)]
    a[0] = a[0] + contraction.own.index_select(0, species)[:, None]
    return ChannelInvariants(contraction.body_order)(torch.cat(a, dim=1)).flatten(1)


def contract_back(by_invariants: Tensor, moments: Tensor, species: Tensor, contraction: ContractionWeights) -> Tensor:
    """dE/dx (n_atoms, n_moments) from dE/dB (n_atoms, n_invariants), differentiable in that and in the weights."""
    with torch.enable_grad():
        x = moments if moments.requires_grad else moments.detach().requires_grad_()
        invariants = contract(x, species, contraction)
    (result,) = torch.autograd.grad(invariants, x, by_invariants, create_graph=torch.is_grad_enabled())
    return result
