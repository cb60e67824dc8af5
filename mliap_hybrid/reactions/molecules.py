"""Molecules of a frame: atoms that bonds join, and their formulas."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols
from ase.formula import Formula

from mliap_hybrid.joined import joined


@dataclass(frozen=True)
class Molecules:
    """Which atoms are together."""

    of_atom: np.ndarray
    """(n_atoms,): molecule of each atom, from 0."""
    formulas: list[str]
    """Of each molecule, in Hill's order."""

    def counts(self) -> Counter[str]:
        """Formula -> number of molecules."""
        return Counter(self.formulas)


def molecules_of(numbers: np.ndarray, bonds: np.ndarray) -> Molecules:
    """Join atoms to molecules.

    Parameters
    ----------
    numbers : array, shape (n_atoms,)
        Atomic numbers.
    bonds : array, shape (n_bonds, 2)
        Atoms that are bonded.
    """
    n_atoms = len(numbers)
    n_molecules, of_atom = joined(n_atoms, bonds)
    elements, species = np.unique(numbers, return_inverse=True)  # (n_elements,), (n_atoms,)
    composition = np.zeros((n_molecules, len(elements)), dtype=np.int64)
    np.add.at(composition, (of_atom, species), 1)
    kinds, kind = np.unique(composition, axis=0, return_inverse=True)  # (n_kinds, n_elements), (n_molecules,)
    names = [_formula(elements, row) for row in kinds]
    return Molecules(of_atom, [names[k] for k in kind.ravel()])


def _formula(elements: np.ndarray, counts: np.ndarray) -> str:
    """In Hill's order, from atomic numbers (n_elements,) and how many there are of each (n_elements,)."""
    present = {chemical_symbols[z]: int(count) for z, count in zip(elements, counts, strict=True) if count}
    return Formula.from_dict(present).format("hill")
