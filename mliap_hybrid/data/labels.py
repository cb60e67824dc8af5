"""Find the labels of a frame and check them: a refusal names the file, the frame and the keys that are there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.file_units import energy_factor, length_factor
from mliap_hybrid.data.frames import Frame, has_label, lookup
from mliap_hybrid.data.numbers import find_numbers
from mliap_hybrid.data.stress_labels import check_periodic, find_virial
from mliap_hybrid.errors import InputError
from mliap_hybrid.quantities import QUANTITIES, Quantity, quantity_of_key


@dataclass(frozen=True)
class Labels:
    """Checked labels of one frame; those that were not asked for or are missing are left out."""

    values: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Quantity -> label in its unit, with atoms, if atoms have it, as the first axis."""
    total_charge: float = 0.0
    """e."""
    electric_field: np.ndarray | None = None
    """(3,) V/Å; None where there is none."""


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
    length = length_factor(frame.units, units, frame.source)
    wanted = {label: getattr(keys, label) for label in quantity_of_key()}
    if allow_missing:
        wanted = {label: key if has_useful_label(frame, label, key) else None for label, key in wanted.items()}
    named = {name: q for name, q in QUANTITIES.items() if any(wanted[key] is not None for key in q.keys)}
    in_energies = keys.electric_field is not None or any(quantity.energy_power for quantity in named.values())
    energy = energy_factor(frame.units, units, frame.source) if in_energies else 1.0
    values = {}
    for name, quantity in named.items():
        if name == "virial":
            values[name] = find_virial(frame, keys.model_copy(update=wanted), units, energy, length)  # (3, 3)
        else:
            (label,) = quantity.keys
            values[name] = _find(frame, wanted[label], label, quantity) * _factor(quantity, energy, length)
        if not np.isfinite(values[name]).all():
            raise InputError(
                f"{frame.source}: the label '{name}' is too large a number in eV and Å; check the label and data.units"
            )
    total_charge = 0.0
    if keys.total_charge is not None:
        total_charge = float(find_numbers(frame, keys.total_charge, "total_charge", ()))
    electric_field = None
    if keys.electric_field is not None:
        electric_field = find_numbers(frame, keys.electric_field, "electric_field", (3,)) * energy / length
    return Labels(values, total_charge, electric_field)


def has_meaning(frame: Frame, label: str) -> bool:
    """Whether a frame of these periodic directions can have the label."""
    only_of, periodic = quantity_of_key()[label].only_of, frame.atoms.pbc
    return bool(periodic.all()) if only_of == "crystals" else only_of is None or not bool(periodic.any())


def has_useful_label(frame: Frame, label: str, key: str | None) -> bool:
    """Whether the frame has the label under `key`, is of a kind that can have it, and it is not NaN throughout."""
    return key is not None and has_meaning(frame, label) and has_label(frame, key)


def _find(frame: Frame, key: str, label: str, quantity: Quantity) -> np.ndarray:
    """Value in the unit of the file, which may hold the numbers of a matrix in a row."""
    if quantity.only_of == "crystals":
        check_periodic(frame, label)
    elif not has_meaning(frame, label):
        raise InputError(
            f"{frame.source}: a {quantity.noun} needs a molecule, found pbc {frame.atoms.pbc.tolist()}: where atoms "
            f"repeat, it depends on the choice of the cell; set data.keys.{label} to null, or use "
            f"{quantity.in_crystals}"
        )
    of_atoms = (len(frame.atoms),) if quantity.of_atoms else ()
    shape, flat = (*of_atoms, *quantity.shape), (*of_atoms, math.prod(quantity.shape))
    is_flat = len(quantity.shape) > 1 and np.shape(lookup(frame, key, f"data.keys.{label}")) == flat
    return find_numbers(frame, key, label, flat if is_flat else shape).reshape(shape)


def _factor(quantity: Quantity, energy: float, length: float) -> float:
    """What brings a value in the file's units of energy and length to eV and Å, given these units in eV and Å."""
    power = quantity.length_power
    return energy**quantity.energy_power * (length**power if power >= 0 else 1.0) / length ** max(0, -power)
