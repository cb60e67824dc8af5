"""Which of a model's elements an atom is of: its index in all tables that have a row for each element."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import chemical_symbols
from torch import Tensor


def species_by_number(elements: Sequence[int]) -> Tensor:
    """Atomic number -> index of the element; numbers of other elements have -1.

    Parameters
    ----------
    elements : sequence of int
        Atomic numbers of a model, ascending.

    Returns
    -------
    Tensor, shape (n_numbers,), int64
        So that `species_by_number(elements)[numbers]` is the species of atoms.
    """
    species = torch.full((len(chemical_symbols),), -1, dtype=torch.int64)
    species[list(elements)] = torch.arange(len(elements))
    return species
