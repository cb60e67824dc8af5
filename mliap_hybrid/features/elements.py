"""Rows of the elements in tables that features keep for each element."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.species import species_by_number


class ElementRows(torch.nn.Module):
    """Atomic numbers -> rows 0, 1, ... of the elements in ascending order."""

    row_of_number: Tensor

    def __init__(self, elements: Sequence[int]):
        """Take the atomic numbers that may occur, ascending."""
        super().__init__()
        self.elements = tuple(elements)
        self.register_buffer("row_of_number", species_by_number(self.elements), persistent=False)

    def forward(self, numbers: Tensor) -> Tensor:
        """Rows (n,) of atomic numbers (n,).

        Raises
        ------
        InputError
            If there is another element, naming it and the known ones.
        """
        rows = self.row_of_number[numbers.clamp(0, len(self.row_of_number) - 1)]
        if rows.numel() and int(rows.min()) < 0:
            unknown = int(numbers[rows < 0][0])
            symbol = chemical_symbols[unknown] if 0 <= unknown < len(chemical_symbols) else "?"
            known = " ".join(chemical_symbols[z] for z in self.elements)
            raise InputError(f"found an atom of {symbol} (Z = {unknown}); the features were set up for: {known}")
        return rows
