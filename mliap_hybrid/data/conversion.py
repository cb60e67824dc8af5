"""Frames of any format as ASE's structures in eV and Å, with labels under the names that training looks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.file_units import length_factor
from mliap_hybrid.data.frames import Frame, entries, has_entry, has_label, lookup
from mliap_hybrid.data.labels import Labels, read_labels
from mliap_hybrid.data.total_charges import CHARGES, MULTIPLICITIES, SPINS, ChargesAndSpins

USUAL_NAMES = {
    "energy": (
        "energy",
        "Energy",
        "REF_energy",
        "dft_energy",
        "DFT_energy",
        "ref_energy",
        "TotEnergy",
        "total_energy",
        "E",
    ),
    "forces": (
        "forces",
        "force",
        "Forces",
        "REF_forces",
        "dft_forces",
        "dft_force",
        "DFT_forces",
        "ref_forces",
        "ref_force",
    ),
    "stress": ("stress", "Stress", "REF_stress", "dft_stress", "DFT_stress", "ref_stress"),
    "virial": ("virial", "virials", "Virial", "REF_virial", "REF_virials", "dft_virial", "DFT_virial", "ref_virial"),
    "charges": ("charges", "atomic_charges", "mulliken_charges", "hirshfeld_charges"),
    "dipole": ("dipole", "REF_dipole", "dipole_moment"),
}
"""Label -> the names it goes by, the first that a frame has."""

FREE_ENERGY = "free_energy"
"""Of the electrons, whose derivatives forces are: taken before `energy`, which ASE extrapolates to 0 K."""

OF_A_CALCULATOR = ("energy", "forces", "stress", "charges", "dipole", "free_energy", "magmoms")


def found_keys(frames: Sequence[Frame], given: Mapping[str, str]) -> LabelKeys:
    """Names of the labels of frames: those that are given, and usual ones for the others.

    Parameters
    ----------
    frames : sequence of Frame
    given : mapping of str to str
        Setting under `data.keys` -> name.

    Raises
    ------
    InputError
        If no frame has an entry of a name that is given.
    """
    for label, key in given.items():
        if not any(has_entry(frame, key) for frame in frames):
            lookup(frames[0], key, f"--{label.replace('_', '-')}-key")
    names: dict[str, str | None] = {label: None for label in LabelKeys.model_fields} | {"energy": "energy"}
    for label, usual in USUAL_NAMES.items():
        names[label] = next((name for name in usual if any(_has(frame, label, name) for frame in frames)), names[label])
    if all(has_label(frame, FREE_ENERGY) for frame in frames):
        names["energy"] = FREE_ENERGY
    if names["stress"] is not None:
        names["virial"] = None
    if {"stress", "virial"} & set(given):
        names["stress"] = names["virial"] = None
    return LabelKeys.model_validate({**names, **given})


def converted(frame: Frame, keys: LabelKeys, units: LabelUnits, said: ChargesAndSpins, index: int) -> Atoms:
    """One frame in eV and Å.

    Parameters
    ----------
    frame : Frame
    keys : LabelKeys
        Names of its labels, each of which it may lack.
    units : LabelUnits
    said : ChargesAndSpins
        Of all frames.
    index : int
        Of this frame among them.

    Returns
    -------
    ase.Atoms
        `energy`, `forces`, `stress` (ASE's sign), `charges` and `dipole` of a calculator; `total_charge` and
        `multiplicity` in ``info``; all other entries as they were.

    Raises
    ------
    InputError
        As `read_labels`.
    """
    labels = read_labels(frame, keys, units, allow_missing=True)
    length, old = length_factor(frame.units, units, frame.source), frame.atoms
    atoms = Atoms(old.numbers, old.positions * length, cell=old.cell.array * length, pbc=old.pbc)
    _carry_over(frame, atoms, keys)
    _attach(atoms, labels)
    _add_charge_and_spin(atoms, said, index)
    return atoms


def _has(frame: Frame, label: str, name: str) -> bool:
    """Whether the frame has an entry of that name that can be the label."""
    if not has_label(frame, name):
        return False
    n_atoms = len(frame.atoms)
    shapes: dict[str, tuple[int, ...]] = {
        "energy": (),
        "forces": (n_atoms, 3),
        "charges": (n_atoms,),
        "dipole": (3,),
    }
    shape = np.shape(lookup(frame, name, label))
    return shape == shapes[label] if label in shapes else shape in ((6,), (9,), (3, 3))


def _carry_over(frame: Frame, atoms: Atoms, keys: LabelKeys) -> None:
    """Take over the entries that are no labels."""
    named: dict[str, str | None] = keys.model_dump()
    used = set(named.values()) - {keys.config_type}
    places = entries(frame.atoms)
    for name, value in places["info"].items():
        if name not in used and name not in (*CHARGES, *MULTIPLICITIES) and _can_be_written(value):
            atoms.info[name] = value
    for name, array in places["arrays"].items():
        if name not in used:
            atoms.arrays[name] = array


def _attach(atoms: Atoms, labels: Labels) -> None:
    results: dict[str, Any] = {}
    for name, value in labels.values.items():
        if name == "virial":
            stress = -value / atoms.get_volume()  # (3, 3)
            results["stress"] = stress[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
        elif name in OF_A_CALCULATOR:
            results[name] = float(value) if np.ndim(value) == 0 else value
        elif np.ndim(value) and len(value) == len(atoms):
            atoms.arrays[name] = value.reshape(len(atoms), -1)
        else:
            atoms.info[name] = value
    if labels.electric_field is not None:
        atoms.info["electric_field"] = labels.electric_field
    atoms.calc = SinglePointCalculator(atoms, **results)


def frames_of(
    structures: Sequence[Atoms], frames: Sequence[Frame], keys: LabelKeys, said: ChargesAndSpins
) -> tuple[list[Frame], LabelKeys]:
    """Converted structures as frames that know where they came from, and the names of their labels."""
    names: dict[str, str | None] = {}
    for label in LabelKeys.model_fields:
        key = getattr(keys, label)
        names[label] = key if label in ("config_type", "molecules") or key is None else label
    if keys.virial is not None:
        names |= {"virial": None, "stress": "stress"}
    names["total_charge"] = "total_charge" if None not in said.charges else None
    done = [Frame(atoms, frame.source) for atoms, frame in zip(structures, frames, strict=True)]
    return done, LabelKeys.model_validate(names)


def _add_charge_and_spin(atoms: Atoms, said: ChargesAndSpins, index: int) -> None:
    charge, multiplicity = said.charges[index], said.multiplicities[index]
    if charge is not None:
        atoms.info["total_charge"] = charge
    if multiplicity is not None:
        atoms.info["multiplicity"] = multiplicity
        for name in SPINS:
            atoms.info.pop(name, None)


def _can_be_written(value: object) -> bool:
    """Whether extended xyz can hold an entry: a word, a number, or an array of numbers."""
    if isinstance(value, str | bool | int | float | np.generic):
        return True
    return isinstance(value, np.ndarray | list | tuple) and np.asarray(value).dtype.kind in "biuf"
