"""The option of the command line for the elements of dumps of LAMMPS, of all verbs that read frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Elements = Annotated[
    str,
    typer.Option(
        "--elements",
        help="Elements of the atom types in order ('Na Cl'), for dumps of LAMMPS without a column element.",
    ),
]
"""Of the parameter `elements` of a verb."""


def split_elements(text: str) -> list[str]:
    """Symbols with blanks or commas between."""
    return text.replace(",", " ").split()


def elements_of_types(text: str, files: Sequence[Path]) -> list[str]:
    """Elements that the user names.

    Parameters
    ----------
    text : str
        Empty where nothing was said.
    files : sequence of Path
        What is read.

    Raises
    ------
    InputError
        If one is no element, or none of the files is a dump.
    """
    from mliap_hybrid.data.formats import check_elements_apply

    elements = split_elements(text)
    check_elements_apply(elements, files, "--elements")
    return elements
