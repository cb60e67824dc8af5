"""Charges and dipoles of atoms: what they make at each atom, and what energy and forces follow from that.

A dipole mu_j is the limit of two charges, so that it is found by d/dr_j where a charge is found by 1. With the
potential phi that all of them make, and its field E = -grad phi,

    U = 1/2 sum_i [ q_i phi_i - mu_i.E_i ],    dU/dq_i = phi_i,    dU/dmu_i = -E_i,    F_i = q_i E_i + grad(mu_i.E_i),

the last at fixed dipoles, on which E exerts a torque besides. How phi comes about is the matter of two sums,
physics/multipoles_lattice.py and physics/multipoles_isolated.py; both are linear in charges and dipoles, and
differentiable in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


@dataclass(frozen=True)
class AtomicFields:
    """The potential at atoms, and its derivatives."""

    potentials: Tensor
    """(n_atoms,) V: phi."""
    fields: Tensor
    """(n_atoms, 3) V/Å: E_a = -dphi/dr_a."""
    gradients: Tensor
    """(n_atoms, 3, 3) V/Å^2: dE_b/dr_a, symmetric."""


class Multipoles(Protocol):
    """Atoms at fixed places, which charges and dipoles can be given to again and again. Collective on ranks."""

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor) -> tuple[Tensor, Tensor]:
        """What charges and dipoles make at each atom, own Gaussians included.

        Parameters
        ----------
        charges : Tensor, shape (n_atoms,), e
        dipoles : Tensor, shape (n_atoms, 3), e Å

        Returns
        -------
        potentials : Tensor, shape (n_atoms,), V
        fields : Tensor, shape (n_atoms, 3), V/Å
        """

    def atomic_fields(self, charges: Tensor, dipoles: Tensor) -> AtomicFields:
        """The same, with gradients of the fields."""

    def virials(self, charges: Tensor, dipoles: Tensor, forces: Tensor) -> Tensor:
        """-dU/d(strain) at fixed charges and dipoles.

        Not symmetric: the strain does not turn the dipoles. Rows are those of places, columns those of forces.

        Parameters
        ----------
        charges, dipoles
            As above.
        forces : Tensor, shape (n_atoms, 3), eV/Å
            -dU/dr_i.

        Returns
        -------
        Tensor, shape (n_structures, 3, 3), eV
        """


def energies_of(charges: Tensor, dipoles: Tensor, at_atoms: AtomicFields) -> Tensor:
    """1/2 (q phi - mu.E) of each atom (n_atoms,), eV."""
    return 0.5 * (charges * at_atoms.potentials - (dipoles * at_atoms.fields).sum(1))


def forces_on(charges: Tensor, dipoles: Tensor, at_atoms: AtomicFields) -> Tensor:
    """Forces (n_atoms, 3), eV/Å, on charges and dipoles in fields of a fixed potential."""
    return charges[:, None] * at_atoms.fields + (at_atoms.gradients * dipoles[:, None, :]).sum(2)
