"""From trained models to their committee, and back."""

from __future__ import annotations

from collections.abc import Sequence

from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel


def committee_model(models: Sequence[HybridModel]) -> HybridModel:
    """The model whose energy is the mean of models that differ in their networks alone.

    Parameters
    ----------
    models : sequence of HybridModel
        Of one training: features, whitening and all terms of the first are taken for those of all. They have one head,
        whose forces are the gradient of the energy.

    Returns
    -------
    HybridModel

    Raises
    ------
    ValueError
        If there are other heads, or forces are direct.
    """
    return _with_members(models[0], [_only_head(model) for model in models])


def member_models(model: HybridModel) -> list[HybridModel]:
    """A model of each member of a committee; the model itself if it is none."""
    if len(model.heads.networks) == len(model.heads):
        return [model]
    head = _only_head(model)
    return [_with_members(model, [Head(head.name, [member])]) for member in head.networks]


def _only_head(model: HybridModel) -> Head:
    heads = list(model.heads)
    if len(heads) != 1 or not model.is_conservative:
        raise ValueError("expected models with an energy network alone, without direct forces and predicted parameters")
    return heads[0]


def _with_members(model: HybridModel, heads: Sequence[Head]) -> HybridModel:
    members = [member for head in heads for member in head.networks]
    exchanged = HybridModel(
        features=model.features,
        terms=model.all_terms,
        parameters=model.all_parameters,
        heads=[Head(heads[0].name, members)],
        whitening=model.whitening,
        total_charge_input=model.total_charge_input,
        environment=model.environment,
        distance=model.distance if heads[0].networks[0] is model.heads.networks[0] else None,
    )
    return exchanged.double().eval()
