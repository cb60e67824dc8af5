"""A head from its description."""

from __future__ import annotations

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.contraction import ContractionShape
from mliap_hybrid.model.direct_forces import DirectNetwork, ForceNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model_files.model_description import HeadDescription


def make_head(description: HeadDescription, n_features: int, n_others: int, n_elements: int) -> Head:
    """A head with weights from the current random state, on features and so many other inputs behind them."""
    members, n_inputs = range(description.n_members), n_features + n_others
    if description.contraction is not None:
        of_moments = description.contraction
        shape = ContractionShape(of_moments.n_channels, of_moments.body_order)
        sizes = n_features, n_others, shape, description.hidden, n_elements, of_moments.whitened
        return Head(description.name, [ContractedNetwork.make(*sizes) for _ in members])
    networks = [AtomicNetwork(n_inputs, description.hidden, n_elements) for _ in members]
    if description.direct_hidden is None:
        return Head(description.name, networks)
    force_networks = [ForceNetwork(n_inputs, description.direct_hidden, n_elements) for _ in networks]
    return Head(description.name, [DirectNetwork(*both) for both in zip(networks, force_networks, strict=True)])
