"""What solves for the long-range energy of predicted charges in a run: LAMMPS' k-space solver, or the exact sum.

An engine adds the energy, and the forces and virial at fixed charges, to LAMMPS' arrays, and returns the potentials
phi_i = dE/dq_i, from which follows how the energy changes with the charges.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exchange import listed_atoms
from mliap_hybrid.physics.ewald_reciprocal import lattice_sum


class CoulombEngine(ABC):
    """A way to the long-range energy."""

    def __init__(self, smearing: float):
        self.smearing = smearing  # Å

    @abstractmethod
    def solve(self, data: Any, charges: Tensor, energy_unit: float) -> Tensor:
        """Add the energy of the charges of this rank and all others. Collective.

        Parameters
        ----------
        data : object
            The plugin's data object.
        charges : Tensor, shape (n_centres,), e
        energy_unit : float, eV
            LAMMPS' unit of energy.

        Returns
        -------
        Tensor, shape (n_centres,), eV/e
            phi_i.
        """


class KSpaceEngine(CoulombEngine):
    """The `kspace_style` of the input, PPPM for large systems; its real-space part is done by the plugin."""

    def solve(self, data: Any, charges: Tensor, energy_unit: float) -> Tensor:
        """As in `CoulombEngine`."""
        return energy_unit * torch.from_numpy(data.solve_coulomb(charges.numpy()))


class ExactEngine(CoulombEngine):
    """The sum over wave vectors that training uses: exact, at a cost that grows with the square of the system.

    Each rank has the structure factor of its own atoms; their sum over ranks gives potentials and forces to each.
    """

    def solve(self, data: Any, charges: Tensor, energy_unit: float) -> Tensor:
        """As in `CoulombEngine`.

        Raises
        ------
        InputError
            If the box is not periodic in all directions.
        """
        if not all(data.periodic):
            raise InputError("the Coulomb engine 'exact' expects a box that is periodic in all three directions")
        listed = listed_atoms(data)
        positions = torch.from_numpy(data.x[listed] - data.box_origin).reshape(-1, 3)  # (n_centres, 3)
        cell = torch.from_numpy(np.asarray(data.cell))  # (3, 3)

        def sum_over_ranks(values: Tensor) -> Tensor:
            return torch.from_numpy(data.sum_over_ranks(values.numpy()))

        result = lattice_sum(positions[None], charges[None], cell[None], self.smearing, reduce=sum_over_ranks)
        potentials = result.potentials[0]  # (n_centres,)
        share = result.virials[0] / data.comm.size
        of_lammps = (charges, potentials / energy_unit, result.forces[0] / energy_unit, share / energy_unit)
        data.add_coulomb(*(tensor.numpy() for tensor in of_lammps))
        return potentials


COULOMB_ENGINES: dict[str, type[CoulombEngine]] = {"kspace": KSpaceEngine, "exact": ExactEngine}
"""Name in the manifest -> engine."""
