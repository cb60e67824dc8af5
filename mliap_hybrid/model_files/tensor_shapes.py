"""Names and shapes of the tensors that belong to a description: a model is built of these and of no others."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model_files.head_factory import make_head
from mliap_hybrid.model_files.model_description import HeadDescription, ModelDescription
from mliap_hybrid.model_files.tensor_names import tensor_prefix

Shapes = dict[str, tuple[int, ...]]


def check_tensors(description: ModelDescription, n_features: int, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that are missing, unknown or of another shape; nothing is allocated.

    Arrays of terms are left to these, which know what belongs together.

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
    of_terms = tuple(f"{term.kind}." for term in description.terms if term.has_arrays)
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items() if not name.startswith(of_terms)}
    networks = sum(head.n_members for head in description.heads)
    layers = max(
        (len(sizes) for head in description.heads for sizes in (head.hidden, head.direct_hidden or [])), default=0
    )
    if networks > len(tensors) or layers > len(tensors):
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
    energy = description.head("energy")
    if description.distance is not None and energy is not None:
        n_hidden = energy.hidden[-1]
        expected |= {"distance.map": (n_elements, n_hidden, n_hidden), "distance.shift": (n_elements, n_hidden)}
    with torch.device("meta"):
        for head in description.heads:
            expected |= _of_head(head, n_inputs, int(description.total_charge_input), n_elements)
    return expected


def _of_head(head: HeadDescription, n_features: int, n_others: int, n_elements: int) -> Shapes:
    one = make_head(head.model_copy(update={"n_members": 1}), n_features, n_others, n_elements).networks[0]
    return {
        f"{tensor_prefix(head.name, head.n_members, number, part)}.{name}": shape
        for number in range(head.n_members)
        for part, network in one.parts().items()
        for name, shape in _shapes(network).items()
    }


def _shapes(network: torch.nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}
