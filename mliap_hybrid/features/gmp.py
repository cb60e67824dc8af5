"""Gaussian multipole (GMP) features: rotation-invariant overlaps of Gaussian probes with the atoms' pseudo-densities.

    M_nam(i) = sum_j g_naZ(r_ij) S_nm(r_ij)        (the centre's own density adds a constant to n = 0)
    F_na(i)  = N_na 4 pi/(2n+1) sum_m M_nam(i)^2    (or products of two probes, products.py, or of three, triples.py)

with g the radial functions (radial.py), S the solid harmonics (harmonics.py) and N a normalisation. A probe a is a
width s, and a density channel where there are several. Order -1 is n = 0 with a probe of no width: the square of the
density at the centre. From Lei & Medford, J. Phys. Chem. Lett. 13, 7911 (2022), arXiv:2102.02390; their sums over
Maxwell-Cartesian harmonics collapse to the ones above, since overlaps of those with a spherical density are solid
harmonics.

The number of features does not depend on the number of elements, and nothing in them is learned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mliap_hybrid.features.density import DensityTable, channel_densities
from mliap_hybrid.features.density_files import load_table
from mliap_hybrid.features.distances import check_distances
from mliap_hybrid.features.elements import SpeciesIndex
from mliap_hybrid.features.harmonics import gradient_matrix, solid_harmonics
from mliap_hybrid.features.moments import MultipoleState, moment_changes, nonzero_distances
from mliap_hybrid.features.normalization import square_norm
from mliap_hybrid.features.padding import fill_slots, slots_of_pairs
from mliap_hybrid.features.products import MomentProducts
from mliap_hybrid.features.radial import ChannelRadial, GaussianRadial, SplinedRadial
from mliap_hybrid.features.settings import (
    check_channels,
    check_elements,
    check_form,
    check_orders_and_widths,
    check_range,
    check_third_order,
)
from mliap_hybrid.features.triples import MomentTriples, couplings_up_to, joined_probes
from mliap_hybrid.structure import Geometry

_Y_00 = 1.0 / math.sqrt(4.0 * math.pi)


class GaussianMultipoles(torch.nn.Module):
    """GMP features of atoms, their vector-Jacobian product and their Jacobian.

    Parameters
    ----------
    orders : sequence of int
        Orders n between -1 and 9.
    widths : sequence of float, Å
        Widths s of the Gaussian probes; each order n >= 0 has all of them.
    cutoff : float, Å
    elements : sequence of int
        Atomic numbers that may occur.
    table : str, Path or DensityTable
        What `load_table` takes (a shipped name, a `.gpsp` file, a folder of `.g` files), or a table in memory.
    taper_width : float, Å
        The radial functions go smoothly to zero over the last `taper_width` before the cutoff, so that features and
        forces are continuous; 0 cuts them off hard, as in the paper.
    normalization : {"probe", "paper"}
        "probe": probes of unit norm, ``integral of sum_m |probe_nsm|^2 = 1``, so that features of all orders and
        widths are of like size and the paper's factors K_n = n! (2n - 1)!! cancel. "paper": probes integrate to one,
        and K_n stays.
    root_offset : float or None
        None: features are the quadratic F themselves, smooth everywhere. A number c: sqrt(F + c^2) - c instead,
        which is linear in the density where F is large; 0 is the paper's root, whose gradient is singular at F = 0.
        After whitening the root is worth nothing in accuracy, hence the default.
    channels : sequence of str
        Densities that are probed, each with all widths: "valence" is the table; "count" a Gaussian of weight one for
        every atom; "core" one of as many electrons as the table leaves out. Two channels tell elements apart that one
        sum of densities confuses.
    products : {"diagonal", "all"}
        "diagonal": the squares of the paper. "all": products of all pairs of probes of an order, and at n = 0 the
        moments themselves.
    third_order : {"none", "diagonal", "channels", "widths"}
        Which probes the products of three moments join, for all couplings of the orders: none, each with itself, those
        of one width, or those of one channel with the same or two successive widths. They follow the other features,
        coupling by coupling.
    radial : {"spline", "exact"}
        "spline": tabulated radial functions (fast, forces exact for the tabulated energy); "exact": sums of Gaussians.

    Raises
    ------
    InputError
        If a setting makes no sense or the table lacks one of the elements.

    Notes
    -----
    Computes in the dtype of the pair vectors, and works with zero pairs and zero centres. Differentiable twice by
    autograd; `vjp` and `jacobian` do without autograd, and cheaper.
    """

    def __init__(
        self,
        orders: Sequence[int],
        widths: Sequence[float],
        cutoff: float,
        elements: Sequence[int],
        table: str | Path | DensityTable = "gth-pbe",
        *,
        taper_width: float = 2.0,
        normalization: str = "probe",
        root_offset: float | None = None,
        channels: Sequence[str] = ("valence",),
        products: str = "diagonal",
        third_order: str = "none",
        radial: str = "spline",
    ) -> None:
        super().__init__()
        check_orders_and_widths(orders, widths)
        check_range(cutoff, taper_width)
        check_elements(elements)
        check_form(normalization, root_offset, radial)
        check_channels(channels, products, root_offset)
        check_third_order(third_order, orders, root_offset)
        self.orders = tuple(sorted(int(n) for n in orders))
        self.widths = tuple(sorted(float(s) for s in widths))
        self.cutoff = float(cutoff)
        self.elements = tuple(sorted(int(z) for z in elements))
        self.taper_width = float(taper_width)
        self.normalization = normalization
        self.root_offset = root_offset
        self.channels = tuple(channels)
        self.products = products
        self.third_order = third_order
        table = table if isinstance(table, DensityTable) else load_table(table)
        self.densities = table.subset(self.elements)
        """DensityTable of the elements in use."""

        parts = [
            GaussianRadial(
                *channel_densities(channel, self.densities).padded(self.elements),
                self.orders,
                self.widths,
                self.cutoff,
                self.taper_width,
            )
            for channel in self.channels
        ]
        exact = ChannelRadial(parts)
        n_elements = len(self.elements)
        self.radial = exact if radial == "exact" else SplinedRadial(exact, n_elements)
        own = exact(torch.zeros(n_elements, dtype=torch.float64), torch.arange(n_elements))
        self.register_buffer("own_density", own, persistent=False)  # (n_elements, n_channels)
        self.species_of = SpeciesIndex(self.elements)
        """Atomic numbers -> indices of the elements."""
        self.radial_blocks: dict[int, slice] = {}
        """Order -> its columns among the radial functions."""
        self.feature_blocks: dict[int, slice] = {}
        """Order -> its columns among the features."""
        norms: dict[int, Tensor] = {}
        n_radial = n_features = 0
        for n in self.orders:
            of_widths = [square_norm(n, s, normalization) for s in (self.widths if n >= 0 else (0.0,))]
            norms[n] = torch.tensor(of_widths, dtype=torch.float64).repeat(len(self.channels))  # (n_probes,)
            of_order = MomentProducts(norms[n], linear=products == "all" and n == 0, all_pairs=products == "all")
            self.add_module(f"products_{n}", of_order)
            self.radial_blocks[n] = slice(n_radial, n_radial + len(norms[n]))
            self.feature_blocks[n] = slice(n_features, n_features + of_order.n_features)
            n_radial, n_features = n_radial + len(norms[n]), n_features + of_order.n_features
            if n >= 1:
                ladder = torch.from_numpy(gradient_matrix(n)).flatten(0, 1)  # (3 (2n - 1), 2n + 1)
                self.register_buffer(f"ladder_{n}", ladder, persistent=False)
        self.triples = self._make_triples(norms)
        """Third-order features, or None."""
        n_triples = 0 if self.triples is None else self.triples.n_features
        self.triple_block = slice(n_features, n_features + n_triples)
        """Columns of the third-order features among the features."""
        self.n_features = n_features + n_triples

    @property
    def feature_labels(self) -> list[str]:
        """One short label for each feature, in order."""
        names = [f"{channel} " if len(self.channels) > 1 else "" for channel in self.channels]
        probes = [f"{name}s={s:g}" for name in names for s in self.widths]
        labels = []
        for n in self.orders:
            of_probes = [f"n={n} {probe}" for probe in probes] if n >= 0 else [f"{name}density" for name in names]
            of_order = self.products_of(n)
            for a, b in zip(of_order.first.tolist(), of_order.second.tolist(), strict=True):
                labels.append(of_probes[a] if a == b else f"{of_probes[a]} x {of_probes[b]}")
        if self.triples is not None:
            for orders, triples in zip(self.triples.couplings, self.triples.probes, strict=True):
                for a, b, c in triples.tolist():
                    joined = probes[a] if a == b == c else f"{probes[a]} x {probes[b]} x {probes[c]}"
                    labels.append(f"n={orders[0]},{orders[1]},{orders[2]} {joined}")
        return labels

    def products_of(self, n: int) -> MomentProducts:
        """Products of the moments of order n, one of `orders`."""
        products = self.get_submodule(f"products_{n}")
        assert isinstance(products, MomentProducts)
        return products

    def forward(self, geometry: Geometry) -> Tensor:
        """Features (n_centres, n_features) of the centres of `geometry`.

        Raises
        ------
        InputError
            If an atom is of an element that this instance was not made for, a position is not a number, or two atoms
            sit at one place.
        """
        return self.forward_with_state(geometry)[0]

    def forward_with_state(self, geometry: Geometry) -> tuple[Tensor, MultipoleState]:
        """Features (n_centres, n_features), and what `vjp` needs of the way to them."""
        slots, n_slots = slots_of_pairs(geometry.pair_i, geometry.n_centres)
        vectors, species = self._lay_out(geometry, slots, n_slots)  # (n_centres, 3, n_slots), (n_centres, n_slots)
        distances = (vectors * vectors).sum(1).sqrt()  # (n_centres, n_slots)
        check_distances(distances, geometry)
        radial = self.radial(distances, species)  # (n_centres, n_slots, n_channels)
        harmonics = solid_harmonics(vectors, max(*self.orders, 0))
        centre_species = self.species_of(geometry.centre_numbers)  # (n_centres,)
        own = self._constant("own_density", vectors)[centre_species]  # (n_centres, n_channels)

        moments: dict[int, Tensor] = {}
        squares = []
        for n, block in self.radial_blocks.items():
            moment = torch.bmm(harmonics[max(n, 0)], radial[..., block])  # (n_centres, 2n + 1, n_probes)
            if n <= 0:
                moment = moment + _Y_00 * own[:, None, block]
            moments[n] = moment
            squares.append(self.products_of(n)(moment))  # (n_centres, n_features of n)
        if self.triples is not None:
            squares.append(self.triples(moments))  # (n_centres, n_triples)
        state = MultipoleState(
            slots, vectors, distances, species, radial, harmonics, moments, torch.cat(squares, dim=-1)
        )
        return self._take_root(state.squares), state

    def vjp(self, geometry: Geometry, feature_gradient: Tensor, state: MultipoleState | None = None) -> Tensor:
        """Vector-Jacobian product: dE/dr_p from dE/dF, exact to rounding, without autograd.

        Parameters
        ----------
        geometry : Geometry
        feature_gradient : Tensor, shape (n_centres, n_features)
            dE/dF.
        state : MultipoleState, optional
            From `forward_with_state` of the same geometry; computed if not given.

        Returns
        -------
        Tensor, shape (n_pairs, 3)
            dE/dr_p of each pair vector r_p = r_j - r_i.
        """
        if state is None:
            state = self.forward_with_state(geometry)[1]
        weights = feature_gradient * self._root_derivative(state.squares)  # dE/d(squares): (n_centres, n_features)
        radial = state.radial.transpose(1, 2)  # (n_centres, n_channels, n_slots)
        radial_derivatives = self.radial.derivative(state.distances, state.species).transpose(1, 2)
        result = torch.zeros_like(state.vectors)  # (n_centres, 3, n_slots)
        along = torch.zeros_like(state.distances)  # part of dE/dr_p in the direction of r_p: (n_centres, n_slots)
        of_triples: dict[int, Tensor] = {}  # order -> (n_centres, 2n + 1, n_probes)
        if self.triples is not None:
            of_triples = self.triples.adjoint(state.moments, weights[:, self.triple_block])
        for n, block in self.radial_blocks.items():
            # dE/dM: (n_centres, 2n + 1, n_probes)
            adjoint = self.products_of(n).adjoint(state.moments[n], weights[:, self.feature_blocks[n]])
            adjoint = adjoint + of_triples[n] if n in of_triples else adjoint
            # dE/dM contracted over the probes with g' and with g: (n_centres, 2n + 1, n_slots)
            along = along + (torch.bmm(adjoint, radial_derivatives[:, block]) * state.harmonics[max(n, 0)]).sum(1)
            if n >= 1:
                of_harmonics = torch.bmm(adjoint, radial[:, block])
                of_lower = self._constant(f"ladder_{n}", weights) @ of_harmonics  # (n_centres, 3 (2n - 1), n_slots)
                of_lower = of_lower.unflatten(1, (3, 2 * n - 1))
                result = result + (of_lower * state.harmonics[n - 1][:, None]).sum(2)
        result = result + state.vectors * (along / nonzero_distances(state.distances))[:, None]
        return result.transpose(1, 2).reshape(-1, 3)[state.slots]

    def jacobian(self, geometry: Geometry) -> Tensor:
        """Derivative of each centre's features by each of its own pair vectors; there are no others.

        Parameters
        ----------
        geometry : Geometry

        Returns
        -------
        Tensor, shape (n_pairs, 3, n_features)
            dF_f(i of p)/dr_p.
        """
        state = self.forward_with_state(geometry)[1]
        changes = moment_changes(state, self.radial.derivative(state.distances, state.species), self.radial_blocks)
        result = state.vectors.new_zeros((len(state.slots), 3, self.n_features))
        partials = [] if self.triples is None else self.triples.partials(state.moments)
        for n, change in changes.items():
            by_moments = partial(self.products_of(n).derivative, state.moments[n])
            result[..., self.feature_blocks[n]] = change.feature_derivatives(by_moments).flatten(0, 1)[state.slots]
            if self.triples is not None and n in self.triples.orders:
                by_moments = partial(self.triples.derivative, partials, n)
                result[..., self.triple_block] += change.feature_derivatives(by_moments).flatten(0, 1)[state.slots]
        if self.root_offset is not None:
            result *= self._root_derivative(state.squares)[geometry.pair_i, None]
        return result

    def _make_triples(self, norms: Mapping[int, Tensor]) -> MomentTriples | None:
        if self.third_order == "none":
            return None
        couplings = couplings_up_to(self.orders)
        n_channels, n_widths = len(self.channels), len(self.widths)
        probes = [joined_probes(self.third_order, coupling, n_channels, n_widths) for coupling in couplings]
        return MomentTriples(norms, couplings, probes)

    def _lay_out(self, geometry: Geometry, slots: Tensor, n_slots: int) -> tuple[Tensor, Tensor]:
        """Pair vectors (n_centres, 3, n_slots) and species (n_centres, n_slots), empty places filled."""
        vectors = geometry.pair_vectors
        shape = (geometry.n_centres, n_slots)
        beyond = vectors.new_tensor([2.0 * self.cutoff, 0.0, 0.0])  # where the radial functions vanish
        places = fill_slots(vectors, slots, shape[0] * n_slots, beyond).view(*shape, 3)  # (n_centres, n_slots, 3)
        neighbour_species = self.species_of(geometry.neighbour_numbers)  # (n_pairs,)
        species = fill_slots(neighbour_species, slots, shape[0] * n_slots, neighbour_species.new_zeros(()))
        return places.transpose(1, 2).contiguous(), species.view(shape)

    def _constant(self, name: str, like: Tensor) -> Tensor:
        return self.get_buffer(name).to(like.dtype)

    def _take_root(self, squares: Tensor) -> Tensor:
        if self.root_offset is None:
            return squares
        if self.root_offset == 0.0:
            return squares.sqrt()
        # sqrt(F + c^2) - c without the cancellation where F is small
        return squares / ((squares + self.root_offset**2).sqrt() + self.root_offset)

    def _root_derivative(self, squares: Tensor) -> Tensor:
        if self.root_offset is None:
            return torch.ones_like(squares)
        return 0.5 / (squares + self.root_offset**2).clamp_min(torch.finfo(squares.dtype).tiny).sqrt()
