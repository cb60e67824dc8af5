"""What a model says of structures: the container that models fill, and that losses and error tables read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from mliap_hybrid.quantities import Quantity


@dataclass(frozen=True)
class Prediction:
    """What a model says of a batch."""

    energies: Tensor
    """(n_structures,) float64, eV."""
    forces: Tensor
    """(n_atoms, 3) float64, eV/Å."""
    virials: Tensor
    """(n_structures, 3, 3) float64, eV: -dE/d(strain)."""
    charges: Tensor | None = None
    """(n_atoms,) float64, e; None without a long-range term."""
    potentials: Tensor | None = None
    """(n_atoms,) float64, V: derivative of the long-range energy by each charge; None without a long-range term."""
    others: Mapping[str, Tensor] = field(default_factory=dict)
    """Name of another quantity -> what was asked for of those that the model gives, float64."""

    def values_of(self, quantity: Quantity) -> Tensor | None:
        """Values of a quantity, (n_structures, ...) or (n_atoms, ...); None where the model does not give it."""
        return self.others.get(quantity.name) if quantity.field is None else getattr(self, quantity.field)
