"""Features, networks and terms of pairs in a native record: their names, and what the kernels rely on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.kernels.native_arrays import (
    ChargeSlopes,
    ContractionArrays,
    DistanceArrays,
    FeatureArrays,
    InvariantArrays,
    NetworkArrays,
)
from mliap_hybrid.kernels.potential import PairConstants, PotentialArrays
from mliap_hybrid.model_files.array_reader import ArrayReader

MAX_ORDER = 6
"""Highest order that the kernels know; those of contractions are 0 to 3."""

MOST_PROBES, MOST_INTERVALS, MOST_NETWORKS, MOST_LAYERS = 4096, 1 << 20, 1024, 16

LARGEST_CUTOFF = 1000.0
"""Å; and in units of the smearing, 10 times as much: the kernels tabulate a function of both."""


def arrays_of_potential(potential: PotentialArrays) -> dict[str, Any]:
    """Name -> array of all that the kernels are told."""
    arrays = _with_prefix("features", _of_features(potential.features))
    for k, network in enumerate(potential.networks):
        arrays |= _with_prefix(f"network{k}", _of_network(network))
    return arrays | {
        "n_networks": np.int32(len(potential.networks)),
        "n_energy_networks": np.int32(potential.n_energy_networks),
        "baseline": potential.baseline,
        **_with_prefix("pairs", _of_pairs(potential.pairs)),
    }


def read_potential(reader: ArrayReader, n_elements: int) -> PotentialArrays:
    """The same from a record, checked.

    Raises
    ------
    InputError
        If an array is not there, or the kernels could not work with it.
    """
    features = _read_features(reader.part("features"), n_elements)
    n_networks = reader.whole("n_networks", 1, MOST_NETWORKS)
    networks = [_read_network(reader.part(f"network{k}"), features) for k in range(n_networks)]
    see_charge = {network.by_charge is not None for network in networks}
    reader.require(len(see_charge) == 1, "n_networks", "networks that all see the total charge, or none")
    return PotentialArrays(
        features=features,
        networks=networks,
        n_energy_networks=reader.whole("n_energy_networks", 1, n_networks),
        baseline=reader.floats("baseline", n_elements),
        pairs=_read_pairs(reader.part("pairs"), n_elements, features.cutoff),
    )


def _of_features(features: FeatureArrays) -> dict[str, Any]:
    arrays = {
        "single_precision": np.int32(features.single_precision),
        "cutoff": np.float64(features.cutoff),
        "orders": features.orders,
        "n_probes": np.int32(features.n_probes),
        "table": features.table,
        "own": features.own,
        "by_element": np.int32(features.by_element),
    }
    return arrays | ({} if features.invariants is None else _with_prefix("invariants", vars(features.invariants)))


def _read_features(reader: ArrayReader, n_elements: int) -> FeatureArrays:
    orders = reader.indices("orders", None, below=MAX_ORDER + 1)
    reader.require(len(orders) > 0 and bool((np.diff(orders) > 0).all()), "orders", "ascending numbers")
    n_probes = reader.whole("n_probes", 1, MOST_PROBES)
    table = reader.floats("table", n_elements, None, 2, len(orders) * n_probes)
    reader.require(1 < table.shape[1] <= MOST_INTERVALS, "table", "the ends of one interval or more")
    cutoff = reader.number("cutoff", above=0.0)
    reader.require(cutoff <= LARGEST_CUTOFF, "cutoff", f"at most {LARGEST_CUTOFF:g} Å")
    has_invariants = reader.has("invariants")
    by_element = reader.flag("by_element")
    reader.require(not (has_invariants and by_element), "by_element", "0 for invariants")
    if not has_invariants:
        reader.require(orders.tolist() == [0, 1, 2, 3], "orders", "0 to 3 for moments")
    return FeatureArrays(
        single_precision=reader.flag("single_precision"),
        cutoff=cutoff,
        orders=orders,
        n_probes=n_probes,
        table=table,
        own=reader.floats("own", n_elements, n_probes),
        invariants=_read_invariants(reader.part("invariants"), orders, n_probes) if has_invariants else None,
        by_element=by_element,
    )


def _read_invariants(reader: ArrayReader, orders: NDArray[np.int32], n_probes: int) -> InvariantArrays:
    """Indices of moments and components, all of them inside the moments."""
    products = reader.indices("products", None, 3, least=-1)
    places, first, second = products.T
    inside = (places >= 0) & (places < len(orders)) & (first >= 0) & (first < n_probes) & (second < n_probes)
    reader.require(bool(inside.all()), "products", "places of orders and probes")
    reader.require(not orders[places[second < 0]].any(), "products", "the order 0 alone without a second probe")
    coupling_orders = reader.indices("coupling_orders", None, 3, below=len(orders))
    n_couplings = len(coupling_orders)
    coupling_terms = reader.indices("coupling_terms", n_couplings)
    n_terms = int(coupling_terms.sum(dtype=np.int64))
    term_values = reader.floats("term_values", None)
    reader.require(len(term_values) == n_terms, "coupling_terms", "so many terms as there are")
    components = reader.indices("term_components", n_terms, 3)
    most = np.repeat(2 * orders[coupling_orders], coupling_terms, axis=0)  # (n_terms, 3)
    reader.require(bool((components <= most).all()), "term_components", "components of the orders")
    triples = reader.indices("triples", None, 4)
    couplings = triples[:, 0]
    sorted_inside = (np.diff(couplings) >= 0).all() and (couplings < n_couplings).all()
    reader.require(bool(sorted_inside), "triples", "couplings in ascending order")
    reader.require(bool((triples[:, 1:] < n_probes).all()), "triples", "probes")
    reader.require(len(products) + len(triples) > 0, "products", "at least one feature")
    return InvariantArrays(
        products=products,
        product_scales=reader.floats("product_scales", len(products)),
        coupling_orders=coupling_orders,
        coupling_terms=coupling_terms,
        term_components=components,
        term_values=term_values,
        triples=triples,
        triple_scales=reader.floats("triple_scales", len(triples)),
    )


def _of_network(network: NetworkArrays) -> dict[str, Any]:
    names = ("sizes", "weights", "biases", "shift", "linear", "offset")
    arrays: dict[str, Any] = {name: getattr(network, name) for name in names}
    if network.contraction is not None:
        arrays |= {
            "contraction.body_order": np.int32(network.contraction.body_order),
            "contraction.mixing": network.contraction.mixing,
            "contraction.own": network.contraction.own,
        }
    if network.distance is not None:
        arrays |= _with_prefix("distance", vars(network.distance))
    return arrays | ({} if network.by_charge is None else _with_prefix("by_charge", vars(network.by_charge)))


def _read_network(reader: ArrayReader, features: FeatureArrays) -> NetworkArrays:
    sizes = reader.indices("sizes", None, least=1)
    reader.require(2 <= len(sizes) <= MOST_LAYERS + 1 and sizes[-1] == 1, "sizes", "those of layers that end in one")
    of_layers = sizes.astype(np.int64)
    n_elements, n_inputs = features.n_elements, int(sizes[0])
    is_of_moments = features.invariants is None
    reader.require(reader.has("contraction") == is_of_moments, "contraction", "one for moments, and there alone")
    if features.invariants is not None:
        reader.require(n_inputs == features.invariants.n_features, "sizes", "the number of features")
    return NetworkArrays(
        sizes=sizes,
        weights=reader.floats("weights", int(of_layers[1:] @ of_layers[:-1])),
        biases=reader.floats("biases", int(of_layers[1:].sum())),
        shift=reader.floats("shift", n_inputs),
        linear=reader.floats("linear", n_elements, n_inputs),
        offset=reader.floats("offset", n_elements),
        contraction=_read_contraction(reader.part("contraction"), features) if is_of_moments else None,
        by_charge=_read_slopes(reader.part("by_charge"), int(sizes[1]), n_elements)
        if reader.has("by_charge")
        else None,
        distance=_read_distance(reader.part("distance"), sizes, n_elements) if reader.has("distance") else None,
    )


def _read_distance(reader: ArrayReader, sizes: NDArray[np.int32], n_elements: int) -> DistanceArrays:
    reader.require(len(sizes) > 2, "map", "that of a network with hidden layers")
    n_hidden = int(sizes[-2])
    return DistanceArrays(
        reader.floats("map", n_elements, n_hidden, n_hidden), reader.floats("shift", n_elements, n_hidden)
    )


def _read_contraction(reader: ArrayReader, features: FeatureArrays) -> ContractionArrays:
    """How many invariants it makes, and so the inputs of the network, is left to the kernels to compare."""
    n_inputs = features.n_probes * (features.n_elements if features.by_element else 1)
    mixing = reader.floats("mixing", features.n_elements, len(features.orders), None, n_inputs)
    n_channels = mixing.shape[2]
    reader.require(n_channels > 0, "mixing", "at least one channel")
    return ContractionArrays(
        body_order=reader.whole("body_order", 3, 5),
        mixing=mixing,
        own=reader.floats("own", features.n_elements, n_channels),
    )


def _read_slopes(reader: ArrayReader, n_first: int, n_elements: int) -> ChargeSlopes:
    return ChargeSlopes(reader.floats("biases", n_first), reader.floats("offset", n_elements))


def _of_pairs(pairs: PairConstants) -> dict[str, Any]:
    arrays: dict[str, Any] = {}
    if pairs.repulsion is not None:
        arrays |= {"repulsion": pairs.repulsion, "screening": np.array(pairs.screening)}
    if pairs.charge_products is not None:
        arrays |= {"charge_products": pairs.charge_products, "smearing": np.float64(pairs.smearing)}
    if pairs.dispersion is not None:
        further = {"damping": np.float64(pairs.damping), "switch_width": np.float64(pairs.switch_width)}
        arrays |= {"dispersion": pairs.dispersion} | further
    return arrays


def _read_pairs(reader: ArrayReader, n_elements: int, cutoff: float) -> PairConstants:
    found: dict[str, Any] = {}
    square = n_elements, n_elements
    if reader.has("repulsion"):
        found |= {"repulsion": reader.floats("repulsion", *square, 3), "screening": reader.floats("screening", 4, 2)}
        reader.require(bool((found["repulsion"][..., 1:] > 0.0).all()), "repulsion", "lengths above zero")
    if reader.has("charge_products"):
        smearing = reader.number("smearing", above=cutoff / (10.0 * LARGEST_CUTOFF))
        found |= {"charge_products": reader.floats("charge_products", *square), "smearing": smearing}
    if reader.has("dispersion"):
        found |= {
            "dispersion": reader.floats("dispersion", *square, 2),
            "damping": reader.number("damping", above=0.0),
            "switch_width": reader.number("switch_width", above=0.0),
        }
    return PairConstants(**found)


def _with_prefix(prefix: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {f"{prefix}.{name}": array for name, array in arrays.items()}
