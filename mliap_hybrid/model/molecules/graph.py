"""Bonds of a molecule as a graph, and the ways to lay one such graph over another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Bonds = NDArray[np.bool_]
"""(n_atoms, n_atoms): which atoms are bonded; symmetric."""


def matches(numbers: Sequence[int], bonds: Bonds, found: Bonds, *, exact: bool) -> Iterator[tuple[int, ...]]:
    """Orders of the atoms in which the bonds that were found are those that are expected.

    Parameters
    ----------
    numbers : sequence of int, length n_atoms
        Atomic numbers, which are the same place by place.
    bonds : array, shape (n_atoms, n_atoms)
        Expected.
    found : array, shape (n_atoms, n_atoms)
        Of the atoms as they come.
    exact : bool
        Whether there must be no other bonds than the expected ones.

    Yields
    ------
    tuple of int, length n_atoms
        The atom that belongs to each place.
    """
    wanted, there = _neighbours(bonds), _neighbours(found)
    order = _from_neighbour_to_neighbour(wanted)
    places, used = [-1] * len(numbers), [False] * len(numbers)

    def fits(place: int, atom: int) -> bool:
        if used[atom] or numbers[atom] != numbers[place]:
            return False
        around = {places[other] for other in wanted[place] if places[other] >= 0}
        if not exact:
            return around <= there[atom]
        return len(there[atom]) == len(wanted[place]) and around == {b for b in there[atom] if used[b]}

    def extend(depth: int) -> Iterator[tuple[int, ...]]:
        if depth == len(order):
            yield tuple(places)
            return
        place = order[depth]
        anchor = next((places[other] for other in wanted[place] if places[other] >= 0), None)
        for atom in range(len(numbers)) if anchor is None else sorted(there[anchor]):
            if fits(place, atom):
                places[place], used[atom] = atom, True
                yield from extend(depth + 1)
                places[place], used[atom] = -1, False

    yield from extend(0)


def _neighbours(bonds: Bonds) -> list[set[int]]:
    return [set(np.flatnonzero(row).tolist()) for row in bonds]


def _from_neighbour_to_neighbour(neighbours: list[set[int]]) -> list[int]:
    """All places, each but the first of its fragment after one that it is bonded to."""
    order: list[int] = []
    for start in range(len(neighbours)):
        waiting = [] if start in order else [start]
        while waiting:
            place = waiting.pop(0)
            if place not in order:
                order.append(place)
                waiting += sorted(neighbours[place])
    return order
