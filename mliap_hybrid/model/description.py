"""A model as plain data, for checkpoints and exports, and back: a description and tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.charge_increments import ChargeIncrements
from mliap_hybrid.model.charge_model import ChargeModel
from mliap_hybrid.model.charge_network import ChargeNetwork
from mliap_hybrid.model.charge_shift import ChargeShift
from mliap_hybrid.model.committee import CommitteeNetwork, members_of
from mliap_hybrid.model.direct_forces import ForceNetwork
from mliap_hybrid.model.feature_description import describe_features
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.model_description import (
    DirectForcesDescription,
    ModelDescription,
    MoleculesDescription,
    PredictedChargesDescription,
)
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.tensor_shapes import check_tensors
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.physics.repulsion import ZBLRepulsion


def describe(model: HybridModel) -> tuple[ModelDescription, dict[str, Tensor]]:
    """Take a model apart.

    Returns
    -------
    description : ModelDescription
    tensors : dict of str to Tensor
        Weights of the networks, and of the whitening if there is one.
    """
    symbols = {z: chemical_symbols[z] for z in model.elements}
    charges = {symbols[z]: charge for z, charge in model.charge_table().items()}
    description = ModelDescription(
        features=describe_features(model.features),
        hidden=[] if model.network is None else list(model.network.hidden),
        n_members=len(members_of(model.network)),
        whitened=model.whitening is not None,
        baseline={symbol: float(model.baseline[z]) for z, symbol in symbols.items()},
        repulsion="none" if model.repulsion is None else "zbl",
        charges=charges or None,
        predicted_charges=None if model.charge_model is None else _describe_charges(model.charge_model, symbols),
        total_charge_input=model.total_charge_input,
        smearing=model.smearing,
        direct_forces=(
            None if model.force_network is None else DirectForcesDescription(hidden=list(model.force_network.hidden))
        ),
        molecules=None if model.molecules is None else _describe_molecules(model.molecules.model),
    )
    weights = {} if model.network is None else model.network.state_dict()
    tensors = {f"network.{name}": value.detach().clone() for name, value in weights.items()}
    if model.molecules is not None:
        tensors |= {f"molecules.{name}": value.clone() for name, value in model.molecules.model.arrays().items()}
    if model.charge_model is not None:
        weights = model.charge_model.network.network.state_dict()
        tensors |= {f"charge_network.{name}": value.detach().clone() for name, value in weights.items()}
    if model.force_network is not None:
        weights = model.force_network.state_dict()
        tensors |= {f"force_network.{name}": value.detach().clone() for name, value in weights.items()}
    if model.whitening is not None:
        tensors |= {
            "whitening.mean": model.whitening.mean.detach().clone(),
            "whitening.matrix": model.whitening.matrix.detach().clone(),
        }
    return description, tensors


def build(description: ModelDescription, tensors: Mapping[str, Tensor]) -> HybridModel:
    """Put a model together again, in float64.

    Raises
    ------
    InputError
        If the description asks for an element without a pseudo-density, or the tensors do not fit it.
    """
    features = description.features.build()
    check_tensors(description, features.n_features, tensors)
    whitening = Whitening(tensors["whitening.mean"], tensors["whitening.matrix"]) if description.whitened else None
    n_inputs = features.n_features if whitening is None else whitening.matrix.shape[1]
    n_inputs += description.total_charge_input
    # The random first weights are replaced below; the caller's random state stays as it is.
    with torch.random.fork_rng(devices=[]):
        members = [
            AtomicNetwork(n_inputs, description.hidden, len(features.elements)).double()
            for _ in range(description.n_members)
        ]
        network = None
        if members:
            network = members[0] if len(members) == 1 else CommitteeNetwork(members)
        charge_model = _build_charges(description, n_inputs)
        force_network = _build_forces(description, n_inputs)
    if network is not None:
        network.load_state_dict(_with_prefix(tensors, "network."))
    if charge_model is not None:
        charge_model.network.network.load_state_dict(_with_prefix(tensors, "charge_network."))
    if force_network is not None:
        force_network.load_state_dict(_with_prefix(tensors, "force_network."))
    model = HybridModel(
        features=features,
        whitening=whitening,
        network=network,
        baseline=_by_number(description.baseline),
        repulsion=ZBLRepulsion(description.cutoff) if description.repulsion == "zbl" else None,
        charges=None if description.charges is None else _by_number(description.charges),
        smearing=description.smearing,
        charge_model=charge_model,
        total_charge_input=description.total_charge_input,
        force_network=force_network,
        molecules=_build_molecules(description, tensors),
    )
    return model.double().eval()


def fold_whitening(model: HybridModel) -> HybridModel:
    """The same model with the whitening folded into the first layers and the linear terms, in float64."""
    if model.whitening is None:
        return model
    description, tensors = describe(model)
    folded = {name: tensor for name, tensor in tensors.items() if not name.startswith("whitening.")}
    n_whitened = model.whitening.matrix.shape[1]
    first = ".layers.0.weight"
    networks = [name.removesuffix(first) for name in tensors if name.endswith(first)]
    for network in (name for name in networks if name != "force_network"):
        for layer, constant in (("layers.0.weight", "layers.0.bias"), ("linear", "offset")):
            weight, bias = tensors[f"{network}.{layer}"].double(), tensors[f"{network}.{constant}"].double()
            of_features, bias = model.whitening.fold_into(weight[:, :n_whitened], bias)
            # A last column, if any, belongs to the total charge.
            folded[f"{network}.{layer}"] = torch.cat([of_features, weight[:, n_whitened:]], dim=1)
            folded[f"{network}.{constant}"] = bias
    if model.force_network is not None:
        folded |= _fold_forces(model.force_network, model.whitening)
    return build(description.model_copy(update={"whitened": False}), folded)


def _fold_forces(network: ForceNetwork, whitening: Whitening) -> dict[str, Tensor]:
    """Weights of the force network on bare features: s . dx/dr = (M s) . dF/dr, M the matrix of the whitening."""
    tensors = {name: value.detach().double() for name, value in network.state_dict().items()}
    first, last = "layers.0", f"layers.{len(network.layers) - 1}"
    weight, bias = whitening.fold_into(tensors[f"{first}.weight"], tensors[f"{first}.bias"])
    tensors |= {f"{first}.weight": weight, f"{first}.bias": bias}
    matrix = whitening.matrix.double()  # (n_features, n_kept)
    tensors |= {f"{last}.weight": matrix @ tensors[f"{last}.weight"], f"{last}.bias": matrix @ tensors[f"{last}.bias"]}
    tensors["offset"] = tensors["offset"] @ matrix.T  # (n_elements, n_features)
    return {f"force_network.{name}": value for name, value in tensors.items()}


def _describe_charges(charge_model: ChargeModel, symbols: Mapping[int, str]) -> PredictedChargesDescription:
    def table(values: Tensor) -> dict[str, float]:
        return dict(zip(symbols.values(), values.tolist(), strict=True))

    return PredictedChargesDescription.model_validate(
        {
            "neutrality": charge_model.neutrality,
            "hidden": list(charge_model.network.hidden),
            "largest": charge_model.network.largest,
            "element_charges": table(charge_model.element_charges),
            "typical_charges": table(charge_model.typical_charges),
        }
    )


def _build_charges(description: ModelDescription, n_inputs: int) -> ChargeModel | None:
    """The charge model with random weights."""
    predicted = description.predicted_charges
    if predicted is None:
        return None
    network = ChargeNetwork(n_inputs, predicted.hidden, len(description.elements), predicted.largest).double()
    element_charges, typical_charges = (
        torch.tensor([table[symbol] for symbol in description.elements], dtype=torch.float64)
        for table in (predicted.element_charges, predicted.typical_charges)
    )
    if predicted.neutrality == "shift":
        return ChargeShift(network, element_charges, typical_charges)
    return ChargeIncrements(network, element_charges, typical_charges, cutoff=description.cutoff)


def _build_forces(description: ModelDescription, n_inputs: int) -> ForceNetwork | None:
    """The force network with random weights."""
    if description.direct_forces is None:
        return None
    return ForceNetwork(n_inputs, description.direct_forces.hidden, len(description.elements)).double()


def _describe_molecules(model: GDMLModel) -> MoleculesDescription:
    return MoleculesDescription(
        sigma=model.sigma,
        constant=model.constant,
        n_train=model.n_train,
        n_permutations=len(model.permutations),
        formula=" ".join(chemical_symbols[number] for number in model.numbers.tolist()),
    )


def _build_molecules(description: ModelDescription, tensors: Mapping[str, Tensor]) -> MoleculeTerm | None:
    described = description.molecules
    if described is None:
        return None
    return MoleculeTerm(GDMLModel.restore(described.sigma, described.constant, _with_prefix(tensors, "molecules.")))


def _with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def _by_number(values: Mapping[str, float]) -> dict[int, float]:
    return {atomic_numbers[symbol]: value for symbol, value in values.items()}
