"""The whitening folded into the networks: one linear map less in a run, and the same numbers."""

from __future__ import annotations

from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel


def fold_whitening_into_networks(model: HybridModel) -> HybridModel:
    """The same model with the whitening folded into first layers and linear terms; it shares the terms."""
    if model.whitening is None:
        return model
    heads = [
        Head(head.name, [member.with_folded_whitening(model.whitening) for member in head.networks])
        for head in model.heads
    ]
    return HybridModel(
        features=model.features,
        terms=model.all_terms,
        parameters=model.all_parameters,
        heads=heads,
        total_charge_input=model.total_charge_input,
        environment=model.environment,
        distance=model.distance,
    ).eval()
