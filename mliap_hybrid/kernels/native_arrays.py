"""Features and networks as plain arrays: all that the native kernels know of them, without torch.

They are made of a model (plan.py) or read from its file (model_files/native_record.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mliap_hybrid.kernels.library import doubles, ints
from mliap_hybrid.kernels.structs import FeatureSettings, NetworkSettings


@dataclass(frozen=True)
class InvariantArrays:
    """Which products of two and three moments the features are; indices are int32."""

    products: np.ndarray
    """(n_products, 3): place of the order, probes a and b; b = -1: the moment of order 0 itself."""
    product_scales: np.ndarray
    """(n_products,)."""
    coupling_orders: np.ndarray
    """(n_couplings, 3): places of the three orders."""
    coupling_terms: np.ndarray
    """(n_couplings,): terms of each coupling."""
    term_components: np.ndarray
    """(n_terms, 3): places of m1, m2, m3 of each term, coupling after coupling."""
    term_values: np.ndarray
    """(n_terms,): coefficient of each term."""
    triples: np.ndarray
    """(n_triples, 4): coupling and probes a, b, c; ascending in the coupling."""
    triple_scales: np.ndarray
    """(n_triples,)."""

    @property
    def n_features(self) -> int:
        """Products and triples."""
        return len(self.products) + len(self.triples)

    def settings(self) -> dict[str, Any]:
        """Those of `FeatureSettings` that are about invariants."""
        return {
            "n_products": len(self.products),
            "products": ints(self.products),
            "product_scales": doubles(self.product_scales),
            "n_couplings": len(self.coupling_orders),
            "coupling_orders": ints(self.coupling_orders),
            "coupling_terms": ints(self.coupling_terms),
            "term_components": ints(self.term_components),
            "term_values": doubles(self.term_values),
            "n_triples": len(self.triples),
            "triples": ints(self.triples),
            "triple_scales": doubles(self.triple_scales),
        }


@dataclass(frozen=True)
class FeatureArrays:
    """What the features are."""

    single_precision: bool
    """Of the arithmetic; all numbers here are float64."""
    cutoff: float
    """Å."""
    orders: np.ndarray
    """(n_orders,) int32: different ones from 0 to 6, ascending."""
    n_probes: int
    """Of each order."""
    table: np.ndarray
    """(n_elements, n_intervals + 1, 2, n_orders n_probes): radial functions and their slopes times the spacing."""
    own: np.ndarray
    """(n_elements, n_probes): what the centre itself adds to its moments of order 0."""
    invariants: InvariantArrays | None
    """None: the features are the moments themselves."""
    by_element: bool = False
    """Of moments: whether neighbours of each element have moments of their own."""

    @property
    def n_elements(self) -> int:
        """Elements of the model."""
        return len(self.table)

    def settings(self) -> FeatureSettings:
        """The C structure; it keeps the arrays that it points to."""
        return FeatureSettings(
            single_precision=self.single_precision,
            moments=self.invariants is None,
            by_element=self.by_element,
            n_elements=self.n_elements,
            n_orders=len(self.orders),
            orders=ints(self.orders),
            n_probes=self.n_probes,
            cutoff=self.cutoff,
            n_intervals=self.table.shape[1] - 1,
            table=doubles(self.table),
            own=doubles(self.own),
            **({} if self.invariants is None else self.invariants.settings()),
        )


@dataclass(frozen=True)
class ContractionArrays:
    """A learned contraction of moments to invariants."""

    body_order: int
    """3 to 5."""
    mixing: np.ndarray
    """(n_elements, 4, n_channels, n_inputs)."""
    own: np.ndarray
    """(n_elements, n_channels)."""


@dataclass(frozen=True)
class ChargeSlopes:
    """What each e of the system's total charge adds, where networks see it."""

    biases: np.ndarray
    """(n_outputs of the first layer,)."""
    offset: np.ndarray
    """(n_elements,), eV."""


@dataclass(frozen=True)
class DistanceArrays:
    """How far an atom is from those of the training, as the last hidden layer has it (model/training_distance.py)."""

    map: np.ndarray
    """(n_elements, n_hidden, n_hidden)."""
    shift: np.ndarray
    """(n_elements, n_hidden)."""


@dataclass(frozen=True)
class NetworkArrays:
    """A SiLU network with a linear term for each element (network_weights.py)."""

    sizes: np.ndarray
    """(n_layers + 1,) int32: inputs, outputs of each layer; the last one has one."""
    weights: np.ndarray
    """Of one layer after the other, (n_outputs, n_inputs) each, flat."""
    biases: np.ndarray
    """Of one layer after the other, flat."""
    shift: np.ndarray
    """(n_inputs,)."""
    linear: np.ndarray
    """(n_elements, n_inputs)."""
    offset: np.ndarray
    """(n_elements,), eV."""
    contraction: ContractionArrays | None = None
    """What makes the inputs of moments, where something does."""
    by_charge: ChargeSlopes | None = None
    """None where the network does not see the total charge."""
    distance: DistanceArrays | None = None
    """None where the network knows no distance to its training set."""

    def at_total_charge(self, total_charge: float) -> NetworkArrays:
        """The network for systems of a total charge in e."""
        if self.by_charge is None:
            return self
        biases, n_first = self.biases.copy(), len(self.by_charge.biases)
        biases[:n_first] = biases[:n_first] + total_charge * self.by_charge.biases
        return replace(self, biases=biases, offset=self.offset + total_charge * self.by_charge.offset)

    def settings(self) -> NetworkSettings:
        """The C structure; it keeps the arrays that it points to."""
        of_moments: dict[str, Any] = {}
        if self.contraction is not None:
            of_moments = {
                "body_order": self.contraction.body_order,
                "n_channels": self.contraction.mixing.shape[2],
                "mixing": doubles(self.contraction.mixing),
                "own": doubles(self.contraction.own),
            }
        of_distance: dict[str, Any] = {}
        if self.distance is not None:
            of_distance = {
                "distance_map": doubles(self.distance.map),
                "distance_shift": doubles(self.distance.shift),
            }
        return NetworkSettings(
            **of_moments,
            **of_distance,
            n_layers=len(self.sizes) - 1,
            sizes=ints(self.sizes),
            weights=doubles(self.weights),
            biases=doubles(self.biases),
            shift=doubles(self.shift),
            linear=doubles(self.linear),
            offset=doubles(self.offset),
        )


def settings_of_networks(networks: Sequence[NetworkArrays]) -> Any:
    """A C array of the structures of networks."""
    return (NetworkSettings * len(networks))(*(network.settings() for network in networks))
