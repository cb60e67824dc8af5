"""The tensors of a model file, of the kinds of numbers that a model has."""

from __future__ import annotations

import safetensors.torch
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model_files.safe_records import in_brief

FLOATS = (torch.float64, torch.float32)
"""Numbers of the tensors of a model."""

KINDS = {"molecules.numbers": (torch.int64,), "molecules.permutations": (torch.int64,)} | {
    f"molecules.{name}": (torch.float64,) for name in ("descriptors", "weights", "energy_weights", "cell")
}
"""Numbers of those that are not any of these."""


def decode_tensors(record: bytes, source: str) -> dict[str, Tensor]:
    """The tensors of a safetensors record, whose numbers are all finite.

    Raises
    ------
    InputError
        If the record is damaged, or a tensor has another kind of numbers than a model's.
    """
    try:
        tensors = safetensors.torch.load(record)
    except Exception as error:  # the library has one kind for the header, and Python's own for the rest
        raise InputError(f"{source}: the weights are damaged ({in_brief(error)}); export the model again") from None
    for name, tensor in tensors.items():
        expected = KINDS.get(name, FLOATS)
        if tensor.dtype not in expected:
            raise InputError(
                f"{source}: the tensor '{name}' is of {tensor.dtype}, expected {expected[0]}; export the model again"
            )
        if not tensor.isfinite().all():
            raise InputError(f"{source}: the tensor '{name}' has numbers that are not finite; train the model again")
    return tensors
