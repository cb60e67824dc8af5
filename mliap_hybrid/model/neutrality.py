"""Charges with the right sum, whatever a network says: by one shift of all, or by what neighbours give each other.

shift:       q_i = q0_i + c_i + (Q - sum_k (q0_k + c_k)) / N
increments:  q_i = q0_i + sum_j w(r_ij) (c_j - c_i),      w(r) = (1 - (r / r_c)^2)^3

c_i the unconstrained change. A shift is the same for near and far atoms: two systems in one box share it. Of
increments, what j gives to i, i takes from j: the sum stays that of q0, and systems far apart have the charges that
each has alone (bond charge increments: Bush, Bayly, Halgren, J. Comput. Chem. 20, 1495 (1999)). Both maps are linear
and symmetric in c, so that with phi_i = dE/dq_i

shift:       dE/dc_i = phi_i - mean(phi)
increments:  dE/dc_i = sum_j w(r_ij) (phi_j - phi_i),   dE/dr_p at fixed c = phi_i dw/dr_p (c_j - c_i).

What neighbours give each other has a dipole moment of vectors between them, which no choice of a cell changes:

increments:  sum_i q_i r_i = sum_i (q0_i r_i + mu_i),   mu_i = -1/2 sum_j w(r_ij) (c_j - c_i) r_ij,

and the same adjoint with phi_j - phi_i = e_i.r_ij takes back dE/dmu_i = e_i, one vector for all atoms of a structure.
A shift brings charge from everywhere, so that charges are where the atoms are.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from mliap_hybrid.communication import mean_over_structures
from mliap_hybrid.structure import Geometry


class Constrained(Protocol):
    """Derivatives by charges, on their way back."""

    def __call__(self, potentials: Tensor, by_moments: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """phi (n_centres,), and dE/dmu (n_centres, 3) or None -> dE/dc (n_centres,), and dE/dr_p (n_pairs, 3) or None.

        The last is at fixed c; what vectors of fixed weights do to mu is not in it. Collective.
        """


class Neutrality(ABC):
    """A map from unconstrained changes to charges."""

    kind: ClassVar[str]
    """Its name in files."""
    fixes_total: ClassVar[bool]
    """Whether the total charge follows from the atoms, and is not free to be chosen."""

    @abstractmethod
    def __call__(self, start: Tensor, change: Tensor, geometry: Geometry) -> tuple[Tensor, Constrained]:
        """Charges of the centres, and how derivatives by them go back. Collective.

        Parameters
        ----------
        start : Tensor, shape (n_centres,), e
            q0.
        change : Tensor, shape (n_centres,), e
            c.
        geometry : Geometry

        Returns
        -------
        charges : Tensor, shape (n_centres,), e
        constrained : Constrained
        """

    def moments(self, change: Tensor, geometry: Geometry) -> Tensor | None:
        """mu (n_centres, 3), e Å, of what neighbours give each other; None: charges are where atoms are. Collective.

        Parameters
        ----------
        change : Tensor, shape (n_centres,), e
            c.
        geometry : Geometry
        """
        return None


class Shift(Neutrality):
    """All atoms of a structure are moved by one number."""

    kind = "shift"
    fixes_total = False

    def __call__(self, start: Tensor, change: Tensor, geometry: Geometry) -> tuple[Tensor, Constrained]:
        """As in `Neutrality`."""
        communication, free = geometry.communication, start + change  # (n_centres,)

        def constrained(potentials: Tensor, by_moments: Tensor | None = None) -> tuple[Tensor, None]:
            none = torch.zeros_like(communication.total_charges)
            return potentials + mean_over_structures(potentials, communication, none), None

        return free + mean_over_structures(free, communication, communication.total_charges), constrained


class Increments(Neutrality):
    """Neighbours give each other charge."""

    kind = "increments"
    fixes_total = True

    def __init__(self, cutoff: float):
        """Set the reach.

        Parameters
        ----------
        cutoff : float, Å
            r_c, that of the neighbour pairs.
        """
        self.cutoff = cutoff

    def __call__(self, start: Tensor, change: Tensor, geometry: Geometry) -> tuple[Tensor, Constrained]:
        """As in `Neutrality`."""
        pair_i = geometry.pair_i
        vectors = geometry.pair_vectors.detach().to(change.dtype)  # (n_pairs, 3)
        weights, weight_gradients = self.window(vectors)  # (n_pairs,), (n_pairs, 3)

        of_change = _differences(change, geometry)  # (n_pairs,)

        def constrained(potentials: Tensor, by_moments: Tensor | None = None) -> tuple[Tensor, Tensor]:
            along = _differences(potentials, geometry)  # (n_pairs,)
            by_given = potentials.index_select(0, pair_i)  # (n_pairs,): dE/d(what the centre takes)
            if by_moments is not None:
                of_moments = (by_moments.index_select(0, pair_i) * vectors).sum(1)  # (n_pairs,): e_i.r_p
                along, by_given = along + of_moments, by_given - 0.5 * of_moments
            exchanged = torch.zeros_like(potentials).index_add(0, pair_i, weights * along)
            return exchanged, (by_given * of_change)[:, None] * weight_gradients

        return start + torch.zeros_like(change).index_add(0, pair_i, weights * of_change), constrained

    def moments(self, change: Tensor, geometry: Geometry) -> Tensor:
        """As in `Neutrality`."""
        vectors = geometry.pair_vectors.detach().to(change.dtype)  # (n_pairs, 3)
        taken = self.window(vectors)[0] * _differences(change, geometry)  # (n_pairs,): by the centre from the neighbour
        none = change.new_zeros(len(change), 3)
        return none.index_add(0, geometry.pair_i, -0.5 * taken[:, None] * vectors)

    def window(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """w (n_pairs,) of pair vectors (n_pairs, 3), Å, and dw/dr_p (n_pairs, 3), 1/Å.

        1 at r = 0, and 0 with two derivatives at the cutoff.
        """
        remaining = (1.0 - vectors.square().sum(1) / self.cutoff**2).clamp(min=0.0)  # (n_pairs,)
        return remaining**3, (-6.0 / self.cutoff**2 * remaining.square())[:, None] * vectors


def _differences(values: Tensor, geometry: Geometry) -> Tensor:
    """Of the neighbour's value and the centre's (n_pairs,), of values (n_centres,). Collective."""
    return geometry.communication.to_neighbours(values) - values.index_select(0, geometry.pair_i)


def neutrality_of(kind: str | None, cutoff: float) -> Neutrality | None:
    """The map of a kind; None for none. `cutoff`, in Å, is that of the neighbour pairs."""
    if kind is None:
        return None
    return Shift() if kind == "shift" else Increments(cutoff)
