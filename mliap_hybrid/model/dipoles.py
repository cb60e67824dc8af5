"""Dipole moments of charges: of molecules, about the origin of the coordinates."""

from __future__ import annotations

from torch import Tensor


def dipole_moments(charges: Tensor, positions: Tensor, structure_of_atom: Tensor, n_structures: int) -> Tensor:
    """M = sum_i q_i r_i of each structure.

    Of a charged molecule it depends on where the origin is; of a periodic structure only its changes mean something,
    and only while no atom crosses the boundary.

    Parameters
    ----------
    charges : Tensor, shape (n_atoms,), e
    positions : Tensor, shape (n_atoms, 3), Å
    structure_of_atom : Tensor, shape (n_atoms,), int64
    n_structures : int

    Returns
    -------
    Tensor, shape (n_structures, 3), e Å
    """
    moments = positions.new_zeros((n_structures, 3))
    return moments.index_add(0, structure_of_atom, charges[:, None] * positions)
