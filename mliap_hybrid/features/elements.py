"""Which of the elements of some features an atom is of: its index in all tables that have a row for each element."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.species import species_by_number


class SpeciesIndex(torch.nn.Module):
    """Atomic numbers -> indices 0, 1, ... of the elements in ascending order."""

    species_of_number: Tensor

    def __init__(self, elements: Sequence[int]):
        """Take the atomic numbers that may occur, ascending."""
        super().__init__()
        self.elements = tuple(elements)
        self.register_buffer("species_of_number", species_by_number(self.elements), persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Species (n,) of atomic numbers (n,).

        Raises
        ------
        InputError
            If there is another element, naming it and the known ones.
        """
        species = self.unchecked(numbers)
        if species.numel() and int(species.min()) < 0:
            unknown = int(numbers[species < 0][0])
            symbol = chemical_symbols[unknown] if 0 <= unknown < len(chemical_symbols) else "?"
            known = " ".join(chemical_symbols[z] for z in self.elements)
            raise InputError(f"found an atom of {symbol} (Z = {unknown}); the features were set up for: {known}")
        return species

    def unchecked(self, numbers: Tensor) -> Tensor:
        """Species (n,) of atomic numbers (n,), below zero for other elements: nothing waits for the device."""
        return self.species_of_number[numbers.clamp(0, len(self.species_of_number) - 1)]
