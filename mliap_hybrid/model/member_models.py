"""From trained models to their committee, and back."""

from __future__ import annotations

from collections.abc import Sequence

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.committee import CommitteeNetwork, members_of
from mliap_hybrid.model.hybrid import HybridModel


def committee_model(models: Sequence[HybridModel]) -> HybridModel:
    """The model whose energy is the mean of models that differ in their networks alone.

    Parameters
    ----------
    models : sequence of HybridModel
        Of one training: features, whitening and all explicit terms of the first are taken for those of all. Charges are
        fixed, or there are none, and forces are the gradient of the energy.

    Returns
    -------
    HybridModel
    """
    return _with_network(models[0], CommitteeNetwork([net for model in models for net in members_of(model.network)]))


def member_models(model: HybridModel) -> list[HybridModel]:
    """A model of each member of a committee; the model itself if it is none."""
    members = members_of(model.network)
    return [model] if len(members) < 2 else [_with_network(model, member) for member in members]


def _with_network(model: HybridModel, network: AtomicNetwork | CommitteeNetwork) -> HybridModel:
    if model.charge_model is not None or model.force_network is not None:
        raise ValueError("expected models without predicted charges and direct forces")
    exchanged = HybridModel(
        features=model.features,
        whitening=model.whitening,
        network=network,
        baseline={z: float(model.baseline[z]) for z in model.elements},
        repulsion=model.repulsion,
        charges=model.charge_table() or None,
        smearing=model.smearing,
        total_charge_input=model.total_charge_input,
        molecules=model.molecules,
    )
    return exchanged.double().eval()
