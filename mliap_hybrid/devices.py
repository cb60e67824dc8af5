"""Where a training computes: the processor, or another device that torch knows; and tensors on their way there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError, quoted

Container = TypeVar("Container")


def device_of_training(name: str, rank: int = 0) -> torch.device:
    """The device of a name; of processes that share one name without a number, each takes the next graphics card.

    Parameters
    ----------
    name : str
        As torch has it: cpu, cuda, cuda:1, ...
    rank : int
        Index of this process.

    Raises
    ------
    InputError
        If torch does not have it here, or it has no double precision.
    """
    n_cards = torch.cuda.device_count()
    found = ", ".join(["cpu", *(f"cuda:{card}" for card in range(n_cards))])
    advice = f"expected one of {found}, which are here: set `device: cpu`, or another one of them"
    try:
        device = torch.device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", rank % max(1, n_cards))
        torch.ones(1, device=device).sum().item()
    except (RuntimeError, AssertionError) as error:  # what torch raises is not documented
        raise InputError(f"device: torch cannot compute on '{quoted(name)}' ({quoted(error)}): {advice}") from None
    try:
        torch.ones(1, dtype=torch.float64, device=device).sum().item()
    except (RuntimeError, TypeError):
        raise InputError(f"device: '{name}' has no double precision, which a training needs: {advice}") from None
    return device


def on_device(container: Container, device: torch.device | str) -> Container:
    """A container with all its tensors on a device; those that are there already are shared.

    Parameters
    ----------
    container : Tensor, dataclass, mapping, list or tuple
        Or anything else, which stays as it is. What it holds may be containers, too.
    device : torch.device or str

    Returns
    -------
    The same kind of container; a mapping becomes a dict.
    """
    return _moved(container, torch.device(device))


def _moved(value: Any, device: torch.device) -> Any:
    if isinstance(value, Tensor):
        return value.to(device)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _moved(getattr(value, f.name), device) for f in fields(value)})
    if isinstance(value, Mapping):
        return {name: _moved(part, device) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_moved(part, device) for part in value)
    return value
