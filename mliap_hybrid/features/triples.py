"""Third-order invariants: numbers made of three multipoles, which tell apart surroundings that products of two do not.

    T_abc = sqrt(N_n1a N_n2b N_n3c) sum_m1m2m3 G_m1m2m3 M_n1m1a M_n2m2b M_n3m3c

with G the coupling of the orders n1 <= n2 <= n3 (couplings.py), and a, b, c probes: a density channel and a width, as
in products.py. Which probes are joined is a rule's to say: all triples would be too many.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mliap_hybrid.features.couplings import COUPLINGS, Coupling, gaunt

Probe = tuple[int, int]
"""Density channel and width of a probe."""

RULES: Mapping[str, Callable[[Probe, Probe, Probe], bool]] = {
    "none": lambda a, b, c: False,
    "diagonal": lambda a, b, c: a == b == c,
    "channels": lambda a, b, c: a[1] == b[1] == c[1],
    "widths": lambda a, b, c: a[0] == b[0] == c[0] and max(a[1], b[1], c[1]) - min(a[1], b[1], c[1]) <= 1,
}
"""Which probes third-order features join. none: no such features; diagonal: each with itself; channels: those of one
width, whatever their density channels; widths: those of one density channel whose widths are the same or two that
follow each other."""


def couplings_up_to(orders: Sequence[int]) -> list[Coupling]:
    """The couplings all of whose orders are among `orders`."""
    return [coupling for coupling in COUPLINGS if set(coupling) <= set(orders)]


def joined_probes(rule: str, coupling: Coupling, n_channels: int, n_widths: int) -> Tensor:
    """Probes of the third-order features of one coupling.

    Parameters
    ----------
    rule : str
        A name from `RULES`.
    coupling : tuple of int
        n1 <= n2 <= n3.
    n_channels, n_widths : int

    Returns
    -------
    Tensor, shape (n_triples, 3), int64
        Indices channel * n_widths + width of the probes a, b, c. The coefficients do not change when two equal orders
        are exchanged, so of the triples that differ by that alone only the one in ascending order is there.
    """
    n1, n2, n3 = coupling
    joins = RULES[rule]
    triples = [
        triple
        for triple in itertools.product(range(n_channels * n_widths), repeat=3)
        if (n1 < n2 or triple[0] <= triple[1])
        and (n2 < n3 or triple[1] <= triple[2])
        and joins(*(divmod(probe, n_widths) for probe in triple))
    ]
    return torch.tensor(triples, dtype=torch.int64).view(-1, 3)


class MomentTriples(torch.nn.Module):
    """Third-order features from the moments of all orders, and the derivatives of that map.

    Parameters
    ----------
    norms : mapping of int to Tensor, shape (n_probes,)
        Order -> normalisation N_na of the square of each probe's moment.
    couplings : sequence of tuple of int
        n1 <= n2 <= n3 of each block of features.
    probes : sequence of Tensor, shape (n_triples, 3), int64
        For each coupling, the probes a, b, c of its features.

    Attributes
    ----------
    couplings : tuple of tuple of int
        As given.
    orders : frozenset of int
        Those that occur in a coupling.
    n_features : int
        Number of all triples; coupling after coupling.
    """

    scales: Tensor
    """(n_features,): square root of the three normalisations."""

    def __init__(self, norms: Mapping[int, Tensor], couplings: Sequence[Coupling], probes: Sequence[Tensor]):
        super().__init__()
        self.couplings = tuple(couplings)
        self.orders = frozenset(itertools.chain.from_iterable(self.couplings))
        scales = []
        for k, (orders, triples) in enumerate(zip(self.couplings, probes, strict=True)):
            self.register_buffer(f"probes_{k}", triples, persistent=False)
            self.register_buffer(f"coefficients_{k}", torch.from_numpy(gaunt(*orders)), persistent=False)
            factors = [norms[n][probe] for n, probe in zip(orders, triples.T, strict=True)]  # (n_triples,) each
            scales.append((factors[0] * factors[1] * factors[2]).sqrt())
        self.n_features = sum(len(scale) for scale in scales)
        self.register_buffer("scales", torch.cat(scales), persistent=False)

    @property
    def probes(self) -> list[Tensor]:
        """For each coupling (n_triples, 3) int64: probes a, b, c of its features."""
        return [self.get_buffer(f"probes_{k}") for k in range(len(self.couplings))]

    @property
    def coefficients(self) -> list[Tensor]:
        """For each coupling (2 n1 + 1, 2 n2 + 1, 2 n3 + 1) float64: G, mostly zeros."""
        return [self.get_buffer(f"coefficients_{k}") for k in range(len(self.couplings))]

    @property
    def entries(self) -> list[tuple[Tensor, Tensor]]:
        """For each coupling, what of G is not zero.

        Returns
        -------
        list of (components, values)
            components (n_entries, 3) int64: places of m1, m2, m3 in the moments, from 0; values (n_entries,) float64.
        """
        return [(g.nonzero(), g[g != 0.0]) for g in self.coefficients]

    def forward(self, moments: Mapping[int, Tensor]) -> Tensor:
        """Features (n_centres, n_features) of moments: order -> (n_centres, 2n + 1, n_probes)."""
        blocks = []
        for orders, triples, g in zip(self.couplings, self.probes, self.coefficients, strict=True):
            first, second, third = _gather(moments, orders, triples)  # (n_centres, 2n + 1, n_triples) each
            blocks.append((_contract(g, second, third) * first).sum(1))
        return torch.cat(blocks, dim=1) * self._scales_like(blocks[0])

    def partials(self, moments: Mapping[int, Tensor]) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Derivatives of the features by the moments that they are made of.

        Parameters
        ----------
        moments : mapping of int to Tensor, shape (n_centres, 2n + 1, n_probes)

        Returns
        -------
        list of three Tensors, shape (n_centres, 2n + 1, n_triples)
            For each coupling dT/dM_n1a, dT/dM_n2b and dT/dM_n3c, each as if the three moments were different ones.
        """
        scales = self._scales_like(next(iter(moments.values()))).split([len(triples) for triples in self.probes])
        result = []
        for orders, triples, g, scale in zip(self.couplings, self.probes, self.coefficients, scales, strict=True):
            first, second, third = _gather(moments, orders, triples)
            by_first = _contract(g, second, third) * scale
            by_second = _contract(g.permute(1, 0, 2), first, third) * scale
            by_third = _contract(g.permute(2, 0, 1), first, second) * scale
            result.append((by_first, by_second, by_third))
        return result

    def adjoint(self, moments: Mapping[int, Tensor], weights: Tensor) -> dict[int, Tensor]:
        """Gradient by the moments from that by the features.

        Parameters
        ----------
        moments : mapping of int to Tensor, shape (n_centres, 2n + 1, n_probes)
        weights : Tensor, shape (n_centres, n_features)
            dE/dT.

        Returns
        -------
        dict of int to Tensor, shape (n_centres, 2n + 1, n_probes)
            Order -> dE/dM, for the orders that occur in a coupling.
        """
        result: dict[int, Tensor] = {}
        by_coupling = weights.split([len(triples) for triples in self.probes], dim=1)  # (n_centres, n_triples) each
        for orders, triples, partials, weight in zip(
            self.couplings, self.probes, self.partials(moments), by_coupling, strict=True
        ):
            for n, probe, partial in zip(orders, triples.T, partials, strict=True):
                before = result[n] if n in result else torch.zeros_like(moments[n])
                result[n] = before.index_add(2, probe, partial * weight[:, None])
        return result

    def derivative(
        self, partials: Sequence[tuple[Tensor, Tensor, Tensor]], n: int, changes: Tensor, angles: Tensor
    ) -> Tensor:
        """Change of the features when the moment of order n of probe a changes by `changes_a` times `angles`.

        Parameters
        ----------
        partials : sequence of three Tensors, shape (n_centres, 2n + 1, n_triples)
            From `partials` of the moments.
        n : int
        changes : Tensor, shape (n_centres, n_slots, n_probes)
            Radial factor of the change, for each neighbour.
        angles : Tensor, shape (n_centres, 2n + 1, k)
            Angular factor of the change; k is a multiple of n_slots, the last index running over the slots.

        Returns
        -------
        Tensor, shape (n_centres, k, n_features)
        """
        repeats = angles.shape[2] // max(1, changes.shape[1])
        directions = angles.transpose(1, 2)  # (n_centres, k, 2n + 1)
        blocks = []
        for orders, triples, of_coupling in zip(self.couplings, self.probes, partials, strict=True):
            block = changes.new_zeros((*directions.shape[:2], len(triples)))
            for order, probe, partial in zip(orders, triples.T, of_coupling, strict=True):
                if order == n:
                    block = block + torch.bmm(directions, partial) * changes[..., probe].repeat(1, repeats, 1)
            blocks.append(block)
        return torch.cat(blocks, dim=2)

    def _scales_like(self, like: Tensor) -> Tensor:
        return self.scales.to(like.dtype)


def _gather(moments: Mapping[int, Tensor], orders: Coupling, triples: Tensor) -> list[Tensor]:
    """Three moments (n_centres, 2n + 1, n_triples) of each triple."""
    return [moments[n][..., probe] for n, probe in zip(orders, triples.T, strict=True)]


def _contract(g: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """sum_m2m3 G_m1m2m3 M_m2 M_m3: (n_centres, 2 n1 + 1, n_triples) of moments (n_centres, 2n + 1, n_triples)."""
    pairs = (second[:, :, None] * third[:, None]).flatten(1, 2)  # (n_centres, (2 n2 + 1) (2 n3 + 1), n_triples)
    return g.flatten(1).to(pairs.dtype) @ pairs
