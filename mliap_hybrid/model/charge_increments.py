"""Charges with the right sum by what neighbours give each other.

    q_i = q0(Z_i) + sum_j w(r_ij) (u_j - u_i),      w(r) = (1 - (r / r_c)^2)^3,      u_i from the charge network

What j gives to i, i takes from j: the sum stays that of the element charges q0, whatever the u are. Charge moves only
between atoms that see each other, so two systems far apart have the charges that each has alone. The map from u to q is
linear and symmetric, hence with the potentials phi_i = dE/dq_i

    dE/du_i = sum_j w(r_ij) (phi_j - phi_i),

the same map again. Bond charge increments of force fields are of this form (Bush, Bayly, Halgren, J. Comput. Chem. 20,
1495 (1999)).
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.charge_model import ChargedAtoms, ChargeModel, rigid_charges, spread_over_pairs
from mliap_hybrid.model.charge_network import ChargeNetwork


class ChargeIncrements(ChargeModel):
    """Element charges plus antisymmetric increments of neighbours."""

    neutrality = "increments"

    def __init__(
        self,
        network: ChargeNetwork,
        element_charges: Tensor,
        typical_charges: Tensor | None = None,
        *,
        cutoff: float,
    ):
        """Put the parts together.

        Parameters
        ----------
        network : ChargeNetwork
            Gives u.
        element_charges : Tensor, shape (n_elements,), e
            q0, whose sum over a structure is its total charge.
        typical_charges : Tensor, shape (n_elements,), e, optional
            As in `ChargeModel`.
        cutoff : float, Å
            r_c, that of the neighbour pairs.
        """
        super().__init__(network, element_charges, typical_charges)
        self.cutoff = cutoff

    def raw_of(self, moves: Tensor, rows: Tensor) -> Tensor:
        """u_i (n_atoms,), e: what the network gives."""
        return moves

    def charges(self, raw: Tensor, atoms: ChargedAtoms) -> Tensor:
        """q_i (n_atoms,), e."""
        moved = exchanged(raw, raw[atoms.pair_j], atoms.pair_i, window(atoms.pair_vectors, self.cutoff))
        return self.element_charges[atoms.rows] + moved

    def response(self, potentials: Tensor, atoms: ChargedAtoms) -> Tensor:
        """dE/du_i (n_atoms,), eV/e."""
        weights = window(atoms.pair_vectors, self.cutoff)  # (n_pairs,)
        return exchanged(potentials, potentials[atoms.pair_j], atoms.pair_i, weights)

    def pair_gradients(self, raw: Tensor, potentials: Tensor, atoms: ChargedAtoms) -> Tensor:
        """phi_i dw/dr_p (u_j - u_i) (n_pairs, 3), eV/Å."""
        return window_gradients(raw, raw[atoms.pair_j], potentials, atoms.pair_i, atoms.pair_vectors, self.cutoff)

    def born_charges(
        self, raw: Tensor, charges: Tensor, slopes: Tensor, atoms: ChargedAtoms, positions: Tensor, periodic: Tensor
    ) -> Tensor:
        """Z* (n_atoms, 3, 3), e; arguments as in `ChargeModel`.

        The dipole moment is sum_i q0_i r_i - 1/2 sum_p w_p (u_j - u_i) r_p, in crystals as in molecules.
        """
        vectors = atoms.pair_vectors  # (n_pairs, 3)
        weights = window(vectors, self.cutoff)  # (n_pairs,)
        arms = torch.zeros_like(positions).index_add(0, atoms.pair_i, weights[:, None] * vectors)  # (n_atoms, 3) dM/du
        taken = (raw[atoms.pair_j] - raw[atoms.pair_i])[:, None] * window_slopes(vectors, self.cutoff)  # (n_pairs, 3)
        of_pairs = arms[atoms.pair_i, :, None] * slopes[:, None, :] - 0.5 * vectors[:, :, None] * taken[:, None, :]
        return rigid_charges(charges) + spread_over_pairs(of_pairs, atoms)


def exchanged(values: Tensor, neighbour_values: Tensor, pair_i: Tensor, weights: Tensor) -> Tensor:
    """sum_j w(r_ij) (v_j - v_i) of each centre.

    Parameters
    ----------
    values : Tensor, shape (n_centres,)
    neighbour_values : Tensor, shape (n_pairs,)
        v_j, which may belong to an atom of another processor.
    pair_i : Tensor, shape (n_pairs,), int64
    weights : Tensor, shape (n_pairs,)
        From `window`.

    Returns
    -------
    Tensor, shape (n_centres,)
    """
    differences = neighbour_values - values.index_select(0, pair_i)  # (n_pairs,)
    return torch.zeros_like(values).index_add(0, pair_i, weights * differences)


def window_gradients(
    values: Tensor, neighbour_values: Tensor, potentials: Tensor, pair_i: Tensor, pair_vectors: Tensor, cutoff: float
) -> Tensor:
    """phi_i dw/dr_p (v_j - v_i): change of the energy with r_p through the window alone.

    Parameters
    ----------
    values, neighbour_values, pair_i
        As in `exchanged`.
    potentials : Tensor, shape (n_centres,), eV/e
    pair_vectors : Tensor, shape (n_pairs, 3), Å
    cutoff : float, Å

    Returns
    -------
    Tensor, shape (n_pairs, 3), eV/Å
    """
    differences = neighbour_values - values.index_select(0, pair_i)  # (n_pairs,)
    factors = potentials.index_select(0, pair_i) * differences  # (n_pairs,)
    return factors[:, None] * window_slopes(pair_vectors, cutoff)


def window(pair_vectors: Tensor, cutoff: float) -> Tensor:
    """w (n_pairs,) of the pair vectors (n_pairs, 3), Å: 1 at r = 0, and 0 with two derivatives at the cutoff."""
    return _remaining(pair_vectors, cutoff) ** 3


def window_slopes(pair_vectors: Tensor, cutoff: float) -> Tensor:
    """dw/dr_p (n_pairs, 3), 1/Å."""
    return (-6.0 / cutoff**2 * _remaining(pair_vectors, cutoff) ** 2)[:, None] * pair_vectors


def _remaining(pair_vectors: Tensor, cutoff: float) -> Tensor:
    """1 - (r / r_c)^2 (n_pairs,), not below zero."""
    return (1.0 - pair_vectors.square().sum(1) / cutoff**2).clamp(min=0.0)
