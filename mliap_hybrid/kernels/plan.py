"""What the native kernels must be told of features and network: tables and lists of products as C structures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.radial import SplinedRadial
from mliap_hybrid.kernels.library import doubles, ints
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.structs import FeatureSettings, NetworkSettings

MAX_LAYERS = 16
"""Most linear maps of a network that the kernels take."""

MAX_ORDER = 6
"""Highest order n that the kernels know."""

SINGLE_INTERVALS = 256
"""Intervals of the radial table in single precision: its error is below that of the arithmetic, and it stays in the
cache."""

_Y_00 = 0.28209479177387814  # 1 / sqrt(4 pi)


def is_known(features: object) -> TypeGuard[GaussianMultipoles | NeighbourMoments]:
    """Whether the kernels can compute these features: moments, or tabulated multipoles of order 0 to 6, rootless."""
    return isinstance(features, NeighbourMoments) or (
        isinstance(features, GaussianMultipoles)
        and isinstance(features.radial, SplinedRadial)
        and features.root_offset is None
        and features.orders[0] >= 0
        and features.orders[-1] <= MAX_ORDER
    )


def feature_settings(features: GaussianMultipoles | NeighbourMoments, dtype: torch.dtype) -> FeatureSettings:
    """The C structure of these features; it keeps the arrays that it points to."""
    return _of_moments(features, dtype) if isinstance(features, NeighbourMoments) else _of_multipoles(features, dtype)


def _of_moments(features: NeighbourMoments, dtype: torch.dtype) -> FeatureSettings:
    table = radial_table(features.radial, dtype)  # (n_elements, n_intervals + 1, 2, n_radial)
    return FeatureSettings(
        single_precision=dtype == torch.float32,
        moments=True,
        by_element=features.by_element,
        n_elements=len(features.elements),
        n_orders=len(features.orders),
        orders=ints(features.orders),
        n_probes=features.n_probes,
        cutoff=features.cutoff,
        n_intervals=table.shape[1] - 1,
        table=doubles(table.cpu().numpy()),
        own=doubles(own_moments(features).cpu().numpy()),
    )


def _of_multipoles(features: GaussianMultipoles, dtype: torch.dtype) -> FeatureSettings:
    assert isinstance(features.radial, SplinedRadial)
    table = radial_table(features.radial, dtype)  # (n_elements, n_intervals + 1, 2, n_radial)
    products, product_scales = products_of(features)
    triples = Triples(features)
    return FeatureSettings(
        single_precision=dtype == torch.float32,
        n_elements=len(features.elements),
        n_orders=len(features.orders),
        orders=ints(features.orders),
        n_probes=n_probes(features),
        cutoff=features.cutoff,
        n_intervals=table.shape[1] - 1,
        table=doubles(table.cpu().numpy()),
        own=doubles(own_moments(features).cpu().numpy()),
        n_products=len(products),
        products=ints(products),
        product_scales=doubles(product_scales),
        n_couplings=len(triples.coupling_orders),
        coupling_orders=ints(triples.coupling_orders),
        coupling_terms=ints(triples.n_terms),
        term_components=ints(triples.components),
        term_values=doubles(triples.values),
        n_triples=len(triples.triples),
        triples=ints(triples.triples),
        triple_scales=doubles(triples.scales),
    )


def n_probes(features: GaussianMultipoles | NeighbourMoments) -> int:
    """Probes of an order: density channels and widths."""
    return len(features.channels) * len(features.widths)


def radial_table(radial: SplinedRadial, dtype: torch.dtype) -> Tensor:
    """Values, and slopes times the spacing, at the knots: (n_elements, n_intervals + 1, 2, n_radial)."""
    table = radial.knots()
    if dtype == torch.float64 or radial.n_intervals % SINGLE_INTERVALS:
        return table
    stride = radial.n_intervals // SINGLE_INTERVALS
    # The spacing grows, and with it the slopes that are times it.
    return table[:, ::stride] * table.new_tensor([1.0, stride])[:, None]


def own_moments(features: GaussianMultipoles | NeighbourMoments) -> Tensor:
    """What the centre itself adds to its moments of order 0: (n_elements, n_probes)."""
    if isinstance(features, NeighbourMoments):
        return features.get_buffer("own")
    if features.orders[0] > 0:
        return torch.zeros((len(features.elements), n_probes(features)), dtype=torch.float64)
    return _Y_00 * features.get_buffer("own_density")[:, features.radial_blocks[0]]


def products_of(features: GaussianMultipoles) -> tuple[list[tuple[int, int, int]], list[float]]:
    """Place of the order, probes a and b (-1: the moment itself) of each product; their scales."""
    products: list[tuple[int, int, int]] = []
    scales: list[float] = []
    for place, n in enumerate(features.orders):
        of_order = features.products_of(n)
        second = [-1] * of_order.n_features if of_order.linear else of_order.second.tolist()
        products += [(place, a, b) for a, b in zip(of_order.first.tolist(), second, strict=True)]
        scales += of_order.scale.tolist()
    return products, scales


class Triples:
    """The products of three moments as lists of numbers."""

    def __init__(self, features: GaussianMultipoles):
        """Take the lists from the features."""
        self.coupling_orders: list[list[int]] = []
        """Places of the three orders of each coupling."""
        self.n_terms: list[int] = []
        """Terms of each coupling."""
        self.components: list[list[int]] = []
        """Places of m1, m2, m3 of each term, coupling after coupling."""
        self.values: list[float] = []
        """Coefficient of each term."""
        self.triples: list[list[int]] = []
        """Coupling and probes a, b, c of each feature."""
        self.scales: list[float] = []
        """Factor of each feature."""
        if features.triples is None:
            return
        blocks = zip(features.triples.couplings, features.triples.entries, features.triples.probes, strict=True)
        for q, (orders, (components, values), probes) in enumerate(blocks):
            self.coupling_orders.append([features.orders.index(n) for n in orders])
            self.n_terms.append(len(values))
            self.components += components.tolist()
            self.values += values.tolist()
            self.triples += [[q, *abc] for abc in probes.tolist()]
        self.scales = features.triples.scales.tolist()


def network_settings(network: NetworkWeights) -> NetworkSettings:
    """The C structure of these weights; it keeps the arrays that it points to."""
    sizes = [network.weights[0].shape[1], *(weight.shape[0] for weight in network.weights)]
    contraction = network.contraction
    of_moments: dict[str, Any] = {}
    if contraction is not None:
        of_moments = {
            "body_order": contraction.body_order,
            "n_channels": contraction.weights.shape[2],
            "mixing": doubles(_flat([contraction.weights])),
            "own": doubles(_flat([contraction.own])),
        }
    return NetworkSettings(
        **of_moments,
        n_layers=len(network.weights),
        sizes=ints(sizes),
        weights=doubles(_flat(network.weights)),
        biases=doubles(_flat(network.biases)),
        shift=doubles(_flat([torch.zeros(sizes[0]) if network.shift is None else network.shift])),
        linear=doubles(_flat([network.linear])),
        offset=doubles(_flat([network.offset])),
    )


def _flat(tensors: Sequence[Tensor]) -> np.ndarray:
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors]).cpu().numpy()
