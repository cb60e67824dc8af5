"""Names and shapes of the tensors that belong to a description: a model is built of these and of no others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.direct_forces import ForceNetwork
from mliap_hybrid.model.model_description import ModelDescription

Shapes = dict[str, tuple[int, ...]]


def check_tensors(description: ModelDescription, n_features: int, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are missing, unknown or of another shape; nothing is allocated.

    Those of molecules are left to `GDMLModel`, which knows what belongs together.

    Parameters
    ----------
    description : ModelDescription
    n_features : int
        Of the described features.
    tensors : mapping of str to Tensor

    Raises
    ------
    InputError
        With the first tensor that does not fit.
    """
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not name.startswith("molecules.")}
    if description.molecules is None and len(found) < len(tensors):
        raise InputError("the weights hold tensors of molecules, which the description of the model has not")
    parts = (description, description.predicted_charges, description.direct_forces)
    layers = [part.hidden for part in parts if part is not None]
    if description.n_members > len(tensors) or max(map(len, layers)) > len(tensors):
        raise InputError(f"the model has {len(tensors)} tensors, fewer than its description has networks or layers")
    expected = _expected(description, n_features, found)
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise InputError(f"the tensor '{name}' of the model is missing")
        if name not in expected:
            raise InputError(f"the model has a tensor '{name}' that does not belong to it")
        if found[name] != expected[name]:
            raise InputError(f"the tensor '{name}' of the model has shape {found[name]}, expected {expected[name]}")


def _expected(description: ModelDescription, n_features: int, found: Shapes) -> Shapes:
    expected: Shapes = {}
    n_inputs, n_elements = n_features, len(description.elements)
    if description.whitened:
        matrix = found.get("whitening.matrix", (n_features, n_features))
        n_inputs = min(matrix[-1], n_features) if matrix else n_features  # components that were kept
        expected |= {"whitening.mean": (n_features,), "whitening.matrix": (n_features, n_inputs)}
    n_inputs += description.total_charge_input
    with torch.device("meta"):
        if description.n_members > 0:
            network = _shapes(AtomicNetwork(n_inputs, description.hidden, n_elements))
            names = [f"members.{member}." for member in range(description.n_members)]
            for member in names if len(names) > 1 else [""]:
                expected |= {f"network.{member}{name}": shape for name, shape in network.items()}
        if description.predicted_charges is not None:
            shapes = _shapes(AtomicNetwork(n_inputs, description.predicted_charges.hidden, n_elements))
            expected |= {f"charge_network.{name}": shape for name, shape in shapes.items()}
        if description.direct_forces is not None:
            shapes = _shapes(ForceNetwork(n_inputs, description.direct_forces.hidden, n_elements))
            expected |= {f"force_network.{name}": shape for name, shape in shapes.items()}
    return expected


def _shapes(network: torch.nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
