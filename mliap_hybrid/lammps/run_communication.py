"""The way from a rank's atoms to all others, as terms and parameters ask for it (communication.py)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from mliap_hybrid.communication import CoulombOperator
from mliap_hybrid.lammps.ranks import Ranks
from mliap_hybrid.structure import Geometry

Coulomb = Callable[[Geometry, float], CoulombOperator]
"""Centres and smearing in Å -> what solves for Gaussian charges of that width."""


class RunCommunication:
    """`Communication` of the atoms of a rank in one step; the whole run is one structure."""

    def __init__(self, ranks: Ranks, total_charge: Tensor, n_centres: int, coulomb: Coulomb):
        """Put the parts together.

        Parameters
        ----------
        ranks : Ranks
        total_charge : Tensor, shape (), e
        n_centres : int
            Atoms of this rank that the model acts on.
        coulomb : callable
            Must not hold the geometry: a circle of references would keep the arrays of every step.
        """
        self.total_charges: Tensor = total_charge[None]  # (1,)
        self._ranks = ranks
        self._n_centres = n_centres
        self._coulomb = coulomb

    def to_neighbours(self, values: Tensor) -> Tensor:
        """As in `Communication`. Collective."""
        columns = values[:, None] if values.ndim == 1 else values.flatten(1)  # (n_centres, k)
        of_pairs = self._ranks.to_neighbours(columns)  # (n_pairs, k)
        return of_pairs.reshape(len(of_pairs), *values.shape[1:])

    def sum(self, values: Tensor) -> Tensor:
        """As in `Communication`: (1, ...), the same on all ranks. Collective."""
        return self._ranks.sum(values.sum(0).flatten()).reshape(1, *values.shape[1:])

    def to_centres(self, values: Tensor) -> Tensor:
        """As in `Communication`."""
        return values.expand(self._n_centres, *values.shape[1:])

    def coulomb(self, geometry: Geometry, smearing: float) -> CoulombOperator:
        """As in `Communication`."""
        return self._coulomb(geometry, smearing)
