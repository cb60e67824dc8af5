"""Where the atoms of training frames are: what terms keep that sum over whole structures in each step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.model.term import Constants
from mliap_hybrid.physics.multipoles_batch import BatchMultipoles


@dataclass(frozen=True)
class StructurePlaces(Constants):
    """Atoms and boxes of frames laid end to end, float64: fields of dipoles are computed from them in each step."""

    positions: Tensor
    """(n_atoms, 3) Å."""
    cells: Tensor
    """(n_structures, 3, 3) Å."""
    periodic: Tensor
    """(n_structures, 3) bool."""
    counts: Tensor
    """(n_structures,) int64: number of atoms of each."""

    @property
    def n_bytes(self) -> int:
        """As in `Constants`."""
        return sum(part.nbytes for part in (self.positions, self.cells, self.periodic, self.counts))

    def followed_by(self, others: Sequence[Constants]) -> StructurePlaces:
        """As in `Constants`."""
        all_of_them = [self, *(other for other in others if isinstance(other, StructurePlaces))]
        parts: list[Callable[[StructurePlaces], Tensor]] = [
            lambda each: each.positions,
            lambda each: each.cells,
            lambda each: each.periodic,
            lambda each: each.counts,
        ]
        return StructurePlaces(*(torch.cat([part(each) for each in all_of_them]) for part in parts))

    def multipoles(self, smearing: float) -> BatchMultipoles:
        """The atoms, to be given charges and dipoles of a width in Å."""
        return BatchMultipoles(self.positions, self.cells, self.periodic, self.counts, smearing)
