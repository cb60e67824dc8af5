"""What a model says of structures: the container that models fill, and that losses and error tables read."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
    born_charges: Tensor | None = None
    """(n_atoms, 3, 3) float64, e: dM_a/dr_b of the dipole moment; None where not asked for."""
