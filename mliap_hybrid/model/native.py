"""Networks of a hybrid model as heads of a back end: features, networks and gradients in one pass over the atoms."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.kernels.backend import Backend, backend_class, backend_for
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.direct_forces import DirectNetwork
from mliap_hybrid.model.hybrid import HybridModel


def backend_of(
    model: HybridModel, device: torch.device, dtype: torch.dtype = torch.float64, total_charge: float = 0.0
) -> Backend:
    """The best back end for a model on a device.

    Parameters
    ----------
    model : HybridModel
    device : torch.device
    dtype : torch.dtype
        float64 or float32: precision of the arithmetic.
    total_charge : float, e
        Of the structure, where it is an input of the networks.

    Returns
    -------
    Backend
        Its heads are all members of all heads of the model, in order; their values are what the networks say before it
        is bounded. Without heads where it computes the features alone, for networks that torch evaluates on them.
    """
    networks = [network for network in model.heads.networks if not isinstance(network, DirectNetwork)]
    if len(networks) == len(model.heads.networks):
        heads = [network_weights(model, network, total_charge) for network in networks]
        if backend_class(model.features, heads, device, dtype).fuses_heads:
            return backend_for(model.features, heads, device, dtype)
    return backend_for(model.features, (), device, dtype)


def network_weights(
    model: HybridModel, network: AtomicNetwork | ContractedNetwork | None = None, total_charge: float = 0.0
) -> NetworkWeights:
    """Weights of one of a model's networks, by default its only one, as a function of the bare features.

    The matrix of the whitening goes into the first layer. Its mean stays a shift of the features, since subtracting it
    first costs no digits in single precision. A total charge among the inputs goes into the biases.
    """
    if network is None:
        (network,) = model.heads.networks  # type: ignore[assignment]
    assert network is not None
    bare = network.weights().to(model.species_of_number.device, torch.float64)
    weights, biases, linear, offset = list(bare.weights), list(bare.biases), bare.linear, bare.offset
    if model.total_charge_input:
        of_biases, of_offset = slopes_by_total_charge(network)
        biases[0], weights[0] = biases[0] + total_charge * of_biases, weights[0][:, :-1]
        offset, linear = offset + total_charge * of_offset, linear[:, :-1]
    shift, contraction = bare.shift, bare.contraction
    if isinstance(network, ContractedNetwork):
        shift = None if shift is None else shift[: linear.shape[1]]
        contraction = network.contraction_weights(model.whitening).changed(lambda tensor: tensor.detach().double())
    elif model.whitening is not None:
        matrix = model.whitening.matrix.double()  # (n_features, n_inputs)
        weights[0], linear = weights[0] @ matrix.T, linear @ matrix.T
        shift = model.whitening.mean.double()
    return NetworkWeights(weights, biases, linear, offset, shift, contraction)


def slopes_by_total_charge(network: AtomicNetwork | ContractedNetwork) -> tuple[Tensor, Tensor]:
    """What each e of a total charge among the inputs, which is the last one, adds to biases and offset.

    Returns
    -------
    biases : Tensor, shape (n_outputs of the first layer,), float64
    offset : Tensor, shape (n_elements,), float64, eV
    """
    bare = network.weights()
    return bare.weights[0][:, -1].detach().double(), bare.linear[:, -1].detach().double()
