"""Gaussian-multipole features on the native kernels: the same numbers as features/gmp.py, many times faster.

The torch module stays the definition; from its tables and products a plan is made that the kernels work on. Everything
that a model needs of the features is here: values, dE/dF -> dE/dr (vjp), displacements -> dF (jvp), the change of the
vjp under displacements (hvp, a second derivative), and the energies of networks on top of them in one pass.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.distances import check_distances
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.library import (
    BAD_DISTANCE,
    UNKNOWN_ELEMENT,
    UNSORTED,
    NetworkSettings,
    PairList,
    instruction_sets,
    open_library,
)
from mliap_hybrid.kernels.plan import NetworkWeights, feature_settings, is_supported, network_settings
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class SortedPairs:
    """Geometry as the kernels read them."""

    pairs: PairList
    """Pointers into the tensors below."""
    geometry: Geometry
    """Where they come from."""
    order: Tensor | None
    """(n_pairs,) int64: place in the geometry of each pair here; None where they were sorted by centre already."""
    vectors: Tensor
    """(n_pairs, 3) float64, Å."""
    kept: tuple[Tensor, ...]
    """Tensors that `pairs` points to."""

    @property
    def n_centres(self) -> int:
        """Number of centres."""
        return self.geometry.n_centres


class NativeMultipoles:
    """Features, their derivatives and a network's energy on the compiled kernels.

    Parameters
    ----------
    features : GaussianMultipoles
        The definition; its tables are copied.
    networks : sequence of NetworkWeights
        For the methods that give energies.
    dtype : {torch.float64, torch.float32}
        Precision of the arithmetic. Positions, pair gradients and energies are float64 at either.
    instruction_set : str, optional
        One of `library.instruction_sets()`; the best of the processor by default.
    n_threads : int

    Raises
    ------
    InputError
        If the kernels cannot compute these features, or the processor lacks the instruction set.
    """

    def __init__(
        self,
        features: GaussianMultipoles,
        networks: Sequence[NetworkWeights] = (),
        *,
        dtype: torch.dtype = torch.float64,
        instruction_set: str | None = None,
        n_threads: int = 1,
    ):
        if not is_supported(features):
            raise InputError(
                "the native kernels compute tabulated multipole features of the orders 0 to 6 without a root; "
                f"found orders {getattr(features, 'orders', None)}: use the torch features"
            )
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"expected float32 or float64, got {dtype}")
        known = instruction_sets()
        self._arguments = features, tuple(networks), dtype, instruction_set
        instruction_set = instruction_set or known[0]
        if instruction_set not in known:
            raise InputError(
                f"this processor has no instruction set '{instruction_set}': {did_you_mean(instruction_set, known)}"
            )
        self.features = features
        self.dtype = dtype
        self.instruction_set = instruction_set
        self.n_threads = n_threads
        self._library = open_library()
        self._row_of_number = features.rows_of.row_of_number.to(torch.int32)  # atomic number -> element row
        settings = feature_settings(features, dtype)
        weights = (NetworkSettings * len(networks))(*map(network_settings, networks))
        self._handle = self._library.mliap_features_create(
            ctypes.byref(settings), weights, len(networks), instruction_set.encode()
        )
        if not self._handle:
            raise InputError("the native kernels could not be set up for these features and networks")
        weakref.finalize(self, self._library.mliap_features_destroy, self._handle)
        self.n_features: int = features.n_features
        self.n_networks = len(networks)
        self.n_moments: int = self._library.mliap_features_moments(self._handle)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        # A copy, also one in another process or on another processor, has memory of the library for itself.
        return _restore, (*self._arguments, self.n_threads)

    def sort(self, geometry: Geometry) -> SortedPairs:
        """The geometry as the kernels read them; every method below takes either.

        Raises
        ------
        InputError
            If an atom is of an element that the features were not made for.
        """
        pairs = self._sort_sorted(geometry)
        if pairs is not None:
            return pairs
        order = torch.argsort(geometry.pair_i, stable=True)  # (n_pairs,)
        pairs = self._sort_sorted(
            replace(
                geometry,
                pair_i=geometry.pair_i[order],
                neighbour_numbers=geometry.neighbour_numbers[order],
                pair_vectors=geometry.pair_vectors.detach()[order],
            )
        )
        assert pairs is not None
        return replace(pairs, order=order)

    def _sort_sorted(self, geometry: Geometry) -> SortedPairs | None:
        """The same for pairs that are sorted by centre; None if they are not."""
        n_centres, n_pairs = geometry.n_centres, len(geometry.pair_i)
        vectors = geometry.pair_vectors.detach().to(torch.float64).contiguous()
        given = [geometry.pair_i, geometry.centre_numbers, geometry.neighbour_numbers]
        given = [tensor.contiguous() for tensor in given]
        offsets = torch.empty(n_centres + 1, dtype=torch.int64)
        centre_rows = torch.empty(n_centres, dtype=torch.int32)
        neighbour_rows = torch.empty(n_pairs, dtype=torch.int32)
        answer = self._library.mliap_sort_pairs(
            n_centres,
            n_pairs,
            *(tensor.data_ptr() for tensor in (*given, self._row_of_number)),
            len(self._row_of_number),
            *(tensor.data_ptr() for tensor in (offsets, centre_rows, neighbour_rows)),
        )
        if answer == UNSORTED:
            return None
        if answer == UNKNOWN_ELEMENT:
            self.features.rows_of(torch.cat([geometry.centre_numbers, geometry.neighbour_numbers]))
        kept = (offsets, vectors, centre_rows, neighbour_rows)
        pairs = PairList(n_centres, *(tensor.data_ptr() for tensor in kept))
        return SortedPairs(pairs, geometry, None, vectors, kept)

    def forward(self, geometry: Geometry | SortedPairs) -> Tensor:
        """Features (n_centres, n_features) of the centres, in `dtype`.

        Raises
        ------
        InputError
            If an element is not one of the features', or two atoms sit at one place.
        """
        return self.forward_with_moments(geometry)[0]

    def forward_with_moments(self, geometry: Geometry | SortedPairs) -> tuple[Tensor, Tensor]:
        """Features (n_centres, n_features), and the moments (n_centres, n_moments) that `vjp` can start from."""
        pairs = self._sorted(geometry)
        values = torch.empty((pairs.n_centres, self.n_features), dtype=self.dtype)
        moments = torch.empty((pairs.n_centres, self.n_moments), dtype=self.dtype)
        self._call("forward", pairs, values.data_ptr(), moments.data_ptr())
        return values, moments

    def vjp(self, geometry: Geometry | SortedPairs, feature_gradient: Tensor, moments: Tensor | None = None) -> Tensor:
        """dE/dr_p of each pair from dE/dF.

        Parameters
        ----------
        geometry : Geometry or SortedPairs
        feature_gradient : Tensor, shape (n_centres, n_features)
        moments : Tensor, optional
            From `forward_with_moments` of the same geometry; computed again if not given.

        Returns
        -------
        Tensor, shape (n_pairs, 3), float64
        """
        pairs = self._sorted(geometry)
        weights = self._rows(feature_gradient, pairs)
        gradients = torch.empty_like(pairs.vectors)
        known = None if moments is None else moments.data_ptr()
        self._call("vjp", pairs, weights.data_ptr(), known, gradients.data_ptr())
        return _in_given_order(gradients, pairs)

    def jvp(self, geometry: Geometry | SortedPairs, displacements: Tensor) -> Tensor:
        """Change of the features (n_centres, n_features) when each r_p changes by displacements (n_pairs, 3)."""
        pairs = self._sorted(geometry)
        moved = _in_sorted_order(displacements, pairs)
        changes = torch.empty((pairs.n_centres, self.n_features), dtype=self.dtype)
        self._call("jvp", pairs, moved.data_ptr(), changes.data_ptr())
        return changes

    def hvp(self, geometry: Geometry | SortedPairs, feature_gradient: Tensor, displacements: Tensor) -> Tensor:
        """Change of `vjp` (n_pairs, 3) when each r_p changes by displacements (n_pairs, 3), with dE/dF held fixed."""
        pairs = self._sorted(geometry)
        weights = self._rows(feature_gradient, pairs)
        moved = _in_sorted_order(displacements, pairs)
        changes = torch.empty_like(pairs.vectors)
        self._call("hvp", pairs, weights.data_ptr(), moved.data_ptr(), changes.data_ptr())
        return _in_given_order(changes, pairs)

    def each_energy(self, geometry: Geometry | SortedPairs) -> tuple[Tensor, Tensor]:
        """Energies of all networks, each with its own gradient.

        Returns
        -------
        energies : Tensor, shape (n_networks, n_centres), float64, eV
        pair_gradients : Tensor, shape (n_networks, n_pairs, 3), float64, eV/Å
            dE/dr_p of the sum over the centres.
        """
        pairs = self._sorted(geometry)
        energies = torch.empty((self.n_networks, pairs.n_centres), dtype=torch.float64)
        gradients = torch.empty((self.n_networks, *pairs.vectors.shape), dtype=torch.float64)
        self._call("each_energy", pairs, energies.data_ptr(), gradients.data_ptr())
        return energies, torch.stack([_in_given_order(of_network, pairs) for of_network in gradients])

    def mean_energy(self, geometry: Geometry | SortedPairs) -> tuple[Tensor, Tensor]:
        """Energies of all networks, with the gradient of their mean.

        Returns
        -------
        energies : Tensor, shape (n_networks, n_centres), float64, eV
        pair_gradients : Tensor, shape (n_pairs, 3), float64, eV/Å
            dE/dr_p of the sum over the centres.
        """
        pairs = self._sorted(geometry)
        energies = torch.empty((self.n_networks, pairs.n_centres), dtype=torch.float64)
        gradients = torch.empty_like(pairs.vectors)
        self._call("mean_energy", pairs, energies.data_ptr(), gradients.data_ptr())
        return energies, _in_given_order(gradients, pairs)

    def _sorted(self, geometry: Geometry | SortedPairs) -> SortedPairs:
        return geometry if isinstance(geometry, SortedPairs) else self.sort(geometry)

    def _rows(self, feature_gradient: Tensor, pairs: SortedPairs) -> Tensor:
        expected = (pairs.n_centres, self.n_features)
        if feature_gradient.shape != expected:
            raise ValueError(f"expected dE/dF of shape {expected}, got {tuple(feature_gradient.shape)}")
        return feature_gradient.detach().to(self.dtype).contiguous()

    def _call(self, name: str, pairs: SortedPairs, *arguments: int | None) -> None:
        function = getattr(self._library, f"mliap_features_{name}")
        error = function(self._handle, ctypes.byref(pairs.pairs), self.n_threads, *arguments)
        if error == BAD_DISTANCE:
            check_distances(pairs.vectors.norm(dim=1), pairs.geometry)
        if error:
            raise InputError(f"the native kernels stopped: {self._library.mliap_kernels_error(error).decode()}")


def _in_sorted_order(values: Tensor, pairs: SortedPairs) -> Tensor:
    if values.shape != pairs.vectors.shape:
        raise ValueError(f"expected displacements of shape {tuple(pairs.vectors.shape)}, got {tuple(values.shape)}")
    values = values.detach().to(torch.float64)
    return (values if pairs.order is None else values[pairs.order]).contiguous()


def _in_given_order(values: Tensor, pairs: SortedPairs) -> Tensor:
    return values if pairs.order is None else torch.empty_like(values).index_copy_(0, pairs.order, values)


def _restore(
    features: GaussianMultipoles,
    networks: Sequence[NetworkWeights],
    dtype: torch.dtype,
    instruction_set: str | None,
    n_threads: int,
) -> NativeMultipoles:
    """What was copied or pickled; without a choice of instruction set, the best of the processor that is here."""
    return NativeMultipoles(features, networks, dtype=dtype, instruction_set=instruction_set, n_threads=n_threads)
