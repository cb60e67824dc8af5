"""The network of a hybrid model on the native kernels: features, network and gradient in one pass over the atoms."""

from __future__ import annotations

import torch

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.multipoles import NativeMultipoles
from mliap_hybrid.kernels.plan import MAX_LAYERS, NetworkWeights, is_supported
from mliap_hybrid.models.hybrid import HybridModel


def has_native_network(model: HybridModel) -> bool:
    """Whether the kernels can compute the features and the network of a model."""
    return is_supported(model.features) and len(model.network.layers) <= MAX_LAYERS


def native_network(model: HybridModel, dtype: torch.dtype, n_threads: int = 1) -> NativeMultipoles:
    """Features and network of a model, ready to run.

    Parameters
    ----------
    model : HybridModel
        One that `has_native_network` accepts.
    dtype : torch.dtype
        float64 or float32: precision of the arithmetic.
    n_threads : int

    Returns
    -------
    NativeMultipoles
        Its `energies` are the network's, without the explicit terms.
    """
    assert isinstance(model.features, GaussianMultipoles)
    return NativeMultipoles(model.features, network_weights(model), dtype=dtype, n_threads=n_threads)


def network_weights(model: HybridModel) -> NetworkWeights:
    """Weights of a model's network as a function of the bare features.

    The matrix of the whitening goes into the first layer. Its mean stays a shift of the features, since subtracting it
    first costs no digits in single precision.
    """
    network = model.network
    weights = [layer.get_parameter("weight").detach().double() for layer in network.layers]
    biases = [layer.get_parameter("bias").detach().double() for layer in network.layers]
    linear = network.linear.detach().double()  # (n_elements, n_inputs)
    shift = torch.zeros(model.features.n_features, dtype=torch.float64)
    if model.whitening is not None:
        matrix = model.whitening.matrix.double()  # (n_features, n_inputs)
        weights[0], linear = weights[0] @ matrix.T, linear @ matrix.T
        shift = model.whitening.mean.double()
    return NetworkWeights(weights, biases, shift, linear, network.offset.detach().double())
