"""Networks of a hybrid model on the native kernels: features, networks and gradients in one pass over the atoms."""

from __future__ import annotations

import torch

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.multipoles import NativeMultipoles
from mliap_hybrid.kernels.plan import MAX_LAYERS, NetworkWeights, is_supported
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.hybrid import HybridModel


def has_native_networks(model: HybridModel) -> bool:
    """Whether the kernels can compute the features and all networks of a model, derivatives included."""
    networks = model.heads.networks
    plain = all(isinstance(network, AtomicNetwork) and len(network.layers) <= MAX_LAYERS for network in networks)
    return is_supported(model.features) and plain


def native_networks(
    model: HybridModel, dtype: torch.dtype, n_threads: int = 1, total_charge: float = 0.0
) -> NativeMultipoles:
    """Features and networks of a model, ready to run.

    Parameters
    ----------
    model : HybridModel
        One that `has_native_networks` accepts.
    dtype : torch.dtype
        float64 or float32: precision of the arithmetic.
    n_threads : int
    total_charge : float, e
        Of the structure, where it is an input of the networks.

    Returns
    -------
    NativeMultipoles
        All members of all heads, in order; their "energies" are what the networks say before it is bounded.
    """
    assert isinstance(model.features, GaussianMultipoles)
    weights = [
        network_weights(model, network, total_charge)
        for network in model.heads.networks
        if isinstance(network, AtomicNetwork)
    ]
    return NativeMultipoles(model.features, weights, dtype=dtype, n_threads=n_threads)


def network_weights(
    model: HybridModel, network: AtomicNetwork | None = None, total_charge: float = 0.0
) -> NetworkWeights:
    """Weights of one of a model's networks, by default its only one, as a function of the bare features.

    The matrix of the whitening goes into the first layer. Its mean stays a shift of the features, since subtracting it
    first costs no digits in single precision. A total charge among the inputs goes into the biases.
    """
    if network is None:
        (network,) = model.heads.networks  # type: ignore[assignment]
    assert network is not None
    weights = [layer.get_parameter("weight").detach().double() for layer in network.layers]
    biases = [layer.get_parameter("bias").detach().double() for layer in network.layers]
    linear, offset = network.linear.detach().double(), network.offset.detach().double()  # (n_elements, n_inputs)
    if model.total_charge_input:
        biases[0], weights[0] = biases[0] + total_charge * weights[0][:, -1], weights[0][:, :-1]
        offset, linear = offset + total_charge * linear[:, -1], linear[:, :-1]
    shift = torch.zeros(model.features.n_features, dtype=torch.float64)
    if model.whitening is not None:
        matrix = model.whitening.matrix.double()  # (n_features, n_inputs)
        weights[0], linear = weights[0] @ matrix.T, linear @ matrix.T
        shift = model.whitening.mean.double()
    return NetworkWeights(weights, biases, shift, linear, offset)
