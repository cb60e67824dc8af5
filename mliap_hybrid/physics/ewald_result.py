"""What every part of the long-range term returns."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class GaussianChargeResult:
    """Energy of smeared charges and all its first derivatives."""

    energies: Tensor
    """(n_structures,) float64, eV."""
    potentials: Tensor
    """(n_atoms,) float64, V: phi_i = dE/dq_i at fixed positions."""
    forces: Tensor
    """(n_atoms, 3) float64, eV/Å: -dE/dr_i at fixed charges."""
    virials: Tensor
    """(n_structures, 3, 3) float64, eV: -dE/d(strain) at fixed charges."""

    @classmethod
    def zeros(cls, batch: Batch) -> GaussianChargeResult:
        """Zeros in the shapes of a batch."""
        return cls(
            energies=batch.positions.new_zeros(batch.n_structures),
            potentials=batch.positions.new_zeros(batch.n_atoms),
            forces=torch.zeros_like(batch.positions),
            virials=torch.zeros_like(batch.cells),
        )

    def add_(self, part: GaussianChargeResult, structures: Tensor, atoms: Tensor) -> None:
        """Add, in place, a result of some structures (indices, ascending) and their atoms (indices)."""
        self.energies.index_add_(0, structures, part.energies)
        self.potentials.index_add_(0, atoms, part.potentials)
        self.forces.index_add_(0, atoms, part.forces)
        self.virials.index_add_(0, structures, part.virials)
