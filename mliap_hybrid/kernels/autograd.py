"""Features of a back end inside torch's automatic differentiation.

First derivatives are its vjp. Its own derivatives are methods too, so that losses on forces can be trained: by dE/dF it
is linear, hence the jvp; by the pair vectors it is the change of the vjp (hvp).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.kernels.batched_gradients import one_by_one
from mliap_hybrid.structure import Geometry


def differentiable_features(backend: Backend, geometry: Geometry) -> Tensor:
    """Features (n_centres, n_features), differentiable twice in the pair vectors.

    Parameters
    ----------
    backend : Backend
    geometry : Geometry
        Its pair vectors may require gradients.

    Returns
    -------
    Tensor, shape (n_centres, n_features)
        In the precision of the pair vectors; computed in that of `backend`.

    Raises
    ------
    InputError
        If an element is not one of the features', or two atoms sit at one place.
    """
    constant = backend.prepare(replace(geometry, pair_vectors=geometry.pair_vectors.detach()))
    return _Features.apply(geometry.pair_vectors, backend, constant)


def differentiable_vjp(backend: Backend, geometry: Any, feature_gradient: Tensor) -> Tensor:
    """dE/dr_p (n_pairs, 3) from dE/dF (n_centres, n_features), differentiable once in the latter alone.

    Both in the same precision; computed in that of `backend`. `geometry` is one, or what `Backend.prepare` gave.
    """
    return _VJP.apply(feature_gradient, backend, geometry)


class _Features(torch.autograd.Function):
    @staticmethod
    def forward(ctx, vectors, backend: Backend, geometry):
        features, state = backend.forward_with_state(geometry)
        ctx.save_for_backward(vectors)
        ctx.backend, ctx.geometry, ctx.state = backend, geometry, state
        return features.to(vectors.dtype)

    @staticmethod
    def backward(ctx, feature_gradient):
        (vectors,) = ctx.saved_tensors
        return _Gradient.apply(feature_gradient, vectors, ctx.backend, ctx.geometry, ctx.state), None, None


class _Gradient(torch.autograd.Function):
    """dE/dr_p as a function of dE/dF and of the pair vectors."""

    @staticmethod
    def forward(ctx, feature_gradient, vectors, backend: Backend, geometry, state):
        ctx.save_for_backward(feature_gradient)
        ctx.backend, ctx.geometry = backend, geometry
        return backend.vjp(geometry, feature_gradient, state).to(vectors.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, displacements):
        (feature_gradient,) = ctx.saved_tensors
        of_gradient = of_vectors = None
        if ctx.needs_input_grad[0]:
            of_gradient = ctx.backend.jvp(ctx.geometry, displacements).to(feature_gradient.dtype)
        if ctx.needs_input_grad[1]:
            of_vectors = ctx.backend.hvp(ctx.geometry, feature_gradient, displacements).to(displacements.dtype)
        return of_gradient, of_vectors, None, None, None


class _VJP(torch.autograd.Function):
    """dE/dr_p as a linear function of dE/dF."""

    @staticmethod
    def forward(ctx, feature_gradient, backend: Backend, geometry):
        ctx.backend, ctx.geometry = backend, geometry
        return backend.vjp(geometry, feature_gradient).to(feature_gradient.dtype)

    @staticmethod
    def backward(ctx, displacements):
        return _feature_change(displacements, ctx.backend, ctx.geometry), None, None


@one_by_one
def _feature_change(displacements: Tensor, backend: Backend, geometry: Any) -> Tensor:
    """dF (n_centres, n_features) of displacements dr_p (n_pairs, 3): the transpose of `_VJP`."""
    return backend.jvp(geometry, displacements).to(displacements.dtype)
