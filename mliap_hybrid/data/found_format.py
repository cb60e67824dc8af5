"""What a file is, by its first lines: ASE goes by the ending of a name where it knows no better.

ASE takes every other `.out` for an output of Quantum ESPRESSO, every other `.log` for one of Gaussian, and an output of
ABINIT for its input, which it echoes. Of an ending that it does not know it makes the name of a format.
"""

from __future__ import annotations

from pathlib import Path

from ase.io.formats import UnknownFileTypeError, filetype, ioformats, open_with_compression

from mliap_hybrid.errors import InputError

HEAD = 1_000_000
"""Characters in which a program must have said its name."""

DOUBTFUL = ("espresso-out", "gaussian-out", "abinit-in")
"""What ASE says of files that it has not recognised, or not well enough."""

SIGNS = (
    ("Program PWSCF", "espresso-out"),
    ("Entering Gaussian System", "gaussian-out"),
    ("Gaussian, Inc.", "gaussian-out"),
    (" of ABINIT", "abinit-out"),
    ("<modeling>", "vasp-xml"),
)
"""What stands in the first lines -> ASE's name of the format."""


def found_format(file: Path) -> str:
    """ASE's name of the format of a file.

    Parameters
    ----------
    file : Path
        May be compressed.

    Raises
    ------
    InputError
        If nothing says what it is, with the way out.
    """
    try:
        form = filetype(str(file))
    except UnknownFileTypeError:
        form = ""
    if form in ioformats and form not in DOUBTFUL:
        return form
    head = _head(file)
    by_content = "vasp-out" if head.lstrip().startswith("vasp.") else None
    by_content = by_content or next((name for sign, name in SIGNS if sign in head), None)
    if by_content is not None:
        return by_content
    if form == "abinit-in":
        return form
    if "ABACUS" in head:
        raise InputError(
            f"{file} is a log of ABACUS: give the folder of the calculation instead, which holds INPUT, STRU and OUT.*"
        )
    raise InputError(
        f"{file}: neither its name nor its first lines say what it is; expected a format of docs/data.md. If it is "
        "one, say which before the path, FORMAT:path (`ase info --formats`)"
    )


def _head(file: Path) -> str:
    with open_with_compression(str(file), "rb") as stream:
        return str(stream.read(HEAD), encoding="utf-8", errors="replace")
