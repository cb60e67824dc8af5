"""What the native kernels must be told of features and networks: tables and lists of products as plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.radial import SplinedRadial
from mliap_hybrid.kernels.native_arrays import ContractionArrays, FeatureArrays, InvariantArrays, NetworkArrays
from mliap_hybrid.kernels.network_weights import NetworkWeights

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


def feature_arrays(features: GaussianMultipoles | NeighbourMoments, dtype: torch.dtype) -> FeatureArrays:
    """These features as the kernels know them, for a precision."""
    assert isinstance(features.radial, SplinedRadial)
    return FeatureArrays(
        single_precision=dtype == torch.float32,
        cutoff=features.cutoff,
        orders=np.array(features.orders, dtype=np.int32),
        n_probes=n_probes(features),
        table=radial_table(features.radial, dtype).cpu().numpy(),
        own=own_moments(features).cpu().numpy(),
        invariants=None if isinstance(features, NeighbourMoments) else _invariants_of(features),
        by_element=features.by_element if isinstance(features, NeighbourMoments) else False,
    )


def _invariants_of(features: GaussianMultipoles) -> InvariantArrays:
    products, product_scales = products_of(features)
    triples = Triples(features)
    return InvariantArrays(
        products=_indices(products, 3),
        product_scales=np.array(product_scales),
        coupling_orders=_indices(triples.coupling_orders, 3),
        coupling_terms=_indices(triples.n_terms),
        term_components=_indices(triples.components, 3),
        term_values=np.array(triples.values),
        triples=_indices(triples.triples, 4),
        triple_scales=np.array(triples.scales),
    )


def _indices(values: Sequence[Any], *columns: int) -> np.ndarray:
    return np.array(values, dtype=np.int32).reshape(-1, *columns)


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


def network_arrays(network: NetworkWeights) -> NetworkArrays:
    """These weights as the kernels know them."""
    sizes = [network.weights[0].shape[1], *(weight.shape[0] for weight in network.weights)]
    contraction = network.contraction
    return NetworkArrays(
        sizes=np.array(sizes, dtype=np.int32),
        weights=np.concatenate([_numbers(weight).ravel() for weight in network.weights]),
        biases=np.concatenate([_numbers(bias) for bias in network.biases]),
        shift=np.zeros(sizes[0]) if network.shift is None else _numbers(network.shift),
        linear=_numbers(network.linear),
        offset=_numbers(network.offset),
        contraction=None
        if contraction is None
        else ContractionArrays(contraction.body_order, _numbers(contraction.weights), _numbers(contraction.own)),
    )


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()
