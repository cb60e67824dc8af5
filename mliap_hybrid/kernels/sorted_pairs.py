"""Centres and their neighbours as the native kernels read them: pairs sorted by centre, elements as indices."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mliap_hybrid.features.elements import SpeciesIndex
from mliap_hybrid.kernels.library import UNKNOWN_ELEMENT, UNSORTED, open_library
from mliap_hybrid.kernels.pointers import pointer
from mliap_hybrid.kernels.structs import PairList
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class SortedPairs:
    """Geometry as the kernels read it."""

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

    def in_sorted_order(self, values: Tensor) -> Tensor:
        """Vectors (n_pairs, 3) in the order of the geometry -> float64 in the order of the kernels.

        Raises
        ------
        ValueError
            If they have another shape.
        """
        if values.shape != self.vectors.shape:
            raise ValueError(f"expected displacements of shape {tuple(self.vectors.shape)}, got {tuple(values.shape)}")
        values = values.detach().to(torch.float64)
        return (values if self.order is None else values[self.order]).contiguous()

    def in_given_order(self, values: Tensor) -> Tensor:
        """Vectors (n_pairs, 3) in the order of the kernels -> in that of the geometry."""
        return values if self.order is None else torch.empty_like(values).index_copy_(0, self.order, values)


class PairSorter:
    """Geometry -> `SortedPairs`, for the elements of some features."""

    def __init__(self, elements: SpeciesIndex):
        """Take the map from atomic numbers to indices of the elements."""
        self.elements = elements
        self._species_of_number = elements.species_of_number.to("cpu", torch.int32)

    def __call__(self, geometry: Geometry) -> SortedPairs:
        """Sort the pairs of a geometry, and find the species of all atoms.

        Raises
        ------
        InputError
            If an atom is of an element that the features were not made for.
        ValueError
            If the tensors are of other shapes, vectors are not of floating point, or a pair's centre is none.
        """
        _check_shapes(geometry)
        pairs = self._if_sorted(geometry)
        if pairs is not None:
            return pairs
        order = torch.argsort(geometry.pair_i, stable=True)  # (n_pairs,)
        pairs = self._if_sorted(
            replace(
                geometry,
                pair_i=geometry.pair_i[order],
                neighbour_numbers=geometry.neighbour_numbers[order],
                pair_vectors=geometry.pair_vectors.detach()[order],
            )
        )
        if pairs is None:
            found = f"{int(geometry.pair_i.min())} to {int(geometry.pair_i.max())}"
            raise ValueError(f"expected centres of pairs from 0 to {geometry.n_centres - 1}, got {found}")
        return replace(pairs, order=order)

    def _if_sorted(self, geometry: Geometry) -> SortedPairs | None:
        """The same for pairs that are sorted by centre; None if they are not."""
        n_centres, n_pairs = geometry.n_centres, len(geometry.pair_i)
        vectors = geometry.pair_vectors.detach().to(torch.float64).contiguous()
        given = [geometry.pair_i, geometry.centre_numbers, geometry.neighbour_numbers]
        given = [tensor.contiguous() for tensor in given]
        offsets = torch.empty(n_centres + 1, dtype=torch.int64)
        centre_species = torch.empty(n_centres, dtype=torch.int32)
        neighbour_species = torch.empty(n_pairs, dtype=torch.int32)
        answer = open_library().mliap_sort_pairs(
            n_centres,
            n_pairs,
            *(pointer(tensor, torch.int64) for tensor in given),
            pointer(self._species_of_number, torch.int32),
            len(self._species_of_number),
            pointer(offsets, torch.int64),
            pointer(centre_species, torch.int32),
            pointer(neighbour_species, torch.int32),
        )
        if answer == UNSORTED:
            return None
        if answer == UNKNOWN_ELEMENT:
            self.elements(torch.cat([geometry.centre_numbers, geometry.neighbour_numbers]))
        pairs = PairList(
            n_centres,
            pointer(offsets, torch.int64),
            pointer(vectors, torch.float64),
            pointer(centre_species, torch.int32),
            pointer(neighbour_species, torch.int32),
        )
        return SortedPairs(pairs, geometry, None, vectors, (offsets, vectors, centre_species, neighbour_species))


def _check_shapes(geometry: Geometry) -> None:
    n_pairs = len(geometry.pair_i)
    tensors = (geometry.centre_numbers, geometry.pair_i, geometry.neighbour_numbers, geometry.pair_vectors)
    expected = ((geometry.n_centres,), (n_pairs,), (n_pairs,), (n_pairs, 3))
    if tuple(tuple(tensor.shape) for tensor in tensors) != expected:
        raise ValueError(
            "expected centre_numbers (n_centres,), pair_i and neighbour_numbers (n_pairs,) and pair_vectors (n_pairs, "
            f"3), got {', '.join(str(tuple(tensor.shape)) for tensor in tensors)}"
        )
    if not geometry.pair_vectors.is_floating_point():
        raise ValueError(f"expected pair_vectors in floating point, got {geometry.pair_vectors.dtype}")
