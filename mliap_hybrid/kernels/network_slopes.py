"""Energies of a network and their slopes by the features in one pass of the native kernels, with weight gradients.

By torch the same takes some fifty operations and their bookkeeping, which for small batches is most of a training step.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.kernels.library import TrainedNetwork, instruction_sets, ints, open_library
from mliap_hybrid.kernels.plan import MAX_LAYERS


@dataclass(frozen=True)
class LayerWeights:
    """Parameters of a SiLU network with a linear term for each element (model/atomic_network.py), of one precision."""

    weights: Sequence[Tensor]
    """(n_outputs, n_inputs) of each layer, the last one with one output."""
    biases: Sequence[Tensor]
    """(n_outputs,) of each layer."""
    linear: Tensor
    """(n_elements, n_features)."""
    offset: Tensor
    """(n_elements,), eV."""


def energies_and_slopes(
    features: Tensor, rows: Tensor, layers: LayerWeights, instruction_set: str | None = None
) -> tuple[Tensor, Tensor]:
    """Energies of atoms, and their derivatives by the features, both differentiable once in the weights.

    Parameters
    ----------
    features : Tensor, shape (n_atoms, n_features)
        Constants: nothing is differentiated by them.
    rows : Tensor, shape (n_atoms,), int64
        Index of each atom's element.
    layers : LayerWeights
        In the precision of the features, float32 or float64.
    instruction_set : str, optional
        One of `library.instruction_sets()`; the best of the processor by default.

    Returns
    -------
    energies : Tensor, shape (n_atoms,), eV
    slopes : Tensor, shape (n_atoms, n_features), eV

    Raises
    ------
    ValueError
        If shapes or precisions do not belong together, or there are too many layers.
    InputError
        If an element is not one of the network's, or memory is short.
    """
    expected = (len(features), layers.linear.shape[1])
    if features.shape != expected or rows.shape != expected[:1]:
        raise ValueError(f"expected features {expected} and rows of as many atoms, got {features.shape}, {rows.shape}")
    parameters = [*layers.weights, *layers.biases, layers.linear, layers.offset]
    if features.dtype not in (torch.float32, torch.float64) or {p.dtype for p in parameters} != {features.dtype}:
        raise ValueError(f"expected float32 or float64 throughout, got {features.dtype} and {parameters[0].dtype}")
    if len(layers.weights) > MAX_LAYERS:
        raise ValueError(f"expected at most {MAX_LAYERS} layers, got {len(layers.weights)}")
    instructions = (instruction_set or instruction_sets()[0]).encode()
    return _EnergiesAndSlopes.apply(features.contiguous(), rows.contiguous(), instructions, *parameters)


class _EnergiesAndSlopes(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, rows, instructions, *parameters):
        call = _Call(features, rows, instructions, parameters)
        energies, slopes = features.new_empty(len(features)), torch.empty_like(features)
        ctx.call, ctx.state = call, features.new_empty(len(features), 2 * sum(call.sizes[1:-1]))
        ctx.shapes = [parameter.shape for parameter in _by_layer(parameters)]
        call("slopes", energies, slopes, ctx.state)
        return energies, slopes

    @staticmethod
    def backward(ctx, energy_gradient, slope_gradient):
        gradient = _weight_gradient(energy_gradient, slope_gradient, ctx.call, ctx.state)
        parts = gradient.split([shape.numel() for shape in ctx.shapes])
        shaped = [part.view(shape) for part, shape in zip(parts, ctx.shapes, strict=True)]
        return None, None, None, *shaped[:-2:2], *shaped[1:-2:2], *shaped[-2:]


@one_by_one
def _weight_gradient(energy_gradient: Tensor, slope_gradient: Tensor, call: _Call, state: Tensor) -> Tensor:
    """Derivatives of a loss by all weights, laid end to end."""
    gradient = state.new_empty(call.n_parameters)
    call("gradient", state, energy_gradient.contiguous(), slope_gradient.contiguous(), gradient)
    return gradient


class _Call:
    """Arguments of the C interface, and the tensors that they point to."""

    def __init__(self, features: Tensor, rows: Tensor, instructions: bytes, parameters: Sequence[Tensor]):
        n_layers = len(parameters) // 2 - 1
        kept = [parameter.detach().contiguous() for parameter in parameters]
        weights, biases, (linear, offset) = kept[:n_layers], kept[n_layers : 2 * n_layers], kept[2 * n_layers :]
        self.sizes = [weights[0].shape[1], *(len(weight) for weight in weights)]
        pointers = ctypes.c_void_p * n_layers
        self.n_parameters = sum(parameter.numel() for parameter in parameters)
        self._instructions = instructions
        self._kept = (features, rows, *kept)
        self._network = TrainedNetwork(
            features.dtype == torch.float32,
            n_layers,
            ints(self.sizes),
            pointers(*(weight.data_ptr() for weight in weights)),
            pointers(*(bias.data_ptr() for bias in biases)),
            len(linear),
            linear.data_ptr(),
            offset.data_ptr(),
            len(features),
            features.data_ptr(),
            rows.data_ptr(),
        )

    def __call__(self, name: str, *arguments: Tensor) -> None:
        library = open_library()
        error = getattr(library, f"mliap_network_{name}")(
            self._instructions,
            ctypes.byref(self._network),
            torch.get_num_threads(),
            *(argument.data_ptr() for argument in arguments),
        )
        if error:
            raise InputError(f"the native kernels stopped: {library.mliap_kernels_error(error).decode()}")


def _by_layer(parameters: Sequence[Tensor]) -> list[Tensor]:
    """Weights, biases, linear, offset -> the order of the C interface."""
    n_layers = len(parameters) // 2 - 1
    layers = zip(parameters[:n_layers], parameters[n_layers : 2 * n_layers], strict=True)
    return [*itertools.chain(*layers), *parameters[-2:]]
