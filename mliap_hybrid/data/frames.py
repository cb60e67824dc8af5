"""A frame of a file: a structure, what it carries beside it, and the units that its numbers were in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from mliap_hybrid.data.file_units import EV_AND_ANGSTROM, FileUnits
from mliap_hybrid.errors import InputError, did_you_mean, quoted

MOST_NAMES = 40
"""Entries that a message lists."""


@dataclass(frozen=True)
class Frame:
    """One structure of a file, with the words that name it in messages."""

    atoms: Atoms
    source: str
    """File and index, such as ``nacl.extxyz, frame 3``."""
    units: FileUnits = EV_AND_ANGSTROM
    """Units that the reader took the file's numbers to be in."""


def entries(atoms: Atoms) -> dict[str, Mapping[str, Any]]:
    """Everything a frame carries beside its structure, by place.

    ASE moves energy, forces and stress of a file to a calculator, and the columns of a database row to ``info``.
    """
    info = {str(name): value for name, value in atoms.info.items()}
    for nested in ("key_value_pairs", "data"):
        info.update(info.pop(nested, {}))
    arrays = {name: value for name, value in atoms.arrays.items() if name not in ("numbers", "positions")}
    results = atoms.calc.results if atoms.calc is not None else {}
    return {"info": info, "arrays": arrays, "calculator": results}


def lookup(frame: Frame, key: str, setting: str) -> Any:
    """Entry `key` of the frame, or an `InputError` that lists the entries it has."""
    places = entries(frame.atoms)
    for content in places.values():
        if key in content:
            return content[key]
    found = "; ".join(f"{place}: {_listed(content)}" for place, content in places.items())
    known = sorted({name for content in places.values() for name in content})
    near = did_you_mean(key, known)
    hint = f" ({near})" if near.startswith("did you mean") else ""
    raise InputError(f"{frame.source}: no entry '{key}', which {setting} names{hint}. Found in {found}")


def has_entry(frame: Frame, key: str) -> bool:
    """Whether the frame has an entry `key`, wherever ASE put it."""
    return any(key in content for content in entries(frame.atoms).values())


def has_label(frame: Frame, key: str) -> bool:
    """Whether the frame has an entry `key` that is not NaN throughout, as some files mark labels that are missing."""
    for content in entries(frame.atoms).values():
        if key in content:
            value = np.asarray(content[key])
            return not (value.dtype.kind == "f" and np.isnan(value).all())
    return False


def _listed(content: Mapping[str, Any]) -> str:
    names = [quoted(name) for name in sorted(content)]
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) + more) or "nothing"
