"""Dipole moments of charges: of molecules, about the origin of the coordinates."""

from __future__ import annotations

from torch import Tensor

from mliap_hybrid.communication import Communication


def dipole_moments(charges: Tensor, positions: Tensor, communication: Communication) -> Tensor:
    """M = sum_i q_i r_i of each structure.

    Of a charged molecule it depends on where the origin is; of a periodic structure only its changes mean something,
    and only while no atom crosses the boundary.

    Parameters
    ----------
    charges : Tensor, shape (n_atoms,), e
    positions : Tensor, shape (n_atoms, 3), Å
    communication : Communication
        Of whole structures.

    Returns
    -------
    Tensor, shape (n_structures, 3), e Å
    """
    return communication.sum(charges[:, None] * positions)
