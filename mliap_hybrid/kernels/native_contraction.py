"""Learned contractions by the native kernels, inside torch's automatic differentiation.

Both maps are differentiable once: the invariants in the weights, and the derivatives by the moments in the weights and
in the derivatives by the invariants. The moments are constants.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from mliap_hybrid.features.channel_invariants import N_COMPONENTS
from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.kernels.library import check_error, instruction_sets, open_library
from mliap_hybrid.kernels.network_weights import ContractionWeights
from mliap_hybrid.kernels.pointers import pointer
from mliap_hybrid.kernels.structs import TrainedContraction


def contract(
    moments: Tensor, species: Tensor, contraction: ContractionWeights, instruction_set: str | None = None
) -> Tensor:
    """As `torch_contraction.contract`, with one of `library.instruction_sets()`, by default the best.

    Raises
    ------
    ValueError
        If shapes, precisions or devices do not belong together.
    InputError
        If an element is not one of the contraction's, or memory is short.
    """
    call = _Call(moments, species, contraction, instruction_set)
    return _Contract.apply(contraction.weights, contraction.own, call)


def contract_back(
    by_invariants: Tensor,
    moments: Tensor,
    species: Tensor,
    contraction: ContractionWeights,
    instruction_set: str | None = None,
) -> Tensor:
    """As `torch_contraction.contract_back`; the rest as `contract`."""
    call = _Call(moments, species, contraction, instruction_set)
    return _ContractBack.apply(by_invariants, contraction.weights, contraction.own, call)


class _Contract(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, own, call: _Call):
        ctx.call = call
        invariants = weights.new_empty(call.n_atoms, call.n_invariants)
        call("values", invariants)
        return invariants

    @staticmethod
    def backward(ctx, by_invariants):
        return *ctx.call.split(_values_back(by_invariants, ctx.call)), None


class _ContractBack(torch.autograd.Function):
    @staticmethod
    def forward(ctx, by_invariants, weights, own, call: _Call):
        ctx.call = call
        by_invariants = by_invariants.contiguous()
        ctx.save_for_backward(by_invariants)
        gradients = weights.new_empty(call.n_atoms, call.n_moments)
        call("slopes", by_invariants, gradients)
        return gradients

    @staticmethod
    def backward(ctx, by_gradients):
        (by_invariants,), call = ctx.saved_tensors, ctx.call
        result = _gradients_back(by_gradients, by_invariants, call)
        size = by_invariants.numel()
        return result[:size].view_as(by_invariants), *call.split(result[size:]), None


@one_by_one
def _values_back(by_invariants: Tensor, call: _Call) -> Tensor:
    """Derivatives of a loss by weights and own, laid end to end."""
    gradient = by_invariants.new_empty(call.n_parameters)
    call("values_back", by_invariants.contiguous(), gradient)
    return gradient


@one_by_one
def _gradients_back(by_gradients: Tensor, by_invariants: Tensor, call: _Call) -> Tensor:
    """Derivatives of a loss by `by_invariants`, weights and own, laid end to end."""
    size = by_invariants.numel()
    result = by_gradients.new_empty(size + call.n_parameters)
    call("slopes_back", by_invariants, by_gradients.contiguous(), result[:size], result[size:])
    return result


class _Call:
    """Arguments of the C interface, and the tensors that they point to."""

    def __init__(self, moments: Tensor, species: Tensor, contraction: ContractionWeights, instruction_set: str | None):
        weights, own = contraction.weights.detach().contiguous(), contraction.own.detach().contiguous()
        n_elements, _, n_channels, n_inputs = weights.shape
        self.n_atoms, self.n_moments, self.n_invariants = (
            len(moments),
            N_COMPONENTS * n_inputs,
            contraction.n_invariants,
        )
        self.n_parameters = weights.numel() + own.numel()
        self.dtype = moments.dtype
        self._shapes = weights.shape, own.shape
        if moments.shape[1] != self.n_moments or species.shape != moments.shape[:1]:
            raise ValueError(
                f"expected moments (n_atoms, {self.n_moments}) and species of as many atoms, got "
                f"{tuple(moments.shape)}, {tuple(species.shape)}"
            )
        if moments.dtype not in (torch.float32, torch.float64):
            raise ValueError(f"expected float32 or float64, got {moments.dtype}")
        self._kept = moments.detach().contiguous(), species.contiguous(), weights, own
        moments, species, *_ = self._kept
        self._instructions = (instruction_set or instruction_sets()[0]).encode()
        self._contraction = TrainedContraction(
            self.dtype == torch.float32,
            contraction.body_order,
            n_channels,
            n_inputs,
            n_elements,
            pointer(weights, self.dtype),
            pointer(own, self.dtype),
            self.n_atoms,
            pointer(moments, self.dtype),
            pointer(species, torch.int64),
        )

    def split(self, gradient: Tensor) -> list[Tensor]:
        """Derivatives by weights and own, laid end to end -> each in its shape."""
        parts = gradient.split([shape.numel() for shape in self._shapes])
        return [part.view(shape) for part, shape in zip(parts, self._shapes, strict=True)]

    def __call__(self, name: str, *arguments: Tensor) -> None:
        function = getattr(open_library(), f"mliap_contract_{name}")
        addresses = [pointer(argument, self.dtype) for argument in arguments]
        check_error(function(self._instructions, ctypes.byref(self._contraction), torch.get_num_threads(), *addresses))
