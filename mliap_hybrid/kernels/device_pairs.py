"""Centres and their neighbours as the kernels read them, on a device: where the pairs of each place begin.

A place is a centre; or, for moments that tell neighbours apart by element, a centre and an element of its neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.features.distances import CLOSEST, check_distances
from mliap_hybrid.features.elements import SpeciesIndex
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class DevicePairs:
    """Geometry as the kernels read it; all tensors lie on the device."""

    geometry: Geometry
    """Where it comes from."""
    vectors: Tensor
    """(n_pairs, 3) float, Å; contiguous, in the order of the geometry."""
    species: Tensor
    """(n_pairs,) int32: element of each neighbour."""
    order: Tensor | None
    """(n_pairs,) int64: pairs place after place; None where they are given so."""
    offsets: Tensor
    """(n_places + 1,) int64: where the pairs of each place begin."""
    centre_species: Tensor
    """(n_centres,) int64."""
    own_species: Tensor
    """(n_places,) int32: element of the centre."""

    @property
    def n_places(self) -> int:
        """Number of places."""
        return len(self.own_species)


class DevicePairSorter:
    """Geometry -> `DevicePairs`, for some elements on a device."""

    def __init__(self, elements: SpeciesIndex, device: torch.device, n_slots: int = 1):
        """Take the map from atomic numbers to elements, on the device, and the places of a centre."""
        self.elements, self.device, self.n_slots = elements, device, n_slots

    def __call__(self, geometry: Geometry) -> DevicePairs:
        """Check a geometry, and find the places of its pairs. Waits for the device once, for the answer of the checks.

        Raises
        ------
        InputError
            If an atom is of an element that the features were not made for, a position is not a number, or two atoms
            sit at one place.
        ValueError
            If the geometry is on another kind of device.
        """
        if geometry.pair_vectors.device.type != self.device.type:
            raise ValueError(f"expected a geometry on {self.device}, got one on {geometry.pair_vectors.device}")
        vectors = geometry.pair_vectors.detach().contiguous()
        centre_species = self.elements.unchecked(geometry.centre_numbers)  # (n_centres,)
        species = self.elements.unchecked(geometry.neighbour_numbers)  # (n_pairs,)
        places = geometry.pair_i * self.n_slots + species if self.n_slots > 1 else geometry.pair_i  # (n_pairs,)
        distances = torch.linalg.vector_norm(vectors, dim=1)  # (n_pairs,)
        are_known = (centre_species >= 0).all() & (species >= 0).all()
        are_apart = (distances.isfinite() & (distances >= CLOSEST)).all()
        is_sorted = (places[1:] >= places[:-1]).all()
        known, apart, in_order = torch.stack([are_known, are_apart, is_sorted]).tolist()
        if not known:
            self.elements(torch.cat([geometry.centre_numbers, geometry.neighbour_numbers]))
        if not apart:
            check_distances(distances, geometry)
        order = None if in_order else torch.argsort(places, stable=True)  # (n_pairs,)
        n_places = geometry.n_centres * self.n_slots
        begins = torch.arange(n_places + 1, device=places.device)
        return DevicePairs(
            geometry,
            vectors,
            species.to(torch.int32),
            order,
            torch.searchsorted(places if order is None else places[order], begins),
            centre_species,
            centre_species.to(torch.int32)[:, None].expand(-1, self.n_slots).reshape(-1),
        )
