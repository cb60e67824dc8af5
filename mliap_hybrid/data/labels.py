"""Find the labels of a frame and check them: a refusal names the file, the frame and the keys that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.units import energy_unit, length_unit

STRESS_ASYMMETRY = 1e-3
"""Largest antisymmetric part of a stress label, relative to its largest entry: above it the label is wrong."""


LABELS = ("energy", "forces", "stress", "charges", "dipole", "born_charges")
"""What a model can be trained on: settings under `data.keys`."""


@dataclass(frozen=True)
class Frame:
    """One structure of a file, with the words that name it in messages."""

    atoms: Atoms
    source: str
    """File and index, such as ``nacl.extxyz, frame 3``."""


@dataclass(frozen=True)
class Labels:
    """Checked labels of one frame in eV, Å and e; None where they were not asked for or are missing."""

    energy: float | None = None
    """eV."""
    forces: np.ndarray | None = None
    """(n_atoms, 3) eV/Å."""
    virial: np.ndarray | None = None
    """(3, 3) eV: -V * stress."""
    charges: np.ndarray | None = None
    """(n_atoms,) e."""
    dipole: np.ndarray | None = None
    """(3,) e Å, about the origin."""
    born_charges: np.ndarray | None = None
    """(n_atoms, 3, 3) e."""
    total_charge: float = 0.0
    """e."""


def read_labels(frame: Frame, keys: LabelKeys, units: LabelUnits, allow_missing: bool = False) -> Labels:
    """Labels of `frame` under the names `keys`, converted to eV and Å.

    Parameters
    ----------
    frame : Frame
    keys : LabelKeys
    units : LabelUnits
    allow_missing : bool
        Whether a label may be missing; it is None then. The total charge may not.

    Raises
    ------
    InputError
        If a label is missing, has another shape than expected, or is not finite; if a stress belongs to a frame
        that is not periodic in three directions, or is not symmetric; if a dipole moment belongs to a periodic frame.
    """
    n_atoms = len(frame.atoms)
    energy, length = energy_unit(units.energy), length_unit(units.length)
    wanted = {label: getattr(keys, label) for label in LABELS}
    if allow_missing:
        wanted = {label: key if key is not None and has_label(frame, key) else None for label, key in wanted.items()}
    total = forces = charges = dipole = born_charges = virial = None
    if (key := wanted["energy"]) is not None:
        total = float(find_label(frame, key, "energy", ())) * energy
    if (key := wanted["forces"]) is not None:
        forces = find_label(frame, key, "forces", (n_atoms, 3)) * (energy / length)
    if (key := wanted["charges"]) is not None:
        charges = find_label(frame, key, "charges", (n_atoms,))
    if (key := wanted["dipole"]) is not None:
        dipole = _dipole(frame, key) * length
    if (key := wanted["born_charges"]) is not None:
        born_charges = _born_charges(frame, key)
    if (key := wanted["stress"]) is not None:
        virial = -_stress(frame, key) * _volume(frame) * energy  # (3, 3)
    total_charge = 0.0
    if keys.total_charge is not None:
        total_charge = float(find_label(frame, keys.total_charge, "total_charge", ()))
    return Labels(
        energy=total,
        forces=forces,
        virial=virial,
        charges=charges,
        dipole=dipole,
        born_charges=born_charges,
        total_charge=total_charge,
    )


def find_label(frame: Frame, key: str, label: str, shape: tuple[int, ...]) -> np.ndarray:
    """Value stored under `key`, wherever ASE put it.

    Parameters
    ----------
    frame : Frame
    key : str
        Name in the file.
    label : str
        Name of the setting ``data.keys.<label>``, for messages.
    shape : tuple of int
        Shape expected.

    Returns
    -------
    array, shape `shape`, in the file's unit

    Raises
    ------
    InputError
        If it is missing, of another shape, or not finite.
    """
    value = _as_floats(lookup(frame, key, f"data.keys.{label}"), frame, key)
    if value.shape != shape:
        raise InputError(f"{frame.source}: '{key}' has shape {value.shape}, but data.keys.{label} needs shape {shape}")
    if not np.isfinite(value).all():
        first = np.argwhere(~np.isfinite(value))[0]
        where = f" of atom {first[0]}" if shape and shape[0] == len(frame.atoms) else ""
        raise InputError(
            f"{frame.source}: '{key}'{where} is {value[tuple(first)]}; expected a finite number, "
            "so remove the frame or label it again"
        )
    return value


def lookup(frame: Frame, key: str, setting: str) -> Any:
    """Entry `key` of the frame, or an `InputError` that lists the entries it has."""
    places = entries(frame.atoms)
    for content in places.values():
        if key in content:
            return content[key]
    found = "; ".join(f"{place}: {', '.join(sorted(content)) or 'nothing'}" for place, content in places.items())
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


def _as_floats(value: Any, frame: Frame, key: str) -> np.ndarray:
    try:
        return np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{frame.source}: '{key}' is {value!r}; expected numbers") from None


def _dipole(frame: Frame, key: str) -> np.ndarray:
    """(3,) e times the file's length."""
    if frame.atoms.pbc.any():
        raise InputError(
            f"{frame.source}: a dipole moment needs a molecule, found pbc {frame.atoms.pbc.tolist()}: where atoms "
            "repeat, it depends on the choice of the cell; set data.keys.dipole to null, or use Born effective charges"
        )
    return find_label(frame, key, "dipole", (3,))


def _born_charges(frame: Frame, key: str) -> np.ndarray:
    """(n_atoms, 3, 3) e, of a file that may hold 9 or 3 x 3 numbers for each atom."""
    n_atoms = len(frame.atoms)
    shape = np.shape(lookup(frame, key, "data.keys.born_charges"))
    born = find_label(frame, key, "born_charges", (n_atoms, 9) if shape == (n_atoms, 9) else (n_atoms, 3, 3))
    return born.reshape(n_atoms, 3, 3)


def _stress(frame: Frame, key: str) -> np.ndarray:
    """(3, 3) stress in the units of the file, which may hold 6 (xx yy zz yz xz xy), 9 or 3 x 3 numbers."""
    shape = np.shape(lookup(frame, key, "data.keys.stress"))
    stress = find_label(frame, key, "stress", shape if shape in ((6,), (9,)) else (3, 3))
    if shape == (6,):
        return voigt_6_to_full_3x3_stress(stress)
    stress = stress.reshape(3, 3)
    asymmetry = np.abs(stress - stress.T).max()
    if asymmetry > STRESS_ASYMMETRY * max(np.abs(stress).max(), 1e-12):
        raise InputError(f"{frame.source}: the stress '{key}' is not symmetric: {stress.tolist()}")
    return (stress + stress.T) / 2


def _volume(frame: Frame) -> float:
    """Volume of the cell in the units of the file."""
    if not frame.atoms.pbc.all():
        raise InputError(
            f"{frame.source}: a stress needs a cell that is periodic in three directions, found pbc "
            f"{frame.atoms.pbc.tolist()}; set data.keys.stress to null for this data"
        )
    return float(frame.atoms.get_volume())
