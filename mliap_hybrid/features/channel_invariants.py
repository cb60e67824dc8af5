"""Rotation invariants of one channel: a multipole A_nm of each order n from 0 to 3, as moments.py has many of.

    body order 2    A_0
    body order 3    A_n . A_n                                 n = 1, 2, 3
    body order 4    A_c . (A_a A_b)_c                         (a, b, c) of `COUPLINGS`
    body order 5    (A_a A_b)_n . (A_c A_d)_n                 nine of them

    (A_a A_b)_cm = sum over m1, m2 of G_m1m2m A_a,m1 A_b,m2

with the Gaunt coefficients G of couplings.py. There are 3 + 4 + 15 invariants of two to four factors of the orders 1
to 3 (by Molien's theorem; tests/features/test_channel_invariants.py). Those of two and three factors are all here; of
those of four, six are products of two squares, which a network makes of the squares itself. Products with A_0, which is
an invariant, are left to the network as well. All other ways to couple four factors are sums of the fifteen.

They are those of the atomic cluster expansion (Drautz, Phys. Rev. B 99, 014104 (2019)) for a single channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.features.couplings import COUPLINGS, Coupling, gaunt

MAX_ORDER = 3
"""Highest order of the multipoles."""

N_COMPONENTS = (MAX_ORDER + 1) ** 2
"""Components of a channel: order after order, m = -n ... n."""

BODY_ORDERS = (3, 4, 5)
"""Highest number of atoms that an invariant joins, the centre included; all lower ones come with it."""

QUARTETS: tuple[tuple[Coupling, Coupling], ...] = (
    ((1, 1, 2), (1, 3, 2)),
    ((1, 1, 2), (2, 2, 2)),
    ((1, 1, 2), (3, 3, 2)),
    ((1, 2, 1), (2, 3, 1)),
    ((1, 2, 3), (2, 3, 3)),
    ((1, 3, 2), (3, 3, 2)),
    ((2, 2, 2), (3, 3, 2)),
    ((2, 3, 1), (2, 3, 1)),
    ((3, 3, 2), (3, 3, 2)),
)
"""Pairs of products (A_a A_b)_n, each as (a, b, n), whose scalar products are the invariants of body order 5."""


@cache
def cached_gaunt(coupling: Coupling) -> np.ndarray:
    """Coefficients of a coupling, computed once."""
    return gaunt(*coupling)


@dataclass(frozen=True)
class ChannelInvariants:
    """The invariants up to a body order; first all of body order 2, then those of 3, and so on."""

    body_order: int
    """One of `BODY_ORDERS`."""

    def __post_init__(self) -> None:
        # Now, since inside of transformations of torch they cannot be computed.
        for coupling in (*self.triples, *(coupling for pair in self.quartets for coupling in pair)):
            cached_gaunt(coupling)

    @property
    def triples(self) -> tuple[Coupling, ...]:
        """Orders of the factors of each invariant of body order 4."""
        return COUPLINGS if self.body_order >= 4 else ()

    @property
    def quartets(self) -> tuple[tuple[Coupling, Coupling], ...]:
        """Products that are multiplied in each invariant of body order 5."""
        return QUARTETS if self.body_order >= 5 else ()

    @property
    def n(self) -> int:
        """How many there are."""
        return 1 + MAX_ORDER + len(self.triples) + len(self.quartets)

    @property
    def labels(self) -> list[str]:
        """One short label each."""
        squares = [f"n={n},{n}" for n in range(1, MAX_ORDER + 1)]
        triples = [f"n={a},{b},{c}" for a, b, c in self.triples]
        quartets = [f"n=({a},{b}),({c},{d}) by {n}" for (a, b, n), (c, d, _) in self.quartets]
        return ["n=0", *squares, *triples, *quartets]

    def __call__(self, channels: Tensor) -> Tensor:
        """Invariants of channels.

        Parameters
        ----------
        channels : Tensor, shape (n_atoms, N_COMPONENTS, n_channels)
            A.

        Returns
        -------
        Tensor, shape (n_atoms, n, n_channels)
        """
        a = [channels[:, n * n : (n + 1) ** 2] for n in range(MAX_ORDER + 1)]  # (n_atoms, 2n + 1, n_channels) each
        products: dict[Coupling, Tensor] = {}

        def product(coupling: Coupling) -> Tensor:  # (n_atoms, 2n + 1, n_channels)
            if coupling not in products:
                n1, n2, _ = coupling
                coefficients = torch.as_tensor(cached_gaunt(coupling)).to(channels)  # (2 n1 + 1, 2 n2 + 1, 2n + 1)
                products[coupling] = torch.einsum("abm,iak,ibk->imk", coefficients, a[n1], a[n2])
            return products[coupling]

        squares = [(a[n] * a[n]).sum(1) for n in range(1, MAX_ORDER + 1)]
        triples = [(product(coupling) * a[coupling[2]]).sum(1) for coupling in self.triples]
        quartets = [(product(first) * product(second)).sum(1) for first, second in self.quartets]
        return torch.stack([a[0][:, 0], *squares, *triples, *quartets], dim=1)
