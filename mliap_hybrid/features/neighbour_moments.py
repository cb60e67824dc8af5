"""Moments of the surroundings, as they are: what learned contractions are made of.

    M_nmcs(i) = sum over neighbours j of g_nscj(r_ij) S_nm(r_ij)

with g the overlap of a Gaussian probe of width s with a density of the neighbour (radial.py) and S the solid harmonics
(harmonics.py). c tells neighbours apart, in one of two ways:

    by element     c is an element: those of it count, with their valence density, and no others. The cost of a pair
                   does not grow with the number of elements, but the number of moments does.
    by densities   c is a density channel, as in gmp.py: every neighbour counts with its density there, as does the
                   centre itself at n = 0. Neither cost nor number grow, and an element that was not in training has an
                   answer, but many elements share few channels.

They turn with the surroundings as vectors of their order do, and hold no number that is learned: a network mixes and
multiplies them (model/contraction.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mliap_hybrid.features.channel_invariants import MAX_ORDER, N_COMPONENTS
from mliap_hybrid.features.density import DensityTable, channel_densities
from mliap_hybrid.features.density_files import load_table
from mliap_hybrid.features.distances import check_distances
from mliap_hybrid.features.elements import SpeciesIndex
from mliap_hybrid.features.harmonics import solid_harmonic_gradients, solid_harmonics
from mliap_hybrid.features.moments import nonzero_distances
from mliap_hybrid.features.radial import ChannelRadial, GaussianRadial, SplinedRadial
from mliap_hybrid.features.settings import check_channels, check_elements, check_orders_and_widths, check_range
from mliap_hybrid.structure import Geometry

ORDERS = tuple(range(MAX_ORDER + 1))


@dataclass(frozen=True)
class PairFunctions:
    """What the moments of the centres are sums of, for each pair."""

    distances: Tensor
    """(n_pairs,) Å."""
    species: Tensor
    """(n_pairs,) int64: index of each neighbour's element."""
    radial: Tensor
    """(n_pairs, MAX_ORDER + 1, n_probes): g."""
    harmonics: list[Tensor]
    """(n_pairs, 2n + 1) for each order: S_nm."""


