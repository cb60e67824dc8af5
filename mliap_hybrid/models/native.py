"""Networks of a hybrid model on the native kernels: features, network and gradient in one pass over the atoms."""

from __future__ import annotations

import torch

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.multipoles import NativeMultipoles
from mliap_hybrid.kernels.plan import MAX_LAYERS, NetworkWeights, is_supported
from mliap_hybrid.models.atomic_network import AtomicNetwork
from mliap_hybrid.models.hybrid import HybridModel


def has_native_network(model: HybridModel) -> bool:
    """Whether the kernels can compute the features and the networks of a model."""
    networks = [model.network] if model.charge_model is None else [model.network, model.charge_model.network.network]
    return is_supported(model.features) and all(len(network.layers) <= MAX_LAYERS for network in networks)


def native_network(
    model: HybridModel, dtype: torch.dtype, n_threads: int = 1, total_charge: float = 0.0
) -> NativeMultipoles:
    """Features and energy network of a model, ready to run.

    Parameters
    ----------
    model : HybridModel
        One that `has_native_network` accepts.
    dtype : torch.dtype
        float64 or float32: precision of the arithmetic.
    n_threads : int
    total_charge : float, e
        Of the structure, where it is an input of the networks.

    Returns
    -------
    NativeMultipoles
        Its `energies` are the network's, without the explicit terms.
    """
    return _native(model, model.network, dtype, n_threads, total_charge)


def native_charge_network(
    model: HybridModel, dtype: torch.dtype, n_threads: int = 1, total_charge: float = 0.0
) -> NativeMultipoles:
    """The same with the charge network: its `energies` are charges in e before they are bounded."""
    assert model.charge_model is not None
    return _native(model, model.charge_model.network.network, dtype, n_threads, total_charge)


def _native(
    model: HybridModel, network: AtomicNetwork, dtype: torch.dtype, n_threads: int, total_charge: float
) -> NativeMultipoles:
    assert isinstance(model.features, GaussianMultipoles)
    weights = network_weights(model, network, total_charge)
    return NativeMultipoles(model.features, weights, dtype=dtype, n_threads=n_threads)


def network_weights(
    model: HybridModel, network: AtomicNetwork | None = None, total_charge: float = 0.0
) -> NetworkWeights:
    """Weights of one of a model's networks, by default that of the energy, as a function of the bare features.

    The matrix of the whitening goes into the first layer. Its mean stays a shift of the features, since subtracting it
    first costs no digits in single precision. A total charge among the inputs goes into the biases.
    """
    network = model.network if network is None else network
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
