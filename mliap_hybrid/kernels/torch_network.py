"""A head written out in torch: energies of atoms and their gradients by the features, for any device and precision.

With the values v_0 = y of the inputs, z_k = W_k v_(k-1) + b_k and v_k = silu(z_k) of the layers,

    E = W_n v_(n-1) + b_n + w.y + b,      dE/dy = w + W_1^T silu'(z_1) W_2^T silu'(z_2) ... W_n^T.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.kernels import contracted_network, torch_contraction
from mliap_hybrid.kernels.network_weights import NetworkWeights


def values_and_gradients(features: Tensor, species: Tensor, network: NetworkWeights) -> tuple[Tensor, Tensor]:
    """As `Backend.values_and_gradients`; plain operations, so that torch can differentiate them as often as it likes.

    Raises
    ------
    ValueError
        If shapes do not belong together.
    """
    if network.contraction is not None:
        contract, contract_back = torch_contraction.contract, torch_contraction.contract_back
        return contracted_network.values_and_gradients(
            features, species, network, contract, contract_back, values_and_gradients
        )
    expected = (len(features), network.linear.shape[1])
    if features.shape != expected or species.shape != expected[:1]:
        raise ValueError(
            f"expected features {expected} and species of as many atoms, got {features.shape}, {species.shape}"
        )
    inputs = features if network.shift is None else features - network.shift  # (n_atoms, n_features)
    values, activation_derivatives = inputs, []  # silu'(z): (n_atoms, n_hidden) of each hidden layer
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        z = torch.nn.functional.linear(values, weight, bias)  # (n_atoms, n_hidden)
        sigmoid = torch.sigmoid(z)
        values = z * sigmoid
        activation_derivatives.append(sigmoid * (1.0 + z * (1.0 - sigmoid)))
    linear = network.linear.index_select(0, species)  # (n_atoms, n_features)
    of_network = torch.nn.functional.linear(values, network.weights[-1], network.biases[-1])[:, 0]
    energies = of_network + (linear * inputs).sum(1) + network.offset.index_select(0, species)
    gradients = network.weights[-1].expand(len(features), -1)  # (n_atoms, n_inputs of the layer)
    for weight, derivative in zip(reversed(network.weights[:-1]), reversed(activation_derivatives), strict=True):
        gradients = (gradients * derivative) @ weight
    return energies, gradients + linear
