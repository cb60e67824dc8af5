"""Extended xyz through ASE, without five of its limits.

ASE takes a blank line in the place of the next number of atoms for the end of the file. It makes six numbers of the
nine of a `stress`, so that one that is not symmetric could not be told. And tensors in nested brackets, as the library
extxyz of libAtoms writes them, it refuses, or cuts to a word if their name is not `stress` or `virial`. A `stress` or
`virial` of six numbers it refuses, too. Files that end within a frame are told before it reads them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.errors import InputError, quoted

STRESS = re.compile(r"""(?:^|\s)stress=["'{\[]([^"'}\]]*)["'}\]]""")
"""Entry `stress` of a comment line."""

NESTED = re.compile(r"""(^|\s)((?!Lattice)\w+)=["']?\[\s*(\[[^"'=]*?\])\s*\]["']?""")
"""Entry in nested brackets, row by row; of a cell nobody knows whether they are rows."""


SIX = re.compile(r"""(^|\s)(stress|virial)=(["'{\[]\s*[-+.\deE]+(?:[\s,]+[-+.\deE]+){5}\s*["'}\]])""")
"""Entry of six numbers under a name that ASE wants nine under."""

ASIDE = "six_numbers_of_"
"""Before such a name while ASE reads the file."""


def read_extxyz(text: str) -> list[Atoms]:
    """All frames of a file.

    Parameters
    ----------
    text : str
        The whole file.

    Returns
    -------
    list of ase.Atoms
        A `stress` of nine numbers stands in the calculator's results as 3 x 3, as in the file.

    Raises
    ------
    InputError
        If a frame announces more atoms than there are, or ASE gives another number of frames than the file has.
    """
    lines = text.split("\n")
    check_end(io.StringIO(text))
    starts = frame_starts(lines)
    if starts is not None:
        is_changed = _flatten(lines, starts) | _set_aside(lines, starts)  # both
        if is_changed or _has_blank_between(lines, starts):
            text = "\n".join(line for start, end in starts for line in lines[start:end]) + "\n"
    structures = list(ase.io.iread(io.StringIO(text), index=":", format="extxyz"))
    for atoms in structures:
        _take_back(atoms)
    if starts is None:
        return structures
    if len(structures) != len(starts):
        raise InputError(
            f"an extended xyz file has {len(starts)} frames, of which ASE reads {len(structures)}: look at the line "
            "after the last of them"
        )
    for atoms, (start, _) in zip(structures, starts, strict=True):
        if (stress := _nine_numbers(lines[start + 1])) is not None and atoms.calc is not None:
            atoms.calc.results["stress"] = stress
    return structures


def check_end(lines: Iterable[str]) -> None:
    """Refuse a file that ends within a frame.

    Parameters
    ----------
    lines : iterable of str
        Of the whole file.

    Raises
    ------
    InputError
        If the last frame announces more atoms than there are lines.
    """
    n_left = n_atoms = 0
    for line in lines:
        if n_left > 0:
            n_left -= 1
        elif line.strip() and not line.lstrip().startswith("VEC"):
            try:
                n_atoms = int(line)
            except ValueError:
                return  # ASE says so, and goes no farther
            n_left = 1 + max(n_atoms, 0)
    if n_left > 0:
        raise InputError(
            f"an extended xyz file ends within a frame that announces {quoted(n_atoms)} atoms: is it cut off, or is "
            "the number of atoms wrong?"
        )


def frame_starts(lines: list[str]) -> list[tuple[int, int]] | None:
    """First line, and line after the last, of each frame; None where a number of atoms is not one.

    Parameters
    ----------
    lines : list of str
        Of the whole file.
    """
    starts, at = [], 0
    while at < len(lines):
        if not lines[at].strip():
            at += 1
            continue
        try:
            n_atoms = int(lines[at])
        except ValueError:
            return None
        end = at + 2 + max(n_atoms, 0)
        while end < len(lines) and lines[end].lstrip().startswith("VEC"):
            end += 1
        starts.append((at, end))
        at = end
    return starts


def _flatten(lines: list[str], starts: list[tuple[int, int]]) -> bool:
    """Write nested tensors of the comment lines as numbers in a row, in place; whether there were some."""
    is_nested = False
    for start, _ in starts:
        if start + 1 < len(lines):
            flat = NESTED.sub(_in_a_row, lines[start + 1])
            is_nested |= flat != lines[start + 1]
            lines[start + 1] = flat
    return is_nested


def _set_aside(lines: list[str], starts: list[tuple[int, int]]) -> bool:
    """Give entries of six numbers another name, in place; whether there were some."""
    is_there = False
    for start, _ in starts:
        if start + 1 < len(lines) and SIX.search(lines[start + 1]):
            lines[start + 1] = SIX.sub(rf"\1{ASIDE}\2=\3", lines[start + 1])
            is_there = True
    return is_there


def _take_back(atoms: Atoms) -> None:
    """Six numbers of a stress to the calculator's results, and of a virial to ``info``."""
    virial, stress = (atoms.info.pop(ASIDE + name, None) for name in ("virial", "stress"))
    if virial is not None:
        atoms.info["virial"] = np.asarray(virial, dtype=float)
    if stress is not None:
        atoms.calc = atoms.calc or SinglePointCalculator(atoms)
        atoms.calc.results["stress"] = np.asarray(stress, dtype=float)


def _in_a_row(found: re.Match[str]) -> str:
    """Column by column, as ASE reads nine numbers of a tensor; an entry that is no 3 x 3 tensor stays."""
    rows = [row.replace(",", " ").split() for row in re.findall(r"\[([^\[\]]*)\]", found[3])]
    if [len(row) for row in rows] != [3, 3, 3]:
        return found[0]
    columns = zip(*rows, strict=True)
    return f'{found[1]}{found[2]}="{" ".join(word for column in columns for word in column)}"'


def _has_blank_between(lines: list[str], starts: list[tuple[int, int]]) -> bool:
    """Whether something other than the next frame stands between two frames, or before the first."""
    ends = [0] + [end for _, end in starts]
    return any(start != end for end, (start, _) in zip(ends, starts, strict=False))


def _nine_numbers(comment: str) -> np.ndarray | None:
    """(3, 3) of the entry `stress`, if it has nine numbers."""
    found = STRESS.search(comment)
    if found is None:
        return None
    try:
        numbers = [float(word) for word in found[1].replace(",", " ").split()]
    except ValueError:
        return None
    return np.array(numbers).reshape(3, 3).T if len(numbers) == 9 else None
