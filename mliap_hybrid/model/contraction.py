"""Learned contractions: channels that mix the moments of an atom, and the rotation invariants of each channel.

    A_nmk(i) = sum_c W_nkc(Z_i) x_nmc(i),   + own_k(Z_i) at n = 0
    B_qk(i)  = invariant q of the multipoles A_n of channel k              (features/channel_invariants.py)

c runs over kinds of neighbours and widths of the moments x (features/neighbour_moments.py). W and own are learned, so
that what goes into the products is chosen by the training: a fixed set of products loses it. W mixes moments of one
order alone, with the same weights for all m, so that A turns as the moments do.

A single layer of the multi-channel contractions of the atomic cluster expansion (Drautz, Phys. Rev. B 99, 014104
(2019); Batatia et al., MACE, arXiv:2206.07697), on atoms that do not talk to each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.features.channel_invariants import MAX_ORDER, N_COMPONENTS, ChannelInvariants
from mliap_hybrid.kernels.network_weights import ContractionWeights
from mliap_hybrid.kernels.torch_contraction import contract
from mliap_hybrid.model.whitening import Whitening

NOISE = 0.1
"""Spread of the initial weights of the widths that a channel does not stand for, relative to those of its own."""


@dataclass(frozen=True)
class ContractionShape:
    """How large a contraction is."""

    n_channels: int
    body_order: int
    """Highest number of atoms that an invariant joins, the centre included: 3 to 5."""

    @property
    def n_invariants(self) -> int:
        """Invariants of an atom, those of all channels."""
        return ChannelInvariants(self.body_order).n * self.n_channels


class Contraction(torch.nn.Module):
    """Moments of an atom -> invariants, whitened where there is a whitening."""

    def __init__(self, n_moments: int, shape: ContractionShape, n_elements: int, whitened: bool = True):
        """Make the contraction with weights from the current random state, and a whitening that does nothing.

        Parameters
        ----------
        n_moments : int
            Moments of an atom: N_COMPONENTS of each input.
        shape : ContractionShape
        n_elements : int
            Elements of the centres.
        whitened : bool
            Whether a whitening follows.
        """
        super().__init__()
        self.shape = shape
        n_inputs = n_moments // N_COMPONENTS
        self.weights = torch.nn.Parameter(torch.zeros(n_elements, MAX_ORDER + 1, shape.n_channels, n_inputs))
        self.own = torch.nn.Parameter(torch.randn(n_elements, shape.n_channels))
        n = shape.n_invariants
        self.whitening = Whitening(torch.zeros(n), torch.eye(n)) if whitened else None

    @property
    def n_moments(self) -> int:
        """Moments of an atom."""
        return N_COMPONENTS * self.weights.shape[3]

    @property
    def sizes(self) -> str:
        """Moments, channels and invariants, for people."""
        return f"{self.n_moments} moments, {self.shape.n_channels} channels, {self.shape.n_invariants} invariants"

    def forward(self, moments: Tensor, species: Tensor) -> Tensor:
        """Invariants of atoms.

        Parameters
        ----------
        moments : Tensor, shape (n_atoms, n_moments)
        species : Tensor, shape (n_atoms,), int64
            Index of each atom's element.

        Returns
        -------
        Tensor, shape (n_atoms, n_invariants)
        """
        invariants = contract(moments, species, self.contraction_weights())
        return invariants if self.whitening is None else self.whitening(invariants)

    def contraction_weights(self) -> ContractionWeights:
        """What back ends take, without the whitening."""
        return ContractionWeights(self.weights, self.own, self.shape.body_order)

    @torch.no_grad()
    def initialise(self, moments: Tensor, species: Tensor, n_widths: int, damping: float) -> None:
        """Initial weights that see one width of each element, and the whitening of what they make of a sample.

        Weights at random would mix all widths from the start, which overfits.

        Parameters
        ----------
        moments : Tensor, shape (n_samples, n_moments)
            Of training atoms, of like size.
        species : Tensor, shape (n_samples,), int64
        n_widths : int
            Of the moments; channel k stands for width k modulo their number.
        damping : float
            As in `Whitening.fit`.
        """
        n_elements, n_orders, n_channels, n_inputs = self.weights.shape
        of_elements = torch.randn(n_channels, n_inputs // n_widths) / (n_inputs // n_widths) ** 0.5
        is_own = torch.arange(n_channels)[:, None] % n_widths == torch.arange(n_widths)  # (n_channels, n_widths)
        start = (of_elements[:, :, None] * is_own[:, None]).flatten(1)  # (n_channels, n_inputs)
        noise = NOISE / n_inputs**0.5 * torch.randn(n_orders, n_channels, n_inputs)
        self.weights.copy_((start + noise).expand(n_elements, -1, -1, -1))
        if self.whitening is not None:
            bare = self.contraction_weights()
            double = ContractionWeights(bare.weights.double(), bare.own.double(), bare.body_order)
            parts = [contract(x.double(), e, double) for x, e in _in_parts(moments, species)]
            found = Whitening.fit(torch.cat(parts), damping)
            n_kept = found.matrix.shape[1]
            self.whitening.mean.copy_(found.mean)
            self.whitening.matrix.zero_()
            self.whitening.matrix[:, :n_kept] = found.matrix

    @torch.no_grad()
    def without_whitening(self) -> Contraction:
        """The same without what follows, which is to be folded into the network."""
        bare = Contraction(self.n_moments, self.shape, len(self.weights), whitened=False)
        return bare.to(self.weights).copy_from(self.weights, self.own)

    @torch.no_grad()
    def with_folded_scaling(self, scaling: Whitening) -> Contraction:
        """The same with a scaling of the moments taken into its weights, and a shift of those of order 0 into own.

        Raises
        ------
        ValueError
            If it mixes moments, or shifts those that turn.
        """
        scales, n_inputs = scaling.diagonal, self.weights.shape[3]
        if scales is None or bool((scaling.mean[n_inputs:] != 0.0).any()):
            raise ValueError("expected a scaling of the moments, got a map that mixes or shifts them")
        of_orders = scales.view(N_COMPONENTS, -1)[[n * n for n in range(MAX_ORDER + 1)]]  # (n_orders, n_inputs)
        weights = self.weights * of_orders[:, None].to(self.weights)
        own = self.own - weights[:, 0] @ scaling.mean[:n_inputs].to(weights)  # (n_elements, n_channels)
        same = Contraction(self.n_moments, self.shape, len(self.weights), self.whitening is not None).to(weights)
        same.load_state_dict(self.state_dict())
        return same.copy_from(weights, own)

    def copy_from(self, weights: Tensor, own: Tensor) -> Contraction:
        """Take these weights."""
        self.weights.copy_(weights)
        self.own.copy_(own)
        return self


def scaling_of_moments(moments: Tensor, n_channels: int) -> Whitening:
    """The scaling that gives the moments of a sample unit spread, the same for all components of an order, and no mean.

    Parameters
    ----------
    moments : Tensor, shape (n_samples, n_moments), float64
    n_channels : int
        Moments of each component.

    Returns
    -------
    Whitening
        With a diagonal matrix and a mean at order 0, since moments that turn have none. What never varies becomes zero.
    """
    components = moments.unflatten(1, (N_COMPONENTS, n_channels))
    mean = components[:, :1].mean(0)  # (1, n_channels): of order 0 alone
    squares = [(components[:, :1] - mean).square().mean((0, 1))]
    squares += [components[:, n * n : (n + 1) ** 2].square().mean((0, 1)) for n in range(1, MAX_ORDER + 1)]
    largest = torch.stack([square.max() for square in squares])
    scales = [
        torch.where(square > 1e-14 * top, square.clamp_min(torch.finfo(square.dtype).tiny).rsqrt(), 0.0)
        for square, top in zip(squares, largest, strict=True)
    ]
    of_moments = torch.cat([scale.repeat(2 * n + 1) for n, scale in enumerate(scales)])  # (n_moments,)
    shift = torch.zeros_like(of_moments)
    shift[:n_channels] = mean[0]
    return Whitening(shift, torch.diag(of_moments))


def _in_parts(moments: Tensor, species: Tensor, size: int = 4096) -> Sequence[tuple[Tensor, Tensor]]:
    return list(zip(moments.split(size), species.split(size), strict=True))
