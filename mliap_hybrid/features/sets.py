"""The named sets of features: what a training file means by `features.set`.

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
"""Name -> set."""
