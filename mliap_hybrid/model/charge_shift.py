"""Charges with the right sum by one shift of all atoms.

    q_i = raw_i + (Q - sum_k raw_k) / N,      raw_i = q0(Z_i) + c_i

c_i from the charge network. With the potentials phi_i = dE/dq_i, dE/draw_i = phi_i - mean(phi). The shift is the same
for near and far atoms: two systems in one box share it, which `increments` avoid.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.charge_model import ChargedAtoms, ChargeModel, rigid_charges, spread_over_pairs


class ChargeShift(ChargeModel):
    """Raw charges moved by one number for each structure."""

    neutrality = "shift"

    def raw_of(self, moves: Tensor, rows: Tensor) -> Tensor:
        """Charges (n_atoms,), e, whose sum may be wrong: those of the elements, moved."""
        return self.element_charges[rows] + moves

    def charges(self, raw: Tensor, atoms: ChargedAtoms) -> Tensor:
        """q_i (n_atoms,), e."""
        return raw + _mean_over_structures(raw, atoms, atoms.total_charges.to(raw.dtype))

    def response(self, potentials: Tensor, atoms: ChargedAtoms) -> Tensor:
        """phi_i - mean(phi) (n_atoms,), eV/e."""
        return potentials + _mean_over_structures(potentials, atoms, torch.zeros_like(atoms.total_charges))

    def pair_gradients(self, raw: Tensor, potentials: Tensor, atoms: ChargedAtoms) -> None:
        """None: at fixed raw charges the charges do not move."""
        return None

    def born_charges(
        self, raw: Tensor, charges: Tensor, slopes: Tensor, atoms: ChargedAtoms, positions: Tensor, periodic: Tensor
    ) -> Tensor:
        """Z* (n_atoms, 3, 3), e; arguments as in `ChargeModel`.

        The dipole moment of a molecule is sum_k raw_k (r_k - centre) + Q centre. In a periodic structure the evenly
        spread shift has no moment, and raw charges that change count from the atom that moves.
        """
        counts = torch.bincount(atoms.structure_of_atom, minlength=len(periodic)).to(positions.dtype)
        centres = positions.new_zeros((len(periodic), 3)).index_add(0, atoms.structure_of_atom, positions)
        centres = centres / counts[:, None]  # (n_structures, 3): means of the positions
        arms = positions - centres[atoms.structure_of_atom]  # (n_atoms, 3): dM/draw_i of a molecule
        in_crystal = periodic[atoms.structure_of_atom[atoms.pair_i]][:, None, None]  # (n_pairs, 1, 1)
        of_molecules = arms[atoms.pair_i, :, None] * slopes[:, None, :]  # (n_pairs, 3, 3)
        of_crystals = -atoms.pair_vectors[:, :, None] * slopes[:, None, :]  # (n_pairs, 3, 3): r_i - r_j
        born = rigid_charges(charges) + spread_over_pairs(of_molecules * ~in_crystal, atoms)
        return born.index_add(0, atoms.pair_j, of_crystals * in_crystal)


def _mean_over_structures(values: Tensor, atoms: ChargedAtoms, totals: Tensor) -> Tensor:
    """(total - sum of the values) / N of its structure for each atom."""
    sums = values.new_zeros(len(totals)).index_add(0, atoms.structure_of_atom, values)  # (n_structures,)
    counts = torch.bincount(atoms.structure_of_atom, minlength=len(totals))  # (n_structures,)
    return ((totals - sums) / counts)[atoms.structure_of_atom]
