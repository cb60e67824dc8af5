"""The back end on the compiled kernels: the same numbers as torch's, many times faster, on the processor.

The torch modules stay the definition; from the tables and products of features/gmp.py a plan is made that the kernels
work on. Features, their derivatives and the heads on top of them need few passes over the pairs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.distances import check_distances
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.kernels import network_gradients
from mliap_hybrid.kernels.features_handle import FeaturesHandle
from mliap_hybrid.kernels.library import BAD_DISTANCE, check_error, open_library
from mliap_hybrid.kernels.native_arrays import FeatureArrays, NetworkArrays
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.pair_sums import NativePairSums
from mliap_hybrid.kernels.plan import MAX_LAYERS, feature_arrays, is_known, network_arrays
from mliap_hybrid.kernels.pointers import pointer
from mliap_hybrid.kernels.sorted_pairs import PairSorter, SortedPairs
from mliap_hybrid.structure import Geometry

CPU = torch.device("cpu")


@dataclass(frozen=True)
class NativeState:
    """What `forward_with_state` leaves for `vjp`."""

    pairs: SortedPairs
    moments: Tensor
    """(n_centres, n_moments), in the precision of the back end."""


class NativeBackend:
    """A `Backend` for tabulated multipoles on the processor.

    Parameters
    ----------
    features : GaussianMultipoles
        The definition; its tables are copied.
    heads : sequence of NetworkWeights
        For the methods that evaluate them.
    device : torch.device or str
        The processor.
    dtype : {torch.float64, torch.float32}
        Precision of the arithmetic. Positions, pair gradients and values of heads are float64 at either.
    instruction_set : str, optional
        One of `library.instruction_sets()`; the best of the processor by default.
    n_threads : int, optional
        As many as torch has at the time of a call by default.

    Raises
    ------
    InputError
        If the kernels cannot compute these features or heads, or the processor lacks the instruction set.
    """

    applies_derivatives: ClassVar[bool] = True
    fuses_heads: ClassVar[bool] = True

    def __init__(
        self,
        features: Featuriser,
        heads: Sequence[NetworkWeights] = (),
        device: torch.device | str = CPU,
        dtype: torch.dtype = torch.float64,
        *,
        instruction_set: str | None = None,
        n_threads: int | None = None,
    ):
        if not is_known(features) or not self.supports(features, heads, torch.device(device), dtype):
            raise InputError(
                "the native kernels compute tabulated multipole features of the orders 0 to 6 without a root, and "
                f"networks of up to {MAX_LAYERS} layers, in float32 or float64 on the cpu; found orders "
                f"{getattr(features, 'orders', None)}, layers {[len(head.weights) for head in heads]}, {dtype} and "
                f"{device}: use the torch features"
            )
        self._arguments = features, [head.to(CPU, torch.float64) for head in heads], CPU, dtype
        self._chosen = {"instruction_set": instruction_set, "n_threads": n_threads}
        self.device, self.dtype = CPU, dtype
        self.n_features, self.n_heads = features.n_features, len(heads)
        self.n_threads = n_threads
        self._sort = PairSorter(features.species_of)
        self._library = open_library()
        self._handle = FeaturesHandle(*self.arrays(), instruction_set)

    def arrays(self) -> tuple[FeatureArrays, list[NetworkArrays]]:
        """Features and heads as the library got them."""
        features, heads, _, dtype = self._arguments
        return feature_arrays(features, dtype), [network_arrays(head) for head in heads]

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        # A copy, also one in another process or on another processor, has memory of the library for itself; without a
        # choice of instruction set, it takes the best of the processor that is there.
        return _restore, (self._arguments, self._chosen)

    @staticmethod
    def supports(
        features: Featuriser | None, heads: Sequence[NetworkWeights], device: torch.device, dtype: torch.dtype
    ) -> bool:
        """As `Backend`."""
        return (
            device.type == "cpu"
            and dtype in (torch.float32, torch.float64)
            and (features is None or is_known(features))
            and all(len(head.weights) <= MAX_LAYERS for head in heads)
        )

    def prepare(self, geometry: Geometry | SortedPairs) -> SortedPairs:
        """As `Backend`: sorted pairs.

        Raises
        ------
        InputError
            If an atom is of an element that the features were not made for.
        ValueError
            If the geometry is on another device than the processor.
        """
        return geometry if isinstance(geometry, SortedPairs) else self._sort(geometry)

    def forward(self, geometry: Geometry | SortedPairs) -> Tensor:
        """As `Backend`: (n_centres, n_features)."""
        return self.forward_with_state(geometry)[0]

    def forward_with_state(self, geometry: Geometry | SortedPairs) -> tuple[Tensor, NativeState]:
        """As `Backend`: (n_centres, n_features), and the moments."""
        pairs = self.prepare(geometry)
        values = torch.empty((pairs.n_centres, self.n_features), dtype=self.dtype)
        moments = torch.empty((pairs.n_centres, self._handle.n_moments), dtype=self.dtype)
        self._call("forward", pairs, pointer(values, self.dtype), pointer(moments, self.dtype))
        return values, NativeState(pairs, moments)

    def vjp(
        self, geometry: Geometry | SortedPairs, feature_gradient: Tensor, state: NativeState | None = None
    ) -> Tensor:
        """As `Backend`: (n_pairs, 3) float64."""
        pairs = self.prepare(geometry) if state is None else state.pairs
        weights, gradients = self._of_centres(feature_gradient, pairs), torch.empty_like(pairs.vectors)
        moments = None if state is None else pointer(state.moments, self.dtype)
        self._call("vjp", pairs, pointer(weights, self.dtype), moments, pointer(gradients, torch.float64))
        return pairs.in_given_order(gradients)

    def jvp(self, geometry: Geometry | SortedPairs, displacements: Tensor) -> Tensor:
        """As `Backend`: (n_centres, n_features)."""
        pairs = self.prepare(geometry)
        moved = pairs.in_sorted_order(displacements)
        changes = torch.empty((pairs.n_centres, self.n_features), dtype=self.dtype)
        self._call("jvp", pairs, pointer(moved, torch.float64), pointer(changes, self.dtype))
        return changes

    def hvp(self, geometry: Geometry | SortedPairs, feature_gradient: Tensor, displacements: Tensor) -> Tensor:
        """As `Backend`: (n_pairs, 3) float64."""
        pairs = self.prepare(geometry)
        weights, moved = self._of_centres(feature_gradient, pairs), pairs.in_sorted_order(displacements)
        changes = torch.empty_like(pairs.vectors)
        of_pairs = (pointer(tensor, torch.float64) for tensor in (moved, changes))
        self._call("hvp", pairs, pointer(weights, self.dtype), *of_pairs)
        return pairs.in_given_order(changes)

    def heads_and_gradients(self, geometry: Geometry | SortedPairs) -> tuple[Tensor, Tensor]:
        """As `Backend`: (n_heads, n_centres) and (n_heads, n_pairs, 3), float64."""
        pairs = self.prepare(geometry)
        values = torch.empty((self.n_heads, pairs.n_centres), dtype=torch.float64)
        gradients = torch.empty((self.n_heads, *pairs.vectors.shape), dtype=torch.float64)
        self._call("each_energy", pairs, *(pointer(tensor, torch.float64) for tensor in (values, gradients)))
        if pairs.order is not None:
            gradients = torch.stack([pairs.in_given_order(of_head) for of_head in gradients])
        return values, gradients

    def heads_and_mean_gradient(self, geometry: Geometry | SortedPairs) -> tuple[Tensor, Tensor]:
        """As `Backend`: (n_heads, n_centres) and (n_pairs, 3), float64."""
        pairs = self.prepare(geometry)
        values = torch.empty((self.n_heads, pairs.n_centres), dtype=torch.float64)
        gradient = torch.empty_like(pairs.vectors)
        self._call("mean_energy", pairs, *(pointer(tensor, torch.float64) for tensor in (values, gradient)))
        return values, pairs.in_given_order(gradient)

    @staticmethod
    def pair_sums(
        pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, structure_of_atom: Tensor, n_structures: int
    ) -> NativePairSums:
        """As `Backend`."""
        return NativePairSums(pair_i, pair_j, pair_vectors, structure_of_atom, n_structures)

    @staticmethod
    def values_and_gradients(features: Tensor, species: Tensor, network: NetworkWeights) -> tuple[Tensor, Tensor]:
        """As `Backend`."""
        return network_gradients.values_and_gradients(features, species, network)

    def _of_centres(self, feature_gradient: Tensor, pairs: SortedPairs) -> Tensor:
        expected = (pairs.n_centres, self.n_features)
        if feature_gradient.shape != expected:
            raise ValueError(f"expected dE/dF of shape {expected}, got {tuple(feature_gradient.shape)}")
        return feature_gradient.detach().to(self.dtype).contiguous()

    def _call(self, name: str, pairs: SortedPairs, *addresses: int | None) -> None:
        n_threads = torch.get_num_threads() if self.n_threads is None else self.n_threads
        function = getattr(self._library, f"mliap_features_{name}")
        error = function(self._handle.address, ctypes.byref(pairs.pairs), n_threads, *addresses)
        if error == BAD_DISTANCE:
            check_distances(pairs.vectors.norm(dim=1), pairs.geometry)
        check_error(error)


def _restore(arguments: tuple[Any, ...], chosen: dict[str, Any]) -> NativeBackend:
    """What was copied or pickled."""
    return NativeBackend(*arguments, **chosen)
