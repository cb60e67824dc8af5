"""Groups of permutations: closure, cycles, and how they are written."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LARGEST_GROUP = 100
"""More permutations than this are taken for a mistake of the matching, unless the caller allows more."""


def close_group(generators: np.ndarray, largest: int = LARGEST_GROUP) -> np.ndarray | None:
    """All products of permutations.

    Parameters
    ----------
    generators : array, shape (n_generators, n_atoms), int
    largest : int
        Give up beyond this number.

    Returns
    -------
    array, shape (n_permutations, n_atoms), int64, or None
        Sorted by rows, the identity first; None where there are more than `largest`.
    """
    n_atoms = generators.shape[1]
    identity = tuple(range(n_atoms))
    found, newest = {identity}, [identity]
    given = [tuple(row) for row in generators.tolist()]
    while newest:
        products = {tuple(element[a] for a in generator) for element in newest for generator in given}
        newest = sorted(products - found)
        found.update(newest)
        if len(found) > largest:
            return None
    return np.array(sorted(found), dtype=np.int64)


def without_conflicts(permutations: np.ndarray) -> np.ndarray:
    """The permutations none of whose cycles meets a longer cycle of another: what is kept of a group too large.

    Parameters
    ----------
    permutations : array, shape (n_permutations, n_atoms), int

    Returns
    -------
    array, shape (n_kept, n_atoms), int
    """
    cycles_of = [[set(cycle) for cycle in cycles(row)] for row in permutations.tolist()]
    all_cycles = [cycle for found in cycles_of for cycle in found]
    kept = [
        row
        for row, found in enumerate(cycles_of)
        if not any(len(cycle) < len(other) and cycle & other for cycle in found for other in all_cycles)
    ]
    return permutations[kept]


def cycles(permutation: Sequence[int]) -> list[list[int]]:
    """Cycles of two and more atoms: each atom's place is taken by the next one of its cycle."""
    seen: set[int] = set()
    found = []
    for start in range(len(permutation)):
        cycle, atom = [], start
        while atom not in seen:
            seen.add(atom)
            cycle.append(atom)
            atom = int(permutation[atom])
        if len(cycle) > 1:
            found.append(cycle)
    return found


def cycle_notation(permutation: Sequence[int], symbols: Sequence[str]) -> str:
    """Such as ``(H3 H4) (H5 H6 H7)``, atoms counted from 0; ``()`` for the identity."""
    words = [" ".join(f"{symbols[atom]}{atom}" for atom in cycle) for cycle in cycles(permutation)]
    return " ".join(f"({word})" for word in words) or "()"
