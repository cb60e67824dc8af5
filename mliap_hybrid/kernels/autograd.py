"""The native features inside torch's automatic differentiation.

First derivatives are the vjp kernel. Its own derivatives are kernels too, so that losses on forces can be trained: by
dE/dF it is linear, hence the jvp; by the pair vectors it is the change of the vjp (hvp).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.kernels.multipoles import NativeMultipoles, SortedPairs
from mliap_hybrid.structure import Geometry


def differentiable_features(native: NativeMultipoles, geometry: Geometry) -> Tensor:
    """Features (n_centres, n_features), differentiable twice in the pair vectors.

    Parameters
    ----------
    native : NativeMultipoles
    geometry : Geometry
        Its pair vectors may require gradients.

    Returns
    -------
    Tensor, shape (n_centres, n_features)
        In the precision of the pair vectors; computed in that of `native`.

    Raises
    ------
    InputError
        If an element is not one of the features', or two atoms sit at one place.
    """
    pairs = native.sort(replace(geometry, pair_vectors=geometry.pair_vectors.detach()))
    return _Features.apply(geometry.pair_vectors, native, pairs)


def differentiable_gradient(native: NativeMultipoles, pairs: SortedPairs, feature_gradient: Tensor) -> Tensor:
    """dE/dr_p (n_pairs, 3) from dE/dF (n_centres, n_features), differentiable once in the latter alone.

    Both in the same precision; computed in that of `native`.
    """
    return _PairGradient.apply(feature_gradient, native, pairs)


class _Features(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vectors, native, pairs):
        features, moments = native.forward_with_moments(pairs)
        ctx.save_for_backward(vectors)
        ctx.native, ctx.pairs, ctx.moments = native, pairs, moments
        return features.to(vectors.dtype)

    @staticmethod
    def backward(ctx, feature_gradient):
        (vectors,) = ctx.saved_tensors
        return _Gradient.apply(feature_gradient, vectors, ctx.native, ctx.pairs, ctx.moments), None, None


class _Gradient(torch.autograd.Function):
    """dE/dr_p as a function of dE/dF and of the pair vectors."""

    @staticmethod
    def forward(ctx, feature_gradient, vectors, native: NativeMultipoles, pairs: SortedPairs, moments):
        ctx.save_for_backward(feature_gradient)
        ctx.native, ctx.pairs = native, pairs
        return native.vjp(pairs, feature_gradient, moments).to(vectors.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, displacements):
        (feature_gradient,) = ctx.saved_tensors
        of_gradient = of_vectors = None
        if ctx.needs_input_grad[0]:
            of_gradient = ctx.native.jvp(ctx.pairs, displacements).to(feature_gradient.dtype)
        if ctx.needs_input_grad[1]:
            of_vectors = ctx.native.hvp(ctx.pairs, feature_gradient, displacements).to(displacements.dtype)
        return of_gradient, of_vectors, None, None, None


class _PairGradient(torch.autograd.Function):
    """dE/dr_p as a linear function of dE/dF."""

    @staticmethod
    def forward(ctx, feature_gradient, native: NativeMultipoles, pairs: SortedPairs):
        ctx.native, ctx.pairs = native, pairs
        return native.vjp(pairs, feature_gradient).to(feature_gradient.dtype)

    @staticmethod
    def backward(ctx, displacements):
        return _feature_change(displacements, ctx.native, ctx.pairs), None, None


@one_by_one
def _feature_change(displacements: Tensor, native: NativeMultipoles, pairs: SortedPairs) -> Tensor:
    """dF (n_centres, n_features) of displacements dr_p (n_pairs, 3): the transpose of `_PairGradient`."""
    return native.jvp(pairs, displacements).to(displacements.dtype)
