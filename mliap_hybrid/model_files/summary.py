"""What a model is made of, in a line for each part: what `mliap-hybrid info` prints."""

from __future__ import annotations

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.direct_forces import DirectNetwork, ForceNetwork
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.terms.molecules import MoleculesDescription
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.model_description import (
    AnyParameter,
    ConstantDescription,
    ModelDescription,
    PredictedDescription,
)


def summary(model: HybridModel) -> dict[str, str]:
    """Title of each part -> what there is to say of it."""
    description = describe(model)[0]
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
        rows |= _of_head(head, description.predicted(head.name))
    rows |= _of_molecules(description.term("molecules"))
    for parameter in description.parameters[1:]:
        rows |= _of_parameter(parameter, description)
    return rows


def _of_head(head: Head, parameter: PredictedDescription | None) -> dict[str, str]:
    """Networks of a head, and how far they may lead its parameter."""
    network = head.networks[0]
    name = "network" if head.name == "energy" else f"{head.name} network"
    energy = network.energy if isinstance(network, DirectNetwork) else network
    rows = {name: _layers(energy) + ("" if parameter is None else _bound(parameter))}
    if isinstance(network, DirectNetwork):
        rows["forces"] = "direct: not the gradient of the energy, which they do not conserve"
        rows["force network"] = _layers(network.slopes)
    if len(head.networks) > 1:
        rows["committee"] = f"mean of {len(head.networks)} such networks"
    return rows


def _bound(parameter: PredictedDescription) -> str:
    if parameter.bound.kind == "within":
        return f", bound {parameter.bound.largest:g} {parameter.unit}"
    return f", within a factor of {parameter.bound.largest:g}" if parameter.bound.kind == "ratio" else ", positive"


def _layers(network: AtomicNetwork | ForceNetwork) -> str:
    sizes = [network.layers[0].weight.shape[1], *(len(layer.weight) for layer in network.layers)]  # type: ignore[arg-type, index]
    n_weights = sum(parameter.numel() for parameter in network.parameters())
    return f"{'-'.join(map(str, sizes))}, {n_weights} weights"


def _of_molecules(molecules: MoleculesDescription | None) -> dict[str, str]:
    if molecules is None:
        return {}
    return {
        "molecule": f"{molecules.formula}, in this order; {molecules.n_permutations} permutations",
        "kernel": f"Matérn, sigma {molecules.sigma:g} 1/Å, {molecules.n_train} training geometries",
    }


def _of_parameter(parameter: AnyParameter, model: ModelDescription) -> dict[str, str]:
    """A parameter of atoms, such as the charge."""
    name, electrostatics = f"{parameter.name}s", model.term("electrostatics")
    smeared = f"; smearing {electrostatics.smearing:g} Å" if parameter.name == "charge" else ""
    if isinstance(parameter, ConstantDescription):
        return {name: _values(parameter.values, parameter.unit) + smeared}
    how = "predicted" if parameter.neutrality is None else f"predicted, {parameter.neutrality}"
    rows = {
        name: how + smeared,
        f"mean {name}": _values(parameter.typical, parameter.unit),
        f"starting {name}": _values(parameter.start, parameter.unit),
    }
    if parameter.name == "charge":
        rows["total charge"] = "an input of the networks" if model.total_charge_input else "no input"
    return rows


def _values(values: dict[str, float], unit: str) -> str:
    return ", ".join(f"{symbol} {value:+.4f} {unit}" for symbol, value in values.items())
