"""What a term may ask of other atoms: values of neighbours, sums over structures, and the Coulomb energy.

`Serial` answers for whole structures that lie in one memory; `lammps/run_communication.py` for one structure that is
divided between processors. A term that asks nothing else runs in training, in ASE and on any number of ranks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from mliap_hybrid.multipoles import Multipoles


@dataclass(frozen=True)
class CoulombSolution:
    """Energy of charges, and its derivatives at fixed charges as far as they have not been handed over elsewhere."""

    energies: Tensor
    """(n_centres,) eV: of each atom, half of its charge times its potential."""
    potentials: Tensor | None
    """(n_centres,) V: phi_i = dE/dq_i at fixed positions; None where charges do not change."""
    forces: Tensor | None = None
    """(n_centres, 3) eV/Å: -dE/dr_i."""
    virials: Tensor | None = None
    """(n_structures, 3, 3) eV: -dE/d(strain)."""
    distance_derivatives: Tensor | None = None
    """(n_pairs,) eV/Å: dE/dr along each pair, where the energy is one of pairs."""


class CoulombOperator(Protocol):
    """Solves for the long-range energy of all atoms of the structures. Collective: every rank makes the same calls."""

    def solve(self, charges: Tensor) -> CoulombSolution:
        """Energy of the charges (n_centres,), e, and its derivatives."""

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """What charges and dipoles make at each centre.

        Parameters
        ----------
        charges : Tensor, shape (n_centres,), e
        dipoles : Tensor, shape (n_centres, 3), e Å, optional

        Returns
        -------
        potentials : Tensor, shape (n_centres,), V
        fields : Tensor, shape (n_centres, 3), V/Å
            Minus the gradient of the potential.
        """

    def multipoles(self) -> Multipoles:
        """The centres, to be given charges and dipoles of this width several times."""

    def hand_over(self, charges: Tensor, forces: Tensor, virials: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """What a term has found for itself by `multipoles`; what is left of it to be added up with other terms.

        Parameters
        ----------
        charges : Tensor, shape (n_centres,), e
            Those of the structure, whoever has their energy.
        forces : Tensor, shape (n_centres, 3), eV/Å
        virials : Tensor, shape (n_structures, 3, 3), eV
            Of whole structures.

        Returns
        -------
        forces, virials : Tensor or None
        """


class Communication(Protocol):
    """The way to other atoms. What it returns is differentiable, with the exchange in reverse as its adjoint."""

    @property
    def total_charges(self) -> Tensor:
        """(n_structures,) e: total charge of each structure; on a rank there is one."""

    def to_neighbours(self, values: Tensor) -> Tensor:
        """Values (n_centres, ...) of the centres -> those (n_pairs, ...) of the neighbour j of each pair."""

    def sum(self, values: Tensor) -> Tensor:
        """Values (n_centres, ...) -> their sums (n_structures, ...), over the atoms of all ranks."""

    def to_centres(self, values: Tensor) -> Tensor:
        """Values (n_structures, ...) of structures -> those (n_centres, ...) of the structure of each centre."""

    def coulomb(self, geometry: Any, smearing: float) -> CoulombOperator | None:
        """What solves for Gaussian charges of a width in Å at the centres of the geometry that this belongs to.

        None where nobody does and the exact sum is to be taken.
        """


@dataclass(frozen=True)
class Serial:
    """Whole structures in one memory: every atom is a centre."""

    pair_j: Tensor
    """(n_pairs,) int64: neighbour of each pair, among the centres."""
    structure_of_atom: Tensor
    """(n_centres,) int64."""
    total_charges: Tensor
    """(n_structures,) e."""

    def to_neighbours(self, values: Tensor) -> Tensor:
        """As in `Communication`."""
        return values.index_select(0, self.pair_j)

    def sum(self, values: Tensor) -> Tensor:
        """As in `Communication`."""
        sums = values.new_zeros((len(self.total_charges), *values.shape[1:]))
        return sums.index_add(0, self.structure_of_atom, values)

    def to_centres(self, values: Tensor) -> Tensor:
        """As in `Communication`."""
        return values.index_select(0, self.structure_of_atom)

    def coulomb(self, geometry: Any, smearing: float) -> None:
        """None: the structures are here, so that the exact sum can be taken."""
        return None


def mean_over_structures(values: Tensor, communication: Communication, totals: Tensor) -> Tensor:
    """(total - sum of the values) / N, with the totals (n_structures,), for the structure of each centre.

    Parameters
    ----------
    values : Tensor, shape (n_centres,)
    communication : Communication
    totals : Tensor, shape (n_structures,)

    Returns
    -------
    Tensor, shape (n_centres,)
    """
    found, counts = communication.sum(torch.stack([values, torch.ones_like(values)], dim=1)).unbind(1)
    return communication.to_centres((totals.to(values.dtype) - found) / counts.clamp(min=1.0))
