"""Orders of the atoms of molecules in a run: found by all ranks together when it starts, and kept while it goes on.

A molecule may be divided between ranks and move from one to another, and all of them must put its atoms into the same
places. So the orders are found in the first step of a run, and every rank is told those that are not the model's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.structure import Geometry


class RunOrders:
    """The memory of a run, in the place of the model's own `MoleculeOrder`."""

    def __init__(self, term: MoleculeTerm):
        """Serve a term, which asks this object for places."""
        self._term = term
        term.orders = self
        self._order = term.order
        self._step: int | None = None
        self._known: dict[int, list[int]] | None = None  # first tag -> places, where they are not as they come
        self._found: dict[int, list[int]] = {}
        self._last_tag = -1

    def begin(self, data: Any, geometry: Geometry) -> None:
        """Find the orders anew if a run begins: the step is not the one after the last. Collective where it begins.

        Parameters
        ----------
        data : object
            The data object of LAMMPS. Without steps, every call begins a run.
        geometry : Geometry
            Of this rank.

        Raises
        ------
        InputError
            As `MoleculeOrder.places`.
        """
        step, before = getattr(data, "step", None), self._step
        self._step = step
        if step is not None and before is not None and step == before + 1:
            return
        self._known, self._found, self._last_tag = None, {}, -1
        self._term.energies_and_gradients(geometry)
        comm = getattr(data, "comm", None)
        of_ranks = [(self._found, self._last_tag)]
        if comm is not None and comm.Get_size() > 1:
            of_ranks = comm.allgather(of_ranks[0])
        self._known = {tag: places for found, _ in of_ranks for tag, places in found.items()}
        self._last_tag = max(last for _, last in of_ranks)

    def places(self, positions: Tensor, tags: NDArray[np.int64]) -> Tensor:
        """As `MoleculeOrder.places`; what is known is not asked again.

        Raises
        ------
        InputError
            As there; or if a molecule that came later has another order.
        """
        if self._known is None:
            places = self._order.places(positions, tags)
            moved = (places != torch.arange(places.shape[1])).any(1).nonzero()[:, 0].tolist()
            self._found |= {int(tags[index]): places[index].tolist() for index in moved}
            self._last_tag = max(self._last_tag, int(tags.max()))
            return places
        places = torch.arange(positions.shape[1]).repeat(len(positions), 1)  # (n_molecules, n_atoms)
        for index, tag in enumerate(tags.tolist()) if self._known else ():
            if tag in self._known:
                places[index] = torch.tensor(self._known[tag])
        if (tags > self._last_tag).any():
            self._check_later_ones(positions[tags > self._last_tag], tags[tags > self._last_tag])
        return places

    def _check_later_ones(self, positions: Tensor, tags: NDArray[np.int64]) -> None:
        """Refuse molecules that were inserted in another order: other ranks may see them later than this one."""
        moved = (self._order.places(positions, tags) != torch.arange(positions.shape[1])).any(1).numpy()
        if moved.any():
            raise InputError(
                f"the molecule of atom {int(tags[moved][0]) + 1} was inserted during the run with its atoms in another "
                "order than in the training geometries: write them into the molecule template in the order of training"
            )


MEMORIES = {MoleculeTerm: RunOrders}
"""Kind of a term -> what remembers for it from step to step of a run."""
