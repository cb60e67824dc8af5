"""Energies of a network and their gradients by the features in one pass of the native kernels, with weight gradients.

By torch the same takes some fifty operations and their bookkeeping, which for small batches is most of a training step.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from mliap_hybrid.kernels import contracted_network, native_contraction
from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.kernels.library import check_error, instruction_sets, ints, open_library
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.plan import MAX_LAYERS
from mliap_hybrid.kernels.pointers import pointer
from mliap_hybrid.kernels.structs import TrainedNetwork


def values_and_gradients(
    features: Tensor, species: Tensor, network: NetworkWeights, instruction_set: str | None = None
) -> tuple[Tensor, Tensor]:
    """As `Backend.values_and_gradients`, with one of `library.instruction_sets()`, by default the best.

    Raises
    ------
    ValueError
        If shapes, precisions or devices do not belong together, there are too many layers, or there is a shift.
    InputError
        If an element is not one of the network's, or memory is short.
    """
    if network.contraction is not None:
        contract = partial(native_contraction.contract, instruction_set=instruction_set)
        contract_back = partial(native_contraction.contract_back, instruction_set=instruction_set)
        of_network = partial(values_and_gradients, instruction_set=instruction_set)
        return contracted_network.values_and_gradients(features, species, network, contract, contract_back, of_network)
    expected, parameters = (len(features), network.linear.shape[1]), network.parameters
    if features.shape != expected or species.shape != expected[:1]:
        raise ValueError(
            f"expected features {expected} and species of as many atoms, got {features.shape}, {species.shape}"
        )
    if features.dtype not in (torch.float32, torch.float64) or {p.dtype for p in parameters} != {features.dtype}:
        raise ValueError(f"expected float32 or float64 throughout, got {features.dtype} and {parameters[0].dtype}")
    if len(network.weights) > MAX_LAYERS or network.shift is not None:
        found = f"{len(network.weights)}{'' if network.shift is None else ' and a shift'}"
        raise ValueError(f"expected at most {MAX_LAYERS} layers and no shift, got {found}")
    _check_shapes(network)
    instructions = (instruction_set or instruction_sets()[0]).encode()
    return _ValuesAndGradients.apply(features.contiguous(), species.contiguous(), instructions, *parameters)


def _check_shapes(network: NetworkWeights) -> None:
    """Refuse layers of which one does not follow on another: the kernel has no lengths but those of the layers."""
    n_elements, n_inputs = network.linear.shape
    expected: list[tuple[int, ...]] = [(n_elements,)]
    for bias in network.biases:
        expected += [(len(bias), n_inputs), (len(bias),)]
        n_inputs = len(bias)
    layers = zip(network.weights, network.biases, strict=True)
    found = [tuple(tensor.shape) for tensor in (network.offset, *itertools.chain(*layers))]
    if found != expected or n_inputs != 1:
        raise ValueError(f"expected offset, weights and biases of the shapes {expected}, the last of one, got {found}")


class _ValuesAndGradients(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, species, instructions, *parameters):
        call = _Call(features, species, instructions, parameters)
        energies, gradients = features.new_empty(len(features)), torch.empty_like(features)
        ctx.call, ctx.state = call, features.new_empty(len(features), 2 * sum(call.sizes[1:-1]))
        ctx.shapes = [parameter.shape for parameter in _by_layer(parameters)]
        call("slopes", energies, gradients, ctx.state)
        return energies, gradients

    @staticmethod
    def backward(ctx, by_energies, by_gradients):
        n_features = by_gradients.numel() if ctx.needs_input_grad[0] else 0
        gradient = _weight_gradient(by_energies, by_gradients, ctx.call, ctx.state, n_features)
        *parts, of_features = gradient.split([*(shape.numel() for shape in ctx.shapes), n_features])
        shaped = [part.view(shape) for part, shape in zip(parts, ctx.shapes, strict=True)]
        by_features = of_features.view_as(by_gradients) if n_features else None
        return by_features, None, None, *shaped[:-2:2], *shaped[1:-2:2], *shaped[-2:]


@one_by_one
def _weight_gradient(by_energies: Tensor, by_gradients: Tensor, call: _Call, state: Tensor, n_features: int) -> Tensor:
    """Derivatives of a loss by all weights and by so many features, all or none, laid end to end."""
    gradient = state.new_empty(call.n_parameters + n_features)
    given = state, by_energies.contiguous(), by_gradients.contiguous()
    call("gradient", *given, gradient[: call.n_parameters], gradient[call.n_parameters :] if n_features else None)
    return gradient


class _Call:
    """Arguments of the C interface, and the tensors that they point to."""

    def __init__(self, features: Tensor, species: Tensor, instructions: bytes, parameters: Sequence[Tensor]):
        n_layers = len(parameters) // 2 - 1
        kept = [parameter.detach().contiguous() for parameter in parameters]
        weights, biases, (linear, _) = kept[:n_layers], kept[n_layers : 2 * n_layers], kept[2 * n_layers :]
        self.sizes = [weights[0].shape[1], *(len(weight) for weight in weights)]
        self.dtype = features.dtype
        self.n_parameters = sum(parameter.numel() for parameter in parameters)
        self._instructions = instructions
        self._kept = (features, species, *kept)
        addresses = [pointer(tensor, self.dtype) for tensor in (*weights, *biases, *kept[2 * n_layers :], features)]
        pointers = ctypes.c_void_p * n_layers
        self._network = TrainedNetwork(
            self.dtype == torch.float32,
            n_layers,
            ints(self.sizes),
            pointers(*addresses[:n_layers]),
            pointers(*addresses[n_layers : 2 * n_layers]),
            len(linear),
            *addresses[-3:-1],  # linear and offset
            len(features),
            addresses[-1],
            pointer(species, torch.int64),
        )

    def __call__(self, name: str, *arguments: Tensor | None) -> None:
        function = getattr(open_library(), f"mliap_network_{name}")
        addresses = [None if argument is None else pointer(argument, self.dtype) for argument in arguments]
        check_error(function(self._instructions, ctypes.byref(self._network), torch.get_num_threads(), *addresses))


def _by_layer(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Weights, biases, linear, offset -> the order of the C interface."""
    n_layers = len(parameters) // 2 - 1
    layers = zip(parameters[:n_layers], parameters[n_layers : 2 * n_layers], strict=True)
    return [*itertools.chain(*layers), *parameters[-2:]]
