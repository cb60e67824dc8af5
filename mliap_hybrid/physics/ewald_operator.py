"""The exact long-range sum as a Coulomb operator: what solves for charges where whole structures are in one memory."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.communication import CoulombSolution
from mliap_hybrid.errors import InputError
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.potentials_and_fields import (
    isolated_potentials_and_fields,
    lattice_potentials_and_fields,
)
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
        batch = self.batch
        dipoles = torch.zeros_like(batch.positions) if dipoles is None else dipoles
        potentials, fields = [], []
        for b, atoms in enumerate(torch.arange(batch.n_atoms).split(batch.atoms_per_structure().tolist())):
            n_periodic, here = int(batch.periodic[b].sum()), batch.positions[atoms]
            if n_periodic == 3:
                found = lattice_potentials_and_fields(
                    here, charges[atoms], dipoles[atoms], batch.cells[b], self.smearing
                )
            elif n_periodic == 0:
                found = isolated_potentials_and_fields(here, charges[atoms], dipoles[atoms], self.smearing)
            else:
                raise InputError(f"fields expect structures periodic in 3 or 0 directions, found {n_periodic}")
            potentials.append(found[0])
            fields.append(found[1])
        return torch.cat(potentials), torch.cat(fields)
