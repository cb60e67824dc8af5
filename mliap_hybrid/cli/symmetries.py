"""`mliap-hybrid symmetries`: which permutations of atoms leave a molecule the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mliap_hybrid.cli.element_option import Elements, elements_of_types


def symmetries(
    data: Annotated[
        list[Path], typer.Argument(help="Geometries of one molecule (extxyz, ..., sgdml .npz).", show_default=False)
    ],
    elements: Elements = "",
    frames: Annotated[int, typer.Option(min=2, help="Match at most so many of them, evenly chosen.")] = 300,
    largest: Annotated[int, typer.Option(min=1, help="Largest group that is believed.")] = 100,
) -> None:
    """Find the permutation symmetries of a molecule from its geometries and print them as cycles.

    Atoms are counted from 0: (H5 H6 H7) says that the hydrogens 5, 6 and 7 take each other's places in turn.
    """
    from ase.symbols import Symbols

    from mliap_hybrid.cli.console import console_display
    from mliap_hybrid.data.reading import read_frames
    from mliap_hybrid.sgdml.molecules import geometries_from_frames
    from mliap_hybrid.sgdml.symmetries import evenly_chosen, find_symmetries
    from mliap_hybrid.sgdml.symmetries_group import cycle_notation

    numbers, positions, cell = geometries_from_frames(read_frames(data, elements_of_types(elements, data)))
    chosen = positions.numpy()[evenly_chosen(len(positions), frames)]  # (n_chosen, n_atoms, 3)
    with console_display() as display:
        group = find_symmetries(chosen, numbers.numpy(), None if cell is None else cell.numpy(), largest, display.track)
        symbols = Symbols(numbers.numpy())
        display.say(f"{symbols.get_chemical_formula()}: {len(group)} permutations, found in {len(chosen)} frames")
        for permutation in group:
            display.say(cycle_notation(permutation, list(symbols)))
