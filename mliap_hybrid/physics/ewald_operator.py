"""The exact long-range sum as a Coulomb operator: what solves for charges where whole structures are in one memory."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.communication import CoulombSolution
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.multipoles_batch import BatchMultipoles
from mliap_hybrid.structure import Batch


class EwaldSum:
    """Gaussian charges in the structures of a batch."""

    def __init__(self, batch: Batch, smearing: float):
        """Take the structures.

        Parameters
        ----------
        batch : Batch
        smearing : float, Å
        """
        self.batch = batch
        self.smearing = smearing

    def solve(self, charges: Tensor) -> CoulombSolution:
        """Energy of the charges (n_atoms,), e, and all its first derivatives; carries no graph.

        Raises
        ------
        InputError
            If a structure is periodic in one direction.
        """
        result = gaussian_charge_energy(self.batch, charges.detach(), self.smearing)
        energies = 0.5 * charges.detach() * result.potentials  # (n_atoms,): the energy is quadratic in the charges
        return CoulombSolution(energies, result.potentials, result.forces, result.virials)

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As in `CoulombOperator`; differentiable in charges and dipoles.

        Raises
        ------
        InputError
            If a structure is periodic in one or two directions.
        """
        dipoles = torch.zeros_like(self.batch.positions) if dipoles is None else dipoles
        return self.multipoles().potentials_and_fields(charges, dipoles)

    def multipoles(self) -> BatchMultipoles:
        """As in `CoulombOperator`.

        Raises
        ------
        InputError
            If a structure is periodic in one or two directions.
        """
        batch = self.batch
        counts = batch.atoms_per_structure()
        return BatchMultipoles(batch.positions, batch.cells, batch.periodic, counts, self.smearing)

    def hand_over(self, charges: Tensor, forces: Tensor, virials: Tensor) -> tuple[Tensor, Tensor]:
        """As in `CoulombOperator`: nobody takes them here."""
        return forces, virials
