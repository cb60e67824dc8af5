"""What solves for the long-range energy of charges in a run: LAMMPS' own styles, its k-space solver, or the exact sum.

With fixed charges LAMMPS adds the energy of point charges by styles of the input, and the model what is different for
smeared ones. With predicted charges the model hands them over in each step and gets the potentials phi_i = dE/dq_i;
energy, forces and virial at fixed charges go to LAMMPS' arrays without passing through the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.communication import CoulombSolution
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.host_arrays import listed_atoms
from mliap_hybrid.physics.coulomb import (
    self_energies,
    smearing_correction_energies,
    smearing_correction_energy_derivatives,
)
from mliap_hybrid.physics.ewald_reciprocal import lattice_sum
from mliap_hybrid.physics.multipoles_lattice import LatticeMultipoles
from mliap_hybrid.structure import Geometry

NO_DIPOLES = "LAMMPS' own solvers know charges alone, but the model has dipoles: export it with `--coulomb exact`"


class _ChargesAlone:
    """What solvers of LAMMPS cannot give."""

    def multipoles(self) -> LatticeMultipoles:
        """Not to be had.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(NO_DIPOLES)

    def hand_over(self, charges: Tensor, forces: Tensor, virials: Tensor) -> tuple[None, None]:
        """Never called, since there are no multipoles."""
        raise InputError(NO_DIPOLES)


class SmearingCorrection(_ChargesAlone):
    """What smeared charges have more than the point charges that LAMMPS' styles add (physics/coulomb.py)."""

    def __init__(self, geometry: Geometry, charges: Tensor, smearing: float):
        """Take the pairs of a rank.

        Parameters
        ----------
        geometry : Geometry
            Full list of pairs up to a cutoff of at least 5.5 sigma, where erfc has died out.
        charges : Tensor, shape (n_elements_of_the_periodic_table + 1,), e
            By atomic number: those of neighbours need no exchange.
        smearing : float, Å
        """
        self._geometry = geometry
        self._smearing = smearing
        self._charges = charges

    def solve(self, charges: Tensor) -> CoulombSolution:
        """Energies of the centres, and derivatives by the distances, with these charges (n_centres,), e."""
        geometry, distances = self._geometry, self._geometry.distances  # (n_pairs,)
        products = charges.index_select(0, geometry.pair_i) * self._charges.index_select(0, geometry.neighbour_numbers)
        of_pairs = smearing_correction_energies(distances, products, self._smearing)  # (n_pairs,)
        return CoulombSolution(
            energies=self_energies(charges, self._smearing).index_add(0, geometry.pair_i, of_pairs),
            potentials=None,
            distance_derivatives=smearing_correction_energy_derivatives(distances, products, self._smearing),
        )

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Not to be had: the styles of the input keep them.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "a term of the model asks for Coulomb potentials, which LAMMPS' own pair and k-space styles do not hand "
            "over: expected charges that the model predicts"
        )


class KSpaceSolver(_ChargesAlone):
    """The `kspace_style` of the input, PPPM for large systems; its real-space part is done by the plugin."""

    def __init__(self, data: Any, energy_unit: float):
        """Serve one step.

        Parameters
        ----------
        data : object
            The plugin's data object.
        energy_unit : float, eV
            LAMMPS' unit of energy.
        """
        self._data = data
        self._unit = energy_unit

    def solve(self, charges: Tensor) -> CoulombSolution:
        """Potentials at the centres with these charges (n_centres,), e. Collective."""
        potentials = self._unit * torch.from_numpy(self._data.solve_coulomb(charges.numpy()))  # (n_centres,)
        return CoulombSolution(torch.zeros_like(potentials), potentials)

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Not to be had: LAMMPS' k-space solvers hand over potentials alone.

        Raises
        ------
        InputError
            Always.
        """
        raise InputError(
            "a term of the model asks for electric fields, which LAMMPS' k-space solvers do not hand over: export the "
            "model with `--coulomb exact`"
        )


class ExactSum:
    """The sum over wave vectors that training uses: exact, at a cost that grows with the square of the system.

    Each rank has the structure factor of its own atoms; their sum over ranks gives potentials and forces to each.
    """

    def __init__(self, data: Any, energy_unit: float, smearing: float):
        """Serve one step.

        Parameters
        ----------
        data : object
            With `add_coulomb`.
        energy_unit : float, eV
            LAMMPS' unit of energy.
        smearing : float, Å

        Raises
        ------
        InputError
            If the box is not periodic in all directions.
        """
        if not all(data.periodic):
            raise InputError("the Coulomb engine 'exact' expects a box that is periodic in all three directions")
        self._data = data
        self._unit = energy_unit
        self._smearing = smearing

    def solve(self, charges: Tensor) -> CoulombSolution:
        """Potentials at the centres with these charges (n_centres,), e. Collective."""
        positions, cell = self._positions_and_cell()
        result = lattice_sum(positions[None], charges[None], cell[None], self._smearing, reduce=self._sum_over_ranks)
        potentials = result.potentials[0]  # (n_centres,)
        share = result.virials[0] / self._data.comm.size
        of_lammps = (charges, potentials / self._unit, result.forces[0] / self._unit, share / self._unit)
        self._data.add_coulomb(*(tensor.numpy() for tensor in of_lammps))
        return CoulombSolution(torch.zeros_like(potentials), potentials)

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """As in `CoulombOperator`. Collective."""
        multipoles = self.multipoles()
        dipoles = charges.new_zeros(len(charges), 3) if dipoles is None else dipoles
        return multipoles.potentials_and_fields(charges, dipoles)

    def multipoles(self) -> LatticeMultipoles:
        """As in `CoulombOperator`. Collective."""
        return LatticeMultipoles(*self._positions_and_cell(), self._smearing, self._sum_over_ranks)

    def hand_over(self, charges: Tensor, forces: Tensor, virials: Tensor) -> tuple[None, None]:
        """As in `CoulombOperator`: LAMMPS takes all of it. Collective."""
        no_energy = torch.zeros_like(charges)
        share = virials[0] / self._data.comm.size
        of_lammps = (charges, no_energy, forces / self._unit, share / self._unit)
        self._data.add_coulomb(*(tensor.numpy() for tensor in of_lammps))
        return None, None

    def _positions_and_cell(self) -> tuple[Tensor, Tensor]:
        """(n_centres, 3) from the lower corner of the box, and (3, 3), Å."""
        data = self._data
        positions = torch.from_numpy(data.x[listed_atoms(data)] - data.box_origin).reshape(-1, 3)
        return positions, torch.from_numpy(np.asarray(data.cell))

    def _sum_over_ranks(self, values: Tensor) -> Tensor:
        return torch.from_numpy(self._data.sum_over_ranks(values.numpy()))
