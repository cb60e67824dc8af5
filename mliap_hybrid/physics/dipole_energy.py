"""What Gaussian dipoles add to the energy of Gaussian charges, at fixed dipoles.

    W(q, d) - W(q, 0) - sum_i self_i d_i^2 / 2

with W of multipoles.py and self_i what a Gaussian dipole has with itself (induction.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.multipoles import AtomicFields, Multipoles, forces_on
from mliap_hybrid.physics.induction import own_field


@dataclass(frozen=True)
class DipoleEnergy:
    """The energy and its first derivatives, linear or quadratic in charges and dipoles, whose graph they carry."""

    energies: Tensor
    """(n_atoms,) eV."""
    by_charges: Tensor
    """(n_atoms,) V."""
    by_dipoles: Tensor
    """(n_atoms, 3) V/Å."""
    forces: Tensor
    """(n_atoms, 3) eV/Å: -d/dr_i at fixed dipoles."""
    virials: Tensor
    """(n_structures, 3, 3) eV: -d/d(strain) at fixed dipoles; not symmetric (`Multipoles.virials`)."""


def dipole_energy(charges: Tensor, dipoles: Tensor, multipoles: Multipoles, smearing: float) -> DipoleEnergy:
    """Energy of dipoles in the field of charges and of each other. Collective.

    Parameters
    ----------
    charges : Tensor, shape (n_atoms,), e
    dipoles : Tensor, shape (n_atoms, 3), e Å
    multipoles : Multipoles
        The atoms.
    smearing : float, Å
        Theirs.
    """
    no_charges, no_dipoles = torch.zeros_like(charges), torch.zeros_like(dipoles)
    of_charges = multipoles.atomic_fields(charges, no_dipoles)
    of_dipoles = multipoles.atomic_fields(no_charges, dipoles)
    of_others = of_dipoles.fields + own_field(smearing) * dipoles  # (n_atoms, 3)
    both = of_charges.gradients + of_dipoles.gradients  # (n_atoms, 3, 3)
    forces = forces_on(charges, dipoles, AtomicFields(of_dipoles.potentials, of_dipoles.fields, both))
    alone = charges[:, None] * of_charges.fields  # (n_atoms, 3): forces of charges on each other
    virials = multipoles.virials(charges, dipoles, forces + alone) - multipoles.virials(charges, no_dipoles, alone)
    return DipoleEnergy(
        energies=-(dipoles * (of_charges.fields + 0.5 * of_others)).sum(1),
        by_charges=of_dipoles.potentials,
        by_dipoles=-(of_charges.fields + of_others),
        forces=forces,
        virials=virials,
    )
