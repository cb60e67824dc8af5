"""What the training geometries of a kernel model say of its molecule: bonds, handedness, and which orders are alike.

A model holds its training geometries as inverse distances, from which all of this follows, in old files too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from itertools import islice

import numpy as np
import torch
from ase.data import covalent_radii
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.bonds import BOND
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.graph import Bonds, matches
from mliap_hybrid.model.molecules.handedness import N_BONDS, Handedness, coordinates

LOOSE = 1.5
"""A bond may be stretched to this times the sum of the radii before another order is looked for."""

LIMIT = 5_000
"""Ways to lay a molecule's bonds over themselves that are looked at; clusters of many like atoms have more."""

SAMPLED = 1.25
"""Training geometries in an order that they sampled are hardly farther from the others than in their own order: up to
this factor, in the median. (Orders of rotors that turned in rMD17: below 1.23 with 30 frames, 1.05 with 100; of a
phenyl ring and an amino group that did not turn, in 3BPA at 300 K: 2.0.)"""

SAMPLE = 50
"""Training geometries that this is asked of."""

WHOLE = 1e-2
"""Å: distances to nearest images are those of one geometry in space, up to this."""

Orders = NDArray[np.int64]
"""(n_orders, n_atoms): the atom at each place."""


class MoleculeReference:
    """Bonds, handedness and equivalent orders in the training geometries of a model."""

    def __init__(self, model: GDMLModel):
        self.model = model
        self.pairs = model.descriptor.pair_i, model.descriptor.pair_j
        radii = torch.tensor(covalent_radii)[model.numbers]  # (n_atoms,) Å
        self.radii = radii[self.pairs[0]] + radii[self.pairs[1]]
        """(n_pairs,) Å: sums of covalent radii."""
        relative = 1.0 / (model.descriptors * self.radii)  # (n_train, n_pairs)
        bonded = (relative.median(0).values < BOND) & (relative.max(0).values < LOOSE)  # (n_pairs,)
        self.bonds = bonded.nonzero().squeeze(1)
        """(n_bonds,): pairs that are bonded in all training geometries."""
        self.bond_matrix = self.as_matrix(bonded)
        """(n_atoms, n_atoms)."""

    def as_matrix(self, of_pairs: Tensor) -> Bonds:
        """(n_pairs,) bool as a symmetric matrix (n_atoms, n_atoms)."""
        matrix = np.zeros((self.model.n_atoms, self.model.n_atoms), dtype=bool)
        i, j = (each.numpy() for each in self.pairs)
        matrix[i, j] = matrix[j, i] = of_pairs.numpy()
        return matrix

    @cached_property
    def handedness(self) -> Handedness | None:
        """None without atoms of four bonds, or where training geometries in a cell are cut by its images."""
        if not (self.bond_matrix.sum(1) == N_BONDS).any():
            return None
        distances = torch.zeros(self.model.n_train, self.model.n_atoms, self.model.n_atoms, dtype=torch.float64)
        i, j = self.pairs
        distances[:, i, j] = distances[:, j, i] = 1.0 / self.model.descriptors
        positions = coordinates(distances)  # (n_train, n_atoms, 3)
        is_whole = (torch.cdist(positions, positions) - distances).abs().amax((1, 2)) < WHOLE  # (n_train,)
        if 2 * int(is_whole.sum()) < self.model.n_train:
            return None
        return Handedness(self.bond_matrix, positions[is_whole], self.model.cell)

    @cached_property
    def hides_handedness(self) -> bool:
        """Whether atoms have four bonds, but images in a cell hide on which side which neighbour is."""
        return self.handedness is None and bool((self.bond_matrix.sum(1) == N_BONDS).any())

    @cached_property
    def descriptors(self) -> Tensor:
        """(n_train, n_permutations, n_pairs) 1/Å: the training geometries in all orders of the same energy."""
        return self.model.descriptors[:, self.model.descriptor.permuted_pairs(self.model.permutations)]

    @cached_property
    def inequivalent_orders(self) -> Orders:
        """Orders that keep elements and bonds and have another energy; the first one leaves the atoms as they are.

        Of those that have the same energy, by the permutations of the model or since the training geometries sampled
        them, there is one. A molecule with more than `LIMIT` such orders has the first one only.
        """
        identity = tuple(range(self.model.n_atoms))
        found = matches(self.model.numbers.tolist(), self.bond_matrix, self.bond_matrix, exact=True)
        orders = list(islice(found, LIMIT + 1))
        if len(orders) > LIMIT:
            return np.array([identity])
        group = _closed({identity}, map(tuple, self.model.permutations.tolist()))
        for order in () if self.hides_handedness else self._without_change_of_hand(orders):
            if order not in group and self._is_sampled(order):
                group = _closed(group, [order])
        inequivalent, seen = [identity], set(group)
        for order in orders:
            if order not in seen:
                inequivalent.append(order)
                seen.update(tuple(order[atom] for atom in element) for element in group)
        return np.array(inequivalent)

    def _without_change_of_hand(self, orders: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        if self.handedness is None:
            return orders
        kept = self.handedness.compatible(self.handedness.expected[None], np.array(orders))[0]  # (n_orders,)
        return [order for order, keeps in zip(orders, kept.tolist(), strict=True) if keeps]

    def _is_sampled(self, order: tuple[int, ...]) -> bool:
        """Whether training geometries in this order are among the others as they are in their own."""
        pairs = self.model.descriptor.permuted_pairs(torch.tensor([order]))[0]  # (n_pairs,)
        return bool(self._typical_distance(pairs) <= SAMPLED * self._own_distance)

    @cached_property
    def _own_distance(self) -> float:
        return self._typical_distance(torch.arange(self.model.descriptor.n_pairs))

    @cached_property
    def reach(self) -> float:
        """1/Å: largest distance of a training geometry to the nearest other one, of those that are asked."""
        return float(self._distances(torch.arange(self.model.descriptor.n_pairs)).max())

    def _typical_distance(self, pairs: Tensor) -> float:
        return float(self._distances(pairs).median())

    def _distances(self, pairs: Tensor) -> Tensor:
        """(n_chosen,) 1/Å: distances of training geometries with entries D[pairs] to the nearest other one."""
        n_train = self.model.n_train
        chosen = torch.linspace(0, n_train - 1, min(n_train, SAMPLE)).round().long()
        if n_train == 1:
            return torch.zeros(1, dtype=torch.float64)
        distances = torch.cdist(self.model.descriptors[chosen][:, pairs], self.descriptors.flatten(0, 1))
        distances = distances.view(len(chosen), n_train, -1).amin(2)  # (n_chosen, n_train)
        distances[torch.arange(len(chosen)), chosen] = torch.inf
        return distances.amin(1)


def _closed(group: set[tuple[int, ...]], more: Iterable[tuple[int, ...]]) -> set[tuple[int, ...]]:
    """The smallest set that holds both and all products of its elements."""
    generators = [*group, *more]
    closed, waiting = set(generators), list(generators)
    while waiting:
        element = waiting.pop()
        for generator in generators:
            product = tuple(element[atom] for atom in generator)
            if product not in closed:
                closed.add(product)
                waiting.append(product)
    return closed
