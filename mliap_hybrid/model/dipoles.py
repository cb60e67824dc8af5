"""Dipole moments of charges, about the origin of the coordinates."""

from __future__ import annotations

from torch import Tensor

from mliap_hybrid.communication import Communication
from mliap_hybrid.model.parameters import Moments


def dipole_moments(charges: Tensor, moments: Moments | None, positions: Tensor, communication: Communication) -> Tensor:
    """M = sum_i q_i r_i of each structure, or the same divided otherwise, sum_i (Z_i r_i + mu_i).

    Of a charged molecule it depends on where the origin is; of a periodic structure only its changes mean something,
    and only while no atom crosses the boundary.

    Parameters
    ----------
    charges : Tensor, shape (n_atoms,), e
    moments : Moments or None
        Z and mu, where charges that neighbours give each other are not where the atoms are.
    positions : Tensor, shape (n_atoms, 3), Å
    communication : Communication
        Of whole structures.

    Returns
    -------
    Tensor, shape (n_structures, 3), e Å
    """
    if moments is None:
        return communication.sum(charges[:, None] * positions)
    return communication.sum(moments.carried[:, None] * positions + moments.between)
