"""A device that is none: its tensors lie in the processor's memory, but nothing may treat them as if they did.

Tests of code that has to run on any device use it where there is no other: results are real numbers, and whatever mixes
tensors of two devices, reads foreign memory or makes a tensor in the wrong place raises an error, as on a GPU.

It cannot stand for a GPU in what torch does below its operations: kernels with other rounding, sums by atomics whose
order changes, operations that a device lacks, single precision in place of double, streams and what is not yet
finished, `foreach` and fused optimisers (torch takes them on GPUs alone), tensors in files, or memory that is short. It
is stricter in one thing: indices that lie on the processor are refused, which a GPU takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

DEVICE = torch.device("lazy:0")
"""What the device is called: one that torch has a name for, and this package no other use."""

CPU = torch.device("cpu")

CROSSING = {"aten::_to_copy", "aten::copy_"}
"""Operations that take tensors of two devices."""


class PretendTensor(torch.Tensor):
    """A tensor that says it is on the device."""

    here: Tensor
    """The numbers."""

    @staticmethod
    def __new__(cls, here: Tensor) -> PretendTensor:
        """Wrap a tensor of the processor."""
        made = torch.Tensor._make_wrapper_subclass(
            cls, here.size(), strides=here.stride(), dtype=here.dtype, device=DEVICE
        )
        made.here = here
        return made

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Outside the context: the same."""
        return _call(function, args, kwargs or {})

    def new_tensor(self, data: Any, *, dtype: torch.dtype | None = None, device: Any = None) -> Tensor:  # type: ignore[override]
        """A tensor of Python's numbers, here if nothing else is said."""
        return torch.tensor(data, dtype=dtype or self.dtype, device=device or self.device)

    def tolist(self) -> Any:
        """Numbers, which anybody may read."""
        return self.cpu().tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """No."""
        raise TypeError("expected a tensor on the processor for numpy, found one on the device")

    def data_ptr(self) -> int:
        """No."""
        raise TypeError("expected a tensor on the processor for its address, found one on the device")


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _call(function, args, kwargs or {})


def _from_numbers(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The function that makes a tensor of Python's numbers, which torch does without asking the mode above."""

    def make_there(numbers: Any, *, device: Any = None, **options: Any) -> Tensor:
        return make(numbers, **options) if device is None else make(numbers, **options).to(device)

    return make_there


@contextmanager
def pretend_device() -> Iterator[torch.device]:
    """Within this, the device exists: `tensor.to(device)` and `torch.zeros(3, device=device)` work."""
    of_numbers: Any = {name: _from_numbers(getattr(torch, name)) for name in ("tensor", "as_tensor")}
    with patch.multiple(torch, **of_numbers), _Operations():
        yield DEVICE


def _call(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name, tensors = function._schema.name, list(_tensors([*args, *kwargs.values()]))
    foreign = [tensor for tensor in tensors if not isinstance(tensor, PretendTensor)]
    is_there = len(foreign) < len(tensors)
    if is_there and torch.Tag.pointwise in function.tags:  # numbers (no axes) of the processor may stand beside tensors
        foreign = [tensor for tensor in foreign if tensor.ndim > 0]
    if is_there and foreign and name not in CROSSING:
        shapes = [tuple(tensor.shape) for tensor in foreign]
        raise RuntimeError(f"{name} got tensors of the device and, with shapes {shapes}, of the processor")
    plain = {key: _each(value, _numbers) for key, value in kwargs.items()}
    if kwargs.get("device") is not None:
        is_there, plain["device"] = torch.device(kwargs["device"]).type == DEVICE.type, CPU
    if name == "aten::_efficientzerotensor":  # zeros without memory, which no wrapper can hold
        function = torch.ops.aten.zeros.default
    result = function(*_each(args, _numbers), **plain)
    if name.endswith("_") and not name.endswith("__"):  # in place
        return args[0] if function._schema.returns else None
    return _each(result, PretendTensor) if is_there else result


def _tensors(values: Any) -> Iterator[Tensor]:
    """All tensors among arguments and in lists of them."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


def _each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A value with all its tensors changed."""
    if isinstance(value, Tensor):
        return change(value)
    return type(value)(_each(part, change) for part in value) if isinstance(value, list | tuple) else value


def _numbers(tensor: Tensor) -> Tensor:
    """The same where it can be computed with."""
    return tensor.here if isinstance(tensor, PretendTensor) else tensor
