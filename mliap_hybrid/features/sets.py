"""The named sets of features: what a training file means by `features.set`.

Of a fixed set, all that is multiplied is known before the training. Of a learned one, the moments are mixed and
multiplied by a contraction that the training finds (model/contraction.py); it comes with a size of its network.

The costs below are for the four default widths and orders up to 3. A pair costs as much as it has radial functions, 4
for each density channel and order; an atom as much as it has features, the network's first layer included. None of it
depends on the number of elements.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class FeatureSet:
    """What a named set asks of `GaussianMultipoles`."""

    channels: tuple[str, ...]
    """Density channels."""
    products: str
    """Which pairs of probes are multiplied."""
    third_order: str
    """Which triples of probes are multiplied."""


FEATURE_SETS: Mapping[str, FeatureSet] = {
    # The power spectrum of Lei & Medford: 16 radial functions a pair, 16 features. For comparisons with the paper.
    "gmp-classic": FeatureSet(("valence",), "diagonal", "none"),
    # 32 radial functions a pair, 116 features: 8 linear, and 36 products of probes for each of the orders 1 to 3.
    "gmp-2c": FeatureSet(("valence", "count"), "all", "none"),
    # The same pairs, and 32 products of three moments: 148 features.
    "gmp-2c3": FeatureSet(("valence", "count"), "all", "diagonal"),
    # 48 radial functions a pair, 294 features: 12 linear, 3 x 78 products of two and 48 of three.
    "gmp-3c3": FeatureSet(("valence", "count", "core"), "all", "diagonal"),
    # The same pairs, and products of three moments of neighbouring widths too: 438 features.
    "gmp-3c3w": FeatureSet(("valence", "count", "core"), "all", "widths"),
}
"""Name -> fixed set."""


@dataclass(frozen=True)
class LearnedSet:
    """Sizes that go together, each of which a training file may say otherwise."""

    n_widths: int
    """Probes of `NeighbourMoments`."""
    n_channels: int
    """Channels of the contraction."""
    body_order: int
    """Highest number of atoms that an invariant joins, the centre included."""
    hidden: tuple[int, ...]
    """Hidden layers of the network."""
    channels: tuple[str, ...] | None = None
    """Density channels that tell neighbours apart; None where their elements do."""


LEARNED_SETS: Mapping[str, LearnedSet] = {
    # 24 radial functions a pair, 128 invariants.
    "learned-small": LearnedSet(6, 16, 4, (64, 64)),
    # The same pairs, 256 invariants.
    "learned": LearnedSet(6, 32, 4, (96, 64)),
    # 32 radial functions a pair, 816 invariants.
    "learned-large": LearnedSet(8, 48, 5, (256, 128)),
    # The same number of moments for any number of elements: 48 radial functions a pair, 256 invariants.
    "learned-tied": LearnedSet(4, 32, 4, (96, 64), ("valence", "count", "core")),
}
"""Name -> learned set."""