class NeighbourMoments(torch.nn.Module):
    """Moments of atoms, their vector-Jacobian product and their Jacobian: a `Featuriser` that is not invariant.

    Features come component by component, (N_COMPONENTS, n_kinds, n_widths) in a row: all kinds c and widths of one n
    and m are neighbours.

    Parameters
    ----------
    widths : sequence of float, Å
        Widths s of the Gaussian probes.
    cutoff : float, Å
    elements : sequence of int
        Atomic numbers that may occur.
    table : str, Path or DensityTable
        What `load_table` takes, or a table in memory.
    channels : sequence of str, optional
        Density channels that tell neighbours apart, as those of `GaussianMultipoles`; their elements do by default.
    taper_width : float, Å
        The radial functions go smoothly to zero over the last `taper_width` before the cutoff.

    Raises
    ------
    InputError
        If a setting makes no sense or the table lacks one of the elements.
    """

    def __init__(
        self,
        widths: Sequence[float],
        cutoff: float,
        elements: Sequence[int],
        table: str | Path | DensityTable = "gth-pbe",
        *,
        channels: Sequence[str] | None = None,
        taper_width: float = 2.0,
    ) -> None:
        super().__init__()
        check_orders_and_widths(ORDERS, widths)
        check_range(cutoff, taper_width)
        check_elements(elements)
        self.orders = ORDERS
        self.by_element = channels is None
        self.channels = ("valence",) if channels is None else tuple(channels)
        check_channels(self.channels, "all", None)
        self.widths = tuple(sorted(float(s) for s in widths))
        self.cutoff = float(cutoff)
        self.elements = tuple(sorted(int(z) for z in elements))
        self.taper_width = float(taper_width)
        table = table if isinstance(table, DensityTable) else load_table(table)
        self.densities = table.subset(self.elements)
        """DensityTable of the elements in use."""
        n_elements = len(self.elements)
        parts = [
            GaussianRadial(
                *channel_densities(channel, self.densities).padded(self.elements),
                ORDERS,
                self.widths,
                self.cutoff,
                self.taper_width,
            )
            for channel in self.channels
        ]
        exact = ChannelRadial(parts)
        self.radial = SplinedRadial(exact, n_elements)
        self.n_probes = len(self.channels) * len(self.widths)
        """Radial functions of an order."""
        self.n_slots = n_elements if self.by_element else 1
        """Sets of moments, of which a pair adds to one."""
        own = torch.zeros(n_elements, self.n_probes, dtype=torch.float64)
        if not self.by_element:
            at_centre = exact(torch.zeros(n_elements, dtype=torch.float64), torch.arange(n_elements))
            own = at_centre[:, : self.n_probes] / math.sqrt(4.0 * math.pi)
        self.register_buffer("own", own, persistent=False)  # (n_elements, n_probes): of the centre, at n = 0
        self.species_of = SpeciesIndex(self.elements)
        """Atomic numbers -> indices of the elements."""
        self.n_channels = self.n_slots * self.n_probes
        """Moments of each n and m."""
        self.n_features = N_COMPONENTS * self.n_channels

    @property
    def kinds(self) -> list[str]:
        """What tells neighbours apart, for people."""
        return [f"Z={z}" for z in self.elements] if self.by_element else list(self.channels)

    @property
    def feature_labels(self) -> list[str]:
        """One short label for each feature, in order."""
        components = [f"n={n} m={m}" for n in ORDERS for m in range(-n, n + 1)]
        return [f"{nm} {kind} s={s:g}" for nm in components for kind in self.kinds for s in self.widths]

    @property
    def length_labels(self) -> list[str]:
        """One short label for each of `lengths`."""
        return [f"n={n} {kind} s={s:g}" for n in ORDERS for kind in self.kinds for s in self.widths]

    def lengths(self, moments: Tensor) -> Tensor:
        """Lengths (n_centres, n_orders n_channels) of moments (n_centres, n_features); at n = 0, the moments."""
        components = moments.unflatten(1, (N_COMPONENTS, self.n_channels))
        of_orders = [components[:, n * n : (n + 1) ** 2].norm(dim=1) for n in ORDERS[1:]]
        return torch.cat([components[:, 0], *of_orders], dim=1)

    def forward(self, geometry: Geometry) -> Tensor:
        """Moments (n_centres, n_features) of the centres of `geometry`.

        Raises
        ------
        InputError
            If an atom is of an element that this instance was not made for, a position is not a number, or two atoms
            sit at one place.
        """
        return self.forward_with_state(geometry)[0]

    def forward_with_state(self, geometry: Geometry) -> tuple[Tensor, PairFunctions]:
        """Moments (n_centres, n_features), and what `vjp` needs of the way to them."""
        vectors = geometry.pair_vectors  # (n_pairs, 3)
        distances = vectors.norm(dim=1)
        check_distances(distances, geometry)
        centre_species = self.species_of(geometry.centre_numbers)  # (n_centres,)
        species = self.species_of(geometry.neighbour_numbers)  # (n_pairs,)
        radial = self.radial(distances, species).unflatten(1, (len(ORDERS), -1))  # (n_pairs, n_orders, n_probes)
        harmonics = [of_order.T for of_order in solid_harmonics(vectors.T, MAX_ORDER)]  # (n_pairs, 2n + 1) each
        state = PairFunctions(distances, species, radial, harmonics)
        place = geometry.pair_i * self.n_slots + self._slots(state)  # (n_pairs,)
        n_places = geometry.n_centres * self.n_slots
        moments = []
        for n in ORDERS:
            terms = (harmonics[n][:, :, None] * radial[:, n, None]).flatten(1)  # (n_pairs, (2n + 1) n_probes)
            sums = terms.new_zeros(n_places, terms.shape[1]).index_add(0, place, terms)
            sums = sums.view(geometry.n_centres, self.n_slots, 2 * n + 1, self.n_probes)
            if n == 0:
                sums = sums + self.get_buffer("own").to(sums.dtype)[centre_species][:, None, None]
            moments.append(sums.transpose(1, 2).flatten(1))  # (n_centres, (2n + 1) n_channels)
        return torch.cat(moments, dim=1), state

    def vjp(self, geometry: Geometry, feature_gradient: Tensor, state: PairFunctions | None = None) -> Tensor:
        """Vector-Jacobian product: dE/dr_p from dE/dM, without autograd.

        Parameters
        ----------
        geometry : Geometry
        feature_gradient : Tensor, shape (n_centres, n_features)
            dE/dM.
        state : PairFunctions, optional
            From `forward_with_state` of the same geometry; computed if not given.

        Returns
        -------
        Tensor, shape (n_pairs, 3)
            dE/dr_p of each pair vector r_p = r_j - r_i.
        """
        if state is None:
            state = self.forward_with_state(geometry)[1]
        changes = self._changes(geometry, state)  # (n_pairs, 3, N_COMPONENTS, n_probes)
        by_slot = feature_gradient.unflatten(1, (N_COMPONENTS, self.n_slots, self.n_probes))
        weights = by_slot[geometry.pair_i, :, self._slots(state)]  # (n_pairs, N_COMPONENTS, n_probes)
        return torch.einsum("pxcs,pcs->px", changes, weights)

    def jacobian(self, geometry: Geometry) -> Tensor:
        """Derivative of each centre's moments by each of its own pair vectors; there are no others.

        Parameters
        ----------
        geometry : Geometry

        Returns
        -------
        Tensor, shape (n_pairs, 3, n_features)
            dM_f(i of p)/dr_p.
        """
        state = self.forward_with_state(geometry)[1]
        changes = self._changes(geometry, state)  # (n_pairs, 3, N_COMPONENTS, n_probes)
        is_of = torch.nn.functional.one_hot(self._slots(state), self.n_slots).to(changes.dtype)  # (n_pairs, n_slots)
        return torch.einsum("pxcs,pe->pxces", changes, is_of).flatten(2)

    def _slots(self, state: PairFunctions) -> Tensor:
        """Slot (n_pairs,) that each pair adds to."""
        return state.species if self.by_element else torch.zeros_like(state.species)

    def _changes(self, geometry: Geometry, state: PairFunctions) -> Tensor:
        """Derivatives of each pair's terms by its vector: (n_pairs, 3, N_COMPONENTS, n_probes)."""
        vectors = geometry.pair_vectors
        directions = vectors / nonzero_distances(state.distances)[:, None]  # (n_pairs, 3)
        radial_derivatives = self.radial.derivative(state.distances, state.species).unflatten(1, (len(ORDERS), -1))
        gradients = solid_harmonic_gradients([of_order.T for of_order in state.harmonics])  # (3, 2n + 1, n_pairs) each
        changes = []
        for n in ORDERS:
            along = torch.einsum("px,pm,ps->pxms", directions, state.harmonics[n], radial_derivatives[:, n])
            across = torch.einsum("xmp,ps->pxms", gradients[n], state.radial[:, n])
            changes.append(along + across)  # (n_pairs, 3, 2n + 1, n_probes)
        return torch.cat(changes, dim=2)
