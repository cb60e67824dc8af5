"""A uniform electric field in a run: the keyword `field` of the pair style."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.uniform_field import FieldAction, UniformField


@dataclass(frozen=True)
class RunField(UniformField):
    """The field at the listed atoms of a rank in one step."""

    data: Any
    """The plugin's data object."""

    def act(self, charges: Tensor, moments: Tensor) -> FieldAction:
        """As in `UniformField`: LAMMPS takes all of it."""
        self.data.add_field(charges.numpy(), moments.numpy())
        return FieldAction(torch.zeros_like(charges))


def field_of_run(data: Any, sums: Callable[[Tensor], Tensor]) -> RunField | None:
    """The field that a run asks for; None if it does not.

    Parameters
    ----------
    data : object
        LAMMPS' data object.
    sums : callable
        As in `UniformField`.
    """
    vector = getattr(data, "electric_field", None)
    if vector is None:
        return None
    places = torch.from_numpy(data.places)  # (n_centres, 3)
    return RunField(torch.from_numpy(vector).expand(len(places), 3), places, sums, data)
