"""Radial functions g_nsZ(r): overlap of a Gaussian probe with an element's density, without the angular part r^n.

Multiplied by a solid harmonic (r^n Y_nm) they are R_nsZ(r) Y_nm of the GMP features (Lei & Medford,
J. Phys. Chem. Lett. 13, 7911 (2022)). A channel is one (order, width); order -1, the bare density, is one channel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

N_INTERVALS = 1024
"""Intervals of the tabulated radial functions between 0 and the cutoff."""


class Radial(Protocol):
    """What the features ask of a radial basis."""

    def __call__(self, distances: Tensor, species: Tensor) -> Tensor:
        """Values (..., n_channels) at `distances` (..., ), Å, for the elements with the indices `species` (...)."""

    def derivative(self, distances: Tensor, species: Tensor) -> Tensor:
        """Derivatives by the distance (..., n_channels), of exactly the function that `__call__` gives."""


def smooth_cutoff(distances: Tensor, cutoff: float, taper_width: float) -> Tensor:
    """Taper f_c(r): one up to `cutoff - taper_width`, zero from `cutoff` on, three times differentiable between.

    Parameters
    ----------
    distances : Tensor, shape (...), Å
    cutoff, taper_width : float, Å
        A width of zero is a step at the cutoff.

    Returns
    -------
    Tensor, shape (...)
    """
    if taper_width == 0.0:
        return (distances < cutoff).to(distances.dtype)
    x = ((distances - (cutoff - taper_width)) / taper_width).clamp(0.0, 1.0)
    return 1.0 - x**4 * (35.0 - x * (84.0 - x * (70.0 - 20.0 * x)))


def smooth_cutoff_derivative(distances: Tensor, cutoff: float, taper_width: float) -> Tensor:
    """Derivative of `smooth_cutoff` by the distance, shape (...), 1/Å."""
    if taper_width == 0.0:
        return torch.zeros_like(distances)
    x = ((distances - (cutoff - taper_width)) / taper_width).clamp(0.0, 1.0)
    return -140.0 / taper_width * (x * (1.0 - x)) ** 3


class GaussianRadial(torch.nn.Module):
    """The radial functions as the sums of Gaussians that they are.

    g_nsZ(r) = f_c(r) sum_g C1 lambda^n exp(C2 r^2) with alpha = 1/(2 s^2), lambda = beta/(alpha + beta),
    C1 = (s sqrt(2 pi))^-3 B (pi/(alpha + beta))^(3/2) and C2 = -alpha lambda; the bare density of order -1 is the
    limit s -> 0.

    Parameters
    ----------
    amplitudes, exponents : array, shape (n_elements, n_primitives), e/Å^3 and 1/Å^2
        B and beta of each element, as `DensityTable.padded` gives them.
    orders : sequence of int
        Ascending; -1 is the bare density.
    widths : sequence of float, Å
    cutoff, taper_width : float, Å
    """

    def __init__(
        self,
        amplitudes: np.ndarray,
        exponents: np.ndarray,
        orders: Sequence[int],
        widths: Sequence[float],
        cutoff: float,
        taper_width: float,
    ) -> None:
        super().__init__()
        self.orders = tuple(orders)
        self.cutoff = cutoff
        self.taper_width = taper_width
        b, beta = amplitudes[:, None, :], exponents[:, None, :]  # (n_elements, 1, n_primitives)
        s = np.asarray(widths, dtype=np.float64)[None, :, None]  # (1, n_widths, 1)
        alpha = 1.0 / (2.0 * s**2)
        shrinking = beta / (alpha + beta)  # lambda: (n_elements, n_widths, n_primitives)
        c1 = (s * math.sqrt(2.0 * math.pi)) ** -3 * b * (math.pi / (alpha + beta)) ** 1.5
        # One slice for order -1 if asked for, then one for each order; all widths in one slice share the exponents.
        for n in self.orders:
            self._constant(f"prefactor_{n}", b if n == -1 else c1 * shrinking**n)
        self._constant("probe_exponents", -alpha * shrinking)  # C2
        self._constant("bare_exponents", -beta)
        self.block_sizes = [1 if n == -1 else len(widths) for n in self.orders]
        self.n_channels = sum(self.block_sizes)

    def forward(self, distances: Tensor, species: Tensor) -> Tensor:
        """Values (..., n_channels) at `distances` (...), Å, for the elements with the indices `species` (...)."""
        taper = smooth_cutoff(distances, self.cutoff, self.taper_width)[..., None]  # (..., 1)
        return taper * self._sum_of_gaussians(distances, species, 0)

    def derivative(self, distances: Tensor, species: Tensor) -> Tensor:
        """Derivatives by the distance, shape (..., n_channels)."""
        taper = smooth_cutoff(distances, self.cutoff, self.taper_width)[..., None]  # (..., 1)
        taper_derivative = smooth_cutoff_derivative(distances, self.cutoff, self.taper_width)[..., None]  # (..., 1)
        inside = 2.0 * distances[..., None] * self._sum_of_gaussians(distances, species, 1)  # (..., n_channels)
        if self.taper_width == 0.0:
            return taper * inside
        return taper * inside + taper_derivative * self._sum_of_gaussians(distances, species, 0)

    def _sum_of_gaussians(self, distances: Tensor, species: Tensor, power: int) -> Tensor:
        """sum_g C1 lambda^n C2^power exp(C2 r^2), shape (..., n_channels): the derivative by r^2 of order `power`."""
        squares = (distances * distances)[..., None, None]  # (..., 1, 1)
        terms = {}
        for name in ("bare_exponents", "probe_exponents"):
            exponents = self._of_species(name, species, distances.dtype)  # (..., n_widths, n_primitives)
            terms[name] = torch.exp(exponents * squares) * exponents**power
        blocks = []
        for n in self.orders:
            prefactors = self._of_species(f"prefactor_{n}", species, distances.dtype)
            term = terms["bare_exponents" if n == -1 else "probe_exponents"]
            blocks.append((prefactors * term).sum(-1))  # (..., n_widths)
        return torch.cat(blocks, dim=-1)

    def _constant(self, name: str, values: np.ndarray) -> None:
        self.register_buffer(name, torch.from_numpy(values), persistent=False)

    def _of_species(self, name: str, species: Tensor, dtype: torch.dtype) -> Tensor:
        return self.get_buffer(name).to(dtype)[species]


class ChannelRadial(torch.nn.Module):
    """Radial functions of several density channels: for each order, those of the first channel, of the second, ...

    Parameters
    ----------
    parts : sequence of GaussianRadial
        One for each channel, of the same orders, widths and cutoff.
    """

    def __init__(self, parts: Sequence[GaussianRadial]) -> None:
        super().__init__()
        self.parts = torch.nn.ModuleList(parts)
        self.cutoff = parts[0].cutoff
        self.n_channels = sum(part.n_channels for part in parts)
        sizes = parts[0].block_sizes
        columns = torch.arange(self.n_channels).view(len(parts), -1)  # (n_parts, n_channels of one)
        order = torch.cat([block.flatten() for block in columns.split(sizes, dim=1)])
        self.register_buffer("order", order, persistent=False)  # (n_channels,)

    def forward(self, distances: Tensor, species: Tensor) -> Tensor:
        """Values (..., n_channels) at `distances` (...), Å, for the elements with the indices `species` (...)."""
        return torch.cat([part(distances, species) for part in self.parts], dim=-1)[..., self.get_buffer("order")]

    def derivative(self, distances: Tensor, species: Tensor) -> Tensor:
        """Derivatives by the distance, shape (..., n_channels)."""
        derivatives = [part.derivative(distances, species) for part in self.parts]  # type: ignore[operator]
        return torch.cat(derivatives, dim=-1)[..., self.get_buffer("order")]


class SplinedRadial(torch.nn.Module):
    """Another radial basis, tabulated: cubic Hermite polynomials on a uniform grid in r.

    Values and derivatives at the knots are exact, so the function is continuously differentiable; elsewhere derivatives
    are those of the same polynomials, so forces are exact for the tabulated energy.

    Parameters
    ----------
    radial : GaussianRadial or ChannelRadial
        Tabulated on construction; not kept.
    n_elements : int
        Number of elements.
    n_intervals : int
    """

    def __init__(self, radial: GaussianRadial | ChannelRadial, n_elements: int, n_intervals: int = N_INTERVALS) -> None:
        super().__init__()
        self.cutoff = radial.cutoff
        self.n_intervals = n_intervals
        self.n_channels = radial.n_channels
        spacing = self.cutoff / n_intervals
        knots = torch.linspace(0.0, self.cutoff, n_intervals + 1, dtype=torch.float64)
        knots[-1] = math.nextafter(self.cutoff, 0.0)  # the limit from inside, where the cutoff is a step
        elements = torch.arange(n_elements)
        r, species = knots.expand(n_elements, -1), elements[:, None].expand(-1, len(knots))  # (n_elements, n_knots)
        # Rows of the table: value and derivative at knot 0, the same at knot 1, ...; element after element.
        pairs = torch.stack([radial(r, species), spacing * radial.derivative(r, species)], dim=2)
        self.register_buffer("table", pairs.reshape(-1, self.n_channels), persistent=False)
        self._tables: dict[tuple[torch.dtype, torch.device], Tensor] = {}

    def forward(self, distances: Tensor, species: Tensor) -> Tensor:
        """Values (..., n_channels) at `distances` (...), Å, for the elements with the indices `species` (...)."""
        return self._evaluate(distances, species, 0)

    def derivative(self, distances: Tensor, species: Tensor) -> Tensor:
        """Derivatives by the distance, shape (..., n_channels)."""
        return self._evaluate(distances, species, 1)

    def knots(self) -> Tensor:
        """Values, and derivatives times the spacing, at the knots: (n_elements, n_intervals + 1, 2, n_channels)."""
        return self.get_buffer("table").view(-1, self.n_intervals + 1, 2, self.n_channels)

    def _evaluate(self, distances: Tensor, species: Tensor, order: int) -> Tensor:
        table = self._table(distances)
        values = _HermiteSpline.apply(
            distances.flatten(), species.flatten(), table, self.cutoff, self.n_intervals, order
        )
        return values.view(*distances.shape, self.n_channels)

    def _table(self, like: Tensor) -> Tensor:
        """The table in the precision and on the device of `like`, converted once."""
        source = self.get_buffer("table")
        key = (like.dtype, like.device)
        if (source.dtype, source.device) == key:
            return source
        if key not in self._tables:
            self._tables[key] = source.to(like)
        return self._tables[key]


class _HermiteSpline(torch.autograd.Function):
    """Derivative of some order of the tabulated functions; its own derivative is the next order.

    One weighted sum of four table rows for each distance, so that nothing larger than the result is made.
    """

    @staticmethod
    def forward(ctx, distances, species, table, cutoff, n_intervals, order):
        ctx.save_for_backward(distances, species, table)
        ctx.settings = (cutoff, n_intervals, order)
        inverse_spacing = n_intervals / cutoff
        scaled = distances * inverse_spacing  # (n,)
        interval = scaled.to(torch.int64).clamp_(0, n_intervals - 1)  # (n,)
        weights = _hermite_weights(scaled - interval, order) * inverse_spacing**order  # (n, 4)
        weights = weights * (distances < cutoff)[:, None]
        first = 2 * (species * (n_intervals + 1) + interval)  # (n,)
        table_rows = first[:, None] + torch.arange(4, device=first.device)  # (n, 4)
        if distances.numel() == 0:
            return distances.new_zeros((0, table.shape[1]))
        return torch.nn.functional.embedding_bag(table_rows, table, per_sample_weights=weights, mode="sum")

    @staticmethod
    def backward(ctx, *gradients):
        distances, species, table = ctx.saved_tensors
        cutoff, n_intervals, order = ctx.settings
        derivatives = _HermiteSpline.apply(distances, species, table, cutoff, n_intervals, order + 1)
        return (gradients[0] * derivatives).sum(-1), None, None, None, None, None


def _hermite_weights(t: Tensor, order: int) -> Tensor:
    """Weights (n, 4) of value and derivative at 0, and at 1, for t in [0, 1], differentiated `order` times by t."""
    if order == 0:
        rest = 1.0 - t
        square, rest_square = t * t, rest * rest
        columns = [
            (1.0 + 2.0 * t) * rest_square,
            t * rest_square,
            square * (3.0 - 2.0 * t),
            -square * rest,
        ]
    elif order == 1:
        bump = 6.0 * t * (1.0 - t)
        columns = [-bump, (1.0 - t) * (1.0 - 3.0 * t), bump, t * (3.0 * t - 2.0)]
    elif order == 2:
        columns = [12.0 * t - 6.0, 6.0 * t - 4.0, 6.0 - 12.0 * t, 6.0 * t - 2.0]
    elif order == 3:
        one = torch.ones_like(t)
        columns = [12.0 * one, 6.0 * one, -12.0 * one, 6.0 * one]
    else:
        columns = [torch.zeros_like(t)] * 4
    return torch.stack(columns, dim=-1)
