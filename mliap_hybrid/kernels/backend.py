"""What computes features, their derivatives, heads and sums over pairs: a protocol, and the choice of who does it.

A back end belongs to features, heads, a device and a precision. Everything that it gives is the same at each of them
but for rounding; who asks need not know which one answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.kernels.triton_backend import TritonBackend


class PairSums(Protocol):
    """Pairs of structures laid end to end, and the sums over them."""

    def __call__(self, gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Forces and virials, in the precision of the gradients, differentiable in these.

        f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p.

        Parameters
        ----------
        gradients : Tensor, shape (n_pairs, 3), float32 or float64, eV/Å
            g_p = dE/dr_p.

        Returns
        -------
        forces : Tensor, shape (n_atoms, 3), eV/Å
        virials : Tensor, shape (n_structures, 3, 3), eV
        """


class Backend(Protocol):
    """Features F, their derivatives by the pair vectors r_p, and heads: networks on the features.

    Results of the methods carry no gradients; `autograd.py` makes differentiable functions of them. Pair gradients and
    values of heads are float64, features are of the precision `dtype`. Where a method takes a geometry, it takes what
    `prepare` made of it, too.
    """

    applies_derivatives: ClassVar[bool]
    """Whether vjp and jvp cost less than reading dF/dr from the memory, so that a training need not store it."""
    fuses_heads: ClassVar[bool]
    """Whether the methods for heads cost less than features, networks of torch and a vjp one after the other."""
    device: torch.device
    dtype: torch.dtype
    n_features: int
    n_heads: int

    def __init__(
        self, features: Featuriser, heads: Sequence[NetworkWeights], device: torch.device | str, dtype: torch.dtype
    ):
        """Set up for features, heads, a device and a precision that it supports.

        Raises
        ------
        InputError
            If it does not support them.
        """

    @staticmethod
    def supports(
        features: Featuriser | None, heads: Sequence[NetworkWeights], device: torch.device, dtype: torch.dtype
    ) -> bool:
        """Whether this back end can do it; without features, whether its static methods can."""

    def prepare(self, geometry: Any) -> Any:
        """The geometry in the form that this back end works on, for who asks for several things."""

    def forward(self, geometry: Any) -> Tensor:
        """Features (n_centres, n_features).

        Raises
        ------
        InputError
            If an element is not one of the features', or two atoms sit at one place.
        """

    def forward_with_state(self, geometry: Any) -> tuple[Tensor, Any]:
        """Features (n_centres, n_features), and what `vjp` needs of the way to them."""

    def vjp(self, geometry: Any, feature_gradient: Tensor, state: Any = None) -> Tensor:
        """dE/dr_p of each pair from dE/dF.

        Parameters
        ----------
        geometry : Geometry, or what `prepare` gave
        feature_gradient : Tensor, shape (n_centres, n_features)
        state : optional
            From `forward_with_state` of the same geometry; computed again if not given.

        Returns
        -------
        Tensor, shape (n_pairs, 3)
        """

    def jvp(self, geometry: Any, displacements: Tensor) -> Tensor:
        """Change of the features (n_centres, n_features) when each r_p changes by displacements (n_pairs, 3)."""

    def hvp(self, geometry: Any, feature_gradient: Tensor, displacements: Tensor) -> Tensor:
        """Change of `vjp` (n_pairs, 3) when each r_p changes by displacements (n_pairs, 3), with dE/dF held fixed."""

    def heads_and_gradients(self, geometry: Any) -> tuple[Tensor, Tensor]:
        """All heads, each with its own gradient.

        Returns
        -------
        values : Tensor, shape (n_heads, n_centres)
            Energies in eV, or what else a head stands for.
        pair_gradients : Tensor, shape (n_heads, n_pairs, 3)
            Derivatives by r_p of the sum of each head over the centres.
        """

    def heads_and_mean_gradient(self, geometry: Any) -> tuple[Tensor, Tensor]:
        """All heads, with the gradient of their mean: values (n_heads, n_centres), pair gradient (n_pairs, 3)."""

    @staticmethod
    def pair_sums(
        pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, structure_of_atom: Tensor, n_structures: int
    ) -> PairSums:
        """Sums over pairs.

        Parameters
        ----------
        pair_i, pair_j : Tensor, shape (n_pairs,), int64
            Atoms, in [0, n_atoms): not checked.
        pair_vectors : Tensor, shape (n_pairs, 3), float64, Å
            r_p = r_j - r_i.
        structure_of_atom : Tensor, shape (n_atoms,), int64
        n_structures : int
        """

    @staticmethod
    def values_and_gradients(features: Tensor, species: Tensor, network: NetworkWeights) -> tuple[Tensor, Tensor]:
        """A network in training: energies of atoms, and their gradients by the features, differentiable in the weights.

        Parameters
        ----------
        features : Tensor, shape (n_atoms, n_features)
            Constants: nothing is differentiated by them.
        species : Tensor, shape (n_atoms,), int64
            Index of each atom's element.
        network : NetworkWeights
            In the precision of the features and without a shift; both results can be differentiated once in its
            parameters.

        Returns
        -------
        energies : Tensor, shape (n_atoms,), eV
        gradients : Tensor, shape (n_atoms, n_features), eV
        """


BACKENDS: tuple[type[Backend], ...] = (NativeBackend, TritonBackend, TorchBackend)
"""The first one that supports what is asked for does it: fast ones first, and torch, which knows everything, last."""


def backend_class(
    features: Featuriser | None = None,
    heads: Sequence[NetworkWeights] = (),
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> type[Backend]:
    """The best back end for features, heads, a device and a precision.

    Parameters
    ----------
    features : Featuriser, optional
        None for sums over pairs and networks in training, which need no features.
    heads : sequence of NetworkWeights
    device : torch.device or str
    dtype : torch.dtype

    Raises
    ------
    ValueError
        If the precision is not that of floating-point numbers.
    """
    for backend in BACKENDS:
        if backend.supports(features, heads, torch.device(device), dtype):
            return backend
    raise ValueError(f"expected a floating-point precision, got {dtype}")


@lru_cache
def backend_of_training(n_layers: int, device: torch.device, dtype: torch.dtype) -> type[Backend]:
    """The best back end for what a training does in each step without features; asked thousands of times.

    Parameters
    ----------
    n_layers : int
        Of the network; 0 for sums over pairs alone.
    device : torch.device
    dtype : torch.dtype
    """
    nothing = torch.empty(0)
    network = NetworkWeights([nothing] * n_layers, [nothing] * n_layers, nothing, nothing)
    return backend_class(None, [network], device, dtype)


def backend_for(
    features: Featuriser,
    heads: Sequence[NetworkWeights] = (),
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> Backend:
    """The best back end, set up; arguments and errors as `backend_class`."""
    return backend_class(features, heads, device, dtype)(features, heads, device, dtype)
