"""What a model is made of, in a line for each part: what `mliap-hybrid info` prints."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mliap_hybrid.model.bounds import BoundDescription
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.term import TermDescription
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.model_description import ModelDescription


def summary(model: HybridModel) -> dict[str, str]:
    """Title of each part -> what there is to say of it."""
    description = describe(model)[0]
    terms: Sequence[TermDescription] = description.terms
    baseline = description.constants("baseline") or {}
    rows = {
        "elements": " ".join(description.elements),
        "energy": " + ".join(description.titles()),
        "cutoff": f"{description.cutoff:g} Å",
        "E0": ", ".join(f"{symbol} {energy:.4f} eV" for symbol, energy in baseline.items()),
    }
    if len(model.heads):
        rows["features"] = f"{model.features.n_features} ({description.features.summary})"
    for head in model.heads:
        rows |= _of_head(head, description)
    for term in terms:
        rows |= term.rows()
    for parameter in description.parameters[1:]:
        rows |= parameter.rows()
    for term in terms:
        rows |= {title: f"{rows[title]}; {remark}" for title, remark in term.remarks().items()}
    if description.distance is not None:
        limits = description.distance
        rows["distance"] = f"to the training set: caution {limits.caution:.3g}, outside {limits.outside:.3g}"
    if model.total_charge_input:
        rows["total charge"] = "an input of the networks"
    return rows


def _of_head(head: Head, description: ModelDescription) -> dict[str, str]:
    """Networks of a head, and how far they may lead its parameter."""
    prefix = "" if head.name == "energy" else f"{head.name} "
    rows = {f"{prefix}{part}": _layers(network) for part, network in head.networks[0].parts().items()}
    parameter = description.predicted(head.name)
    if parameter is not None:
        rows[f"{prefix}network"] += _bound(parameter.bound, parameter.unit)
    if not head.is_conservative:
        rows["forces"] = "direct: not the gradient of the energy, which they do not conserve"
    if len(head.networks) > 1:
        rows["committee"] = f"mean of {len(head.networks)} such networks"
    return rows


def _bound(bound: BoundDescription, unit: str) -> str:
    if bound.kind == "within":
        return f", bound {bound.largest:g} {unit}"
    return f", within a factor of {bound.largest:g}" if bound.kind == "ratio" else ", positive"


def _layers(network: torch.nn.Module) -> str:
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    return f"{network.sizes}, {n_weights} weights"
