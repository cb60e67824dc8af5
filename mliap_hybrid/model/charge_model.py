"""What models with predicted charges have in common: from a number for each atom to charges with the right sum.

A network gives each atom a raw number, a function of its own features. The charges follow from all raw numbers of a
structure by a map that keeps the total charge; there are two such maps (charge_shift.py, charge_increments.py). The
long-range energy then depends on the positions also through the charges. With the potentials phi_i = dE/dq_i,

    dE/dr_p = sum_i (dE/draw_i) (draw_i/dr_p) + (sum_i phi_i dq_i/dr_p at fixed raw numbers),

to be added to the forces at fixed charges: `response` is the first factor, `pair_gradients` the last term.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mliap_hybrid.model.charge_network import ChargeNetwork
from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class ChargedAtoms:
    """The atoms of whole structures, as the maps from raw numbers to charges see them."""

    rows: Tensor
    """(n_atoms,) int64: index of each atom's element."""
    structure_of_atom: Tensor
    """(n_atoms,) int64."""
    total_charges: Tensor
    """(n_structures,) e."""
    pair_i: Tensor
    """(n_pairs,) int64: centre of each pair, full list."""
    pair_j: Tensor
    """(n_pairs,) int64: neighbour of each pair."""
    pair_vectors: Tensor
    """(n_pairs, 3) Å: r_j - r_i."""

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all structures together."""
        return self.rows.shape[0]


def charged_atoms(batch: Batch, rows: Tensor, pair_vectors: Tensor) -> ChargedAtoms:
    """The atoms of a batch; `rows` (n_atoms,) are those of their elements."""
    return ChargedAtoms(rows, batch.structure_of_atom, batch.total_charges, batch.pair_i, batch.pair_j, pair_vectors)


class ChargeModel(torch.nn.Module, ABC):
    """A charge network, the charges of the elements, and a way to keep the total charge."""

    neutrality: ClassVar[str]
    """Name of the way."""
    element_charges: Tensor
    typical_charges: Tensor

    def __init__(self, network: ChargeNetwork, element_charges: Tensor, typical_charges: Tensor | None = None):
        """Put the parts together.

        Parameters
        ----------
        network : ChargeNetwork
        element_charges : Tensor, shape (n_elements,), e
            q0: where the charges start from.
        typical_charges : Tensor, shape (n_elements,), e, optional
            Mean charge of each element in the training frames, for those who must guess before they compute; q0 by
            default.
        """
        super().__init__()
        self.network = network
        self.register_buffer("element_charges", element_charges)
        self.register_buffer("typical_charges", element_charges if typical_charges is None else typical_charges)

    def raw(self, features: Tensor, rows: Tensor) -> Tensor:
        """Raw numbers (n_atoms,) from features (n_atoms, n_inputs) and the rows of the elements (n_atoms,)."""
        return self.raw_of(self.network(features, rows), rows)

    @abstractmethod
    def raw_of(self, moves: Tensor, rows: Tensor) -> Tensor:
        """Raw numbers (n_atoms,) from what the charge network gives (n_atoms,) and the rows of the elements."""

    @abstractmethod
    def charges(self, raw: Tensor, atoms: ChargedAtoms) -> Tensor:
        """Charges (n_atoms,), e, from the raw numbers (n_atoms,) of all atoms."""

    @abstractmethod
    def response(self, potentials: Tensor, atoms: ChargedAtoms) -> Tensor:
        """dE/draw_i (n_atoms,) from the potentials phi_i = dE/dq_i (n_atoms,)."""

    @abstractmethod
    def pair_gradients(self, raw: Tensor, potentials: Tensor, atoms: ChargedAtoms) -> Tensor | None:
        """sum_i phi_i dq_i/dr_p (n_pairs, 3) at fixed raw numbers; None where charges see no vectors themselves."""

    @abstractmethod
    def born_charges(
        self, raw: Tensor, charges: Tensor, slopes: Tensor, atoms: ChargedAtoms, positions: Tensor, periodic: Tensor
    ) -> Tensor:
        """Born effective charges Z*_ab = dM_a/dr_b of each atom, M the dipole moment.

        Parameters
        ----------
        raw : Tensor, shape (n_atoms,)
        charges : Tensor, shape (n_atoms,), e
        slopes : Tensor, shape (n_pairs, 3), e/Å
            draw_i/dr_p.
        atoms : ChargedAtoms
        positions : Tensor, shape (n_atoms, 3), Å
        periodic : Tensor, shape (n_structures,), bool
            Whether a structure is periodic in any direction.

        Returns
        -------
        Tensor, shape (n_atoms, 3, 3), e
        """


def spread_over_pairs(of_pairs: Tensor, atoms: ChargedAtoms) -> Tensor:
    """d/dr_i (n_atoms, ...) of what changes by `of_pairs` (n_pairs, ...) with r_p = r_j - r_i: + on j, - on i."""
    of_atoms = of_pairs.new_zeros((atoms.n_atoms, *of_pairs.shape[1:]))
    return of_atoms.index_add(0, atoms.pair_j, of_pairs).index_add(0, atoms.pair_i, -of_pairs)


def rigid_charges(charges: Tensor) -> Tensor:
    """q_i times the unit matrix (n_atoms, 3, 3): Born charges of atoms that carry their charges along."""
    return charges[:, None, None] * torch.eye(3, dtype=charges.dtype, device=charges.device)
