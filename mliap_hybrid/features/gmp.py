"""Gaussian multipole (GMP) features: rotation-invariant overlaps of Gaussian probes with the atoms' pseudo-densities.

    M_nam(i) = sum_j g_naZ(r_ij) S_nm(r_ij)        (the centre's own density adds a constant to n = 0)
    F_na(i)  = N_na 4 pi/(2n+1) sum_m M_nam(i)^2    (or products of two probes, products.py)

with g the radial functions (radial.py), S the solid harmonics (harmonics.py) and N a normalisation. A probe a is a
width s, and a density channel where there are several. Order -1 is n = 0 with a probe of no width: the square of the
density at the centre. From Lei & Medford, J. Phys. Chem. Lett. 13, 7911 (2022), arXiv:2102.02390; their sums over
Maxwell-Cartesian harmonics collapse to the ones above, since overlaps of those with a spherical density are solid
harmonics.

The number of features does not depend on the number of elements, and nothing in them is learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.density import DensityTable, channel_densities, load_table
from mliap_hybrid.features.harmonics import gradient_matrix, solid_harmonic_gradients, solid_harmonics
from mliap_hybrid.features.padding import fill_slots, slots_of_pairs
from mliap_hybrid.features.products import MomentProducts
from mliap_hybrid.features.radial import ChannelRadial, GaussianRadial, SplinedRadial
from mliap_hybrid.features.settings import (
    check_channels,
    check_elements,
    check_form,
    check_orders_and_widths,
    check_range,
)
from mliap_hybrid.structure import Environments

_Y_00 = 1.0 / math.sqrt(4.0 * math.pi)


@dataclass(frozen=True)
class MultipoleState:
    """What a forward pass leaves for the gradient. Neighbours lie in one row for each centre, n_slots to a row."""

    slots: Tensor
    """(n_pairs,) int64: place of each pair among the n_centres * n_slots places."""
    vectors: Tensor
    """(n_centres, 3, n_slots) Å: pair vectors; empty places hold one beyond the cutoff."""
    distances: Tensor
    """(n_centres, n_slots) Å."""
    rows: Tensor
    """(n_centres, n_slots) int64: element row of each neighbour."""
    radial: Tensor
    """(n_centres, n_slots, n_channels): radial functions."""
    harmonics: list[Tensor]
    """(n_centres, 2n + 1, n_slots) for each n from 0: solid harmonics."""
    moments: dict[int, Tensor]
    """Order n -> (n_centres, 2n + 1, n_probes): M_nam."""
    squares: Tensor
    """(n_centres, n_features): F before a root is taken."""


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
        Name of a shipped density table, path of a `.gpsp` file, or a table in memory.
    taper_width : float, Å
        The radial functions go smoothly to zero over the last `taper_width` before the cutoff, so that features and
        forces are continuous; 0 cuts them off hard, as in the paper.
    normalization : {"probe", "paper"}
        "probe": probes of unit norm, integral of sum_m |probe_nsm|^2 = 1, so that features of all orders and widths
        are of like size and the paper's factors K_n = n! (2n - 1)!! cancel. "paper": probes integrate to one, and K_n
        stays.
    root_offset : float or None
        None: features are the quadratic F themselves, smooth everywhere. A number c: sqrt(F + c^2) - c instead,
        which is linear in the density where F is large; 0 is the paper's root, whose gradient is singular at F = 0.
        After whitening the root is worth nothing in accuracy, hence the default.
    channels : sequence of str
        Densities that are probed, each with all widths: "valence" is the table; "count" a Gaussian of weight one for
        every atom. Two channels tell elements apart that one sum of densities confuses.
    products : {"diagonal", "all"}
        "diagonal": the squares of the paper. "all": products of all pairs of probes of an order, and at n = 0 the
        moments themselves.
    radial : {"spline", "exact"}
        "spline": tabulated radial functions (fast, forces exact for the tabulated energy); "exact": sums of Gaussians.

    Raises
    ------
    InputError
        If a setting makes no sense or the table lacks one of the elements.

    Notes
    -----
    Computes in the dtype of the pair vectors, and works with zero pairs and zero centres. Differentiable twice by
    autograd; `gradient` and `jacobian` do without autograd, and cheaper.
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
        radial: str = "spline",
    ) -> None:
        super().__init__()
        check_orders_and_widths(orders, widths)
        check_range(cutoff, taper_width)
        check_elements(elements)
        check_form(normalization, root_offset, radial)
        check_channels(channels, products, root_offset)
        self.orders = tuple(sorted(int(n) for n in orders))
        self.widths = tuple(sorted(float(s) for s in widths))
        self.cutoff = float(cutoff)
        self.elements = tuple(sorted(int(z) for z in elements))
        self.taper_width = float(taper_width)
        self.normalization = normalization
        self.root_offset = root_offset
        self.channels = tuple(channels)
        self.products = products
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
        row_of_number = torch.full((len(chemical_symbols),), -1, dtype=torch.int64)
        row_of_number[list(self.elements)] = torch.arange(n_elements)
        self.register_buffer("row_of_number", row_of_number, persistent=False)
        # Order -> its columns among the radial functions, and among the features.
        self._radial_blocks: dict[int, slice] = {}
        self._feature_blocks: dict[int, slice] = {}
        n_radial = n_features = 0
        for n in self.orders:
            norms = [self._norm(n, s) for s in self.widths] if n >= 0 else [4.0 * math.pi]
            norm = torch.tensor(norms, dtype=torch.float64).repeat(len(self.channels))  # (n_probes,)
            of_order = MomentProducts(norm, linear=products == "all" and n == 0, all_pairs=products == "all")
            self.add_module(f"products_{n}", of_order)
            self._radial_blocks[n] = slice(n_radial, n_radial + len(norm))
            self._feature_blocks[n] = slice(n_features, n_features + of_order.n_features)
            n_radial, n_features = n_radial + len(norm), n_features + of_order.n_features
            if n >= 1:
                ladder = torch.from_numpy(gradient_matrix(n)).flatten(0, 1)  # (3 (2n - 1), 2n + 1)
                self.register_buffer(f"ladder_{n}", ladder, persistent=False)
        self.n_features = n_features

    @property
    def feature_labels(self) -> list[str]:
        """One short label for each feature, in order."""
        names = [f"{channel} " if len(self.channels) > 1 else "" for channel in self.channels]
        labels = []
        for n in self.orders:
            probes = [f"n={n} {name}s={s:g}" for name in names for s in self.widths]
            probes = probes if n >= 0 else [f"{name}density" for name in names]
            of_order = self._products(n)
            for a, b in zip(of_order.first.tolist(), of_order.second.tolist(), strict=True):
                labels.append(probes[a] if a == b else f"{probes[a]} x {probes[b]}")
        return labels

    def forward(self, environments: Environments) -> Tensor:
        """Features (n_centres, n_features) of the centres of `environments`.

        Raises
        ------
        InputError
            If an atom is of an element that this instance was not made for.
        """
        return self.forward_with_state(environments)[0]

    def forward_with_state(self, environments: Environments) -> tuple[Tensor, MultipoleState]:
        """Features (n_centres, n_features), and what `gradient` needs of the way to them."""
        slots, n_slots = slots_of_pairs(environments.pair_i, environments.n_centres)
        vectors, rows = self._lay_out(environments, slots, n_slots)  # (n_centres, 3, n_slots), (n_centres, n_slots)
        distances = (vectors * vectors).sum(1).sqrt()  # (n_centres, n_slots)
        radial = self.radial(distances, rows)  # (n_centres, n_slots, n_channels)
        harmonics = solid_harmonics(vectors, max(*self.orders, 0))
        own = self._constant("own_density", vectors)[self._rows(environments.centre_numbers)]  # (n_centres, n_channels)

        moments: dict[int, Tensor] = {}
        squares = []
        for n, block in self._radial_blocks.items():
            moment = torch.bmm(harmonics[max(n, 0)], radial[..., block])  # (n_centres, 2n + 1, n_probes)
            if n <= 0:
                moment = moment + _Y_00 * own[:, None, block]
            moments[n] = moment
            squares.append(self._products(n)(moment))  # (n_centres, n_features of n)
        state = MultipoleState(slots, vectors, distances, rows, radial, harmonics, moments, torch.cat(squares, dim=-1))
        return self._take_root(state.squares), state

    def gradient(
        self, environments: Environments, feature_gradient: Tensor, state: MultipoleState | None = None
    ) -> Tensor:
        """Vector-Jacobian product: dE/dr_p from dE/dF, exact to rounding, without autograd.

        Parameters
        ----------
        environments : Environments
        feature_gradient : Tensor, shape (n_centres, n_features)
            dE/dF.
        state : MultipoleState, optional
            From `forward_with_state` of the same environments; computed if not given.

        Returns
        -------
        Tensor, shape (n_pairs, 3)
            dE/dr_p of each pair vector r_p = r_j - r_i.
        """
        if state is None:
            state = self.forward_with_state(environments)[1]
        weights = feature_gradient * self._root_slope(state.squares)  # dE/d(squares): (n_centres, n_features)
        radial = state.radial.transpose(1, 2)  # (n_centres, n_channels, n_slots)
        slopes = self.radial.derivative(state.distances, state.rows).transpose(1, 2)
        result = torch.zeros_like(state.vectors)  # (n_centres, 3, n_slots)
        along = torch.zeros_like(state.distances)  # part of dE/dr_p in the direction of r_p: (n_centres, n_slots)
        for n, block in self._radial_blocks.items():
            # dE/dM: (n_centres, 2n + 1, n_probes)
            adjoint = self._products(n).adjoint(state.moments[n], weights[:, self._feature_blocks[n]])
            # dE/dM contracted over the probes with g' and with g: (n_centres, 2n + 1, n_slots)
            along = along + (torch.bmm(adjoint, slopes[:, block]) * state.harmonics[max(n, 0)]).sum(1)
            if n >= 1:
                of_harmonics = torch.bmm(adjoint, radial[:, block])
                of_lower = self._constant(f"ladder_{n}", weights) @ of_harmonics  # (n_centres, 3 (2n - 1), n_slots)
                of_lower = of_lower.unflatten(1, (3, 2 * n - 1))
                result = result + (of_lower * state.harmonics[n - 1][:, None]).sum(2)
        result = result + state.vectors * (along / _positive(state.distances))[:, None]
        return result.transpose(1, 2).reshape(-1, 3)[state.slots]

    def jacobian(self, environments: Environments) -> Tensor:
        """Derivative of each centre's features by each of its own pair vectors; there are no others.

        Parameters
        ----------
        environments : Environments

        Returns
        -------
        Tensor, shape (n_pairs, 3, n_features)
            dF_f(i of p)/dr_p.
        """
        state = self.forward_with_state(environments)[1]
        slopes = self.radial.derivative(state.distances, state.rows)  # (n_centres, n_slots, n_channels)
        directions = state.vectors / _positive(state.distances)[:, None]  # (n_centres, 3, n_slots)
        gradients = solid_harmonic_gradients(state.harmonics)  # (n_centres, 3, 2n + 1, n_slots) each
        chain = self._root_slope(state.squares)  # (n_centres, n_features)
        result = state.vectors.new_empty((len(state.slots), 3, self.n_features))
        for n, block in self._radial_blocks.items():
            of_order, moment = self._products(n), state.moments[n]
            # Along r_p the radial functions change: (n_centres, n_slots, n_features of n)
            along = of_order.derivative(moment, slopes[..., block], state.harmonics[max(n, 0)])
            part = directions.transpose(1, 2)[..., None] * along[:, :, None, :]  # (n_centres, n_slots, 3, ...)
            if n >= 1:
                angles = gradients[n].transpose(1, 2).flatten(2, 3)  # (n_centres, 2n + 1, 3 n_slots)
                across = of_order.derivative(moment, state.radial[..., block], angles)
                part = part + across.unflatten(1, (3, -1)).transpose(1, 2)
            features = self._feature_blocks[n]
            result[..., features] = (part * chain[:, None, None, features]).flatten(0, 1)[state.slots]
        return result

    def _products(self, n: int) -> MomentProducts:
        products = self.get_submodule(f"products_{n}")
        assert isinstance(products, MomentProducts)
        return products

    def _lay_out(self, environments: Environments, slots: Tensor, n_slots: int) -> tuple[Tensor, Tensor]:
        """Pair vectors (n_centres, 3, n_slots) and element rows (n_centres, n_slots), empty places filled."""
        vectors = environments.pair_vectors
        shape = (environments.n_centres, n_slots)
        beyond = vectors.new_tensor([2.0 * self.cutoff, 0.0, 0.0])  # where the radial functions vanish
        places = fill_slots(vectors, slots, shape[0] * n_slots, beyond).view(*shape, 3)  # (n_centres, n_slots, 3)
        pair_rows = self._rows(environments.neighbour_numbers)  # (n_pairs,)
        rows = fill_slots(pair_rows, slots, shape[0] * n_slots, pair_rows.new_zeros(()))
        return places.transpose(1, 2).contiguous(), rows.view(shape)

    def _norm(self, n: int, s: float) -> float:
        """Factor of sum_m M^2 in F, with the 4 pi/(2n + 1) of the addition theorem."""
        angular = 4.0 * math.pi / (2 * n + 1)
        if self.normalization == "paper":
            double_factorial = math.prod(range(2 * n - 1, 0, -2))
            return angular * math.factorial(n) * double_factorial
        # integral of r^(2n) exp(-r^2/s^2) over space: the squared norm of the probe without its amplitude
        square_norm = 2.0 * math.pi * math.gamma(n + 1.5) * s ** (2 * n + 3)
        amplitude = (s * math.sqrt(2.0 * math.pi)) ** -3
        return angular / (square_norm * amplitude**2)

    def _rows(self, numbers: Tensor) -> Tensor:
        """Element rows (n,) of atomic numbers (n,)."""
        row_of_number = self.get_buffer("row_of_number")
        rows = row_of_number[numbers.clamp(0, len(row_of_number) - 1)]
        if rows.numel() and int(rows.min()) < 0:
            unknown = int(numbers[rows < 0][0])
            symbol = chemical_symbols[unknown] if 0 <= unknown < len(chemical_symbols) else "?"
            known = " ".join(chemical_symbols[z] for z in self.elements)
            raise InputError(f"found an atom of {symbol} (Z = {unknown}); the features were set up for: {known}")
        return rows

    def _constant(self, name: str, like: Tensor) -> Tensor:
        return self.get_buffer(name).to(like.dtype)

    def _take_root(self, squares: Tensor) -> Tensor:
        if self.root_offset is None:
            return squares
        if self.root_offset == 0.0:
            return squares.sqrt()
        # sqrt(F + c^2) - c without the cancellation where F is small
        return squares / ((squares + self.root_offset**2).sqrt() + self.root_offset)

    def _root_slope(self, squares: Tensor) -> Tensor:
        if self.root_offset is None:
            return torch.ones_like(squares)
        return 0.5 / (squares + self.root_offset**2).clamp_min(torch.finfo(squares.dtype).tiny).sqrt()


def _positive(distances: Tensor) -> Tensor:
    return distances.clamp_min(torch.finfo(distances.dtype).tiny)
