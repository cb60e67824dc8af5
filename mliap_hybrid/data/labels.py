"""Find the labels of a frame and check them: a refusal names the file, the frame and the keys that are there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.file_units import energy_factor, length_factor
from mliap_hybrid.data.frames import Frame, has_label, lookup
from mliap_hybrid.data.numbers import find_numbers
from mliap_hybrid.data.stress_labels import find_virial
from mliap_hybrid.errors import InputError

LABELS = ("energy", "forces", "stress", "virial", "charges", "dipole", "born_charges")
"""What a model can be trained on: settings under `data.keys`."""

OF_CRYSTALS = ("stress", "virial")
"""Labels that have a meaning where a frame is periodic in three directions."""

OF_MOLECULES = ("dipole",)
"""Labels that have a meaning where a frame is periodic in none."""


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
    length = length_factor(frame.units, units, frame.source)
    wanted = {label: getattr(keys, label) for label in LABELS}
    if allow_missing:
        wanted = {label: key if has_useful_label(frame, label, key) else None for label, key in wanted.items()}
    in_energies = any(wanted[label] is not None for label in ("energy", "forces", "stress", "virial"))
    energy = energy_factor(frame.units, units, frame.source) if in_energies else 1.0
    total = forces = charges = dipole = born_charges = virial = None
    if (key := wanted["energy"]) is not None:
        total = float(find_numbers(frame, key, "energy", ())) * energy
    if (key := wanted["forces"]) is not None:
        forces = find_numbers(frame, key, "forces", (n_atoms, 3)) * (energy / length)
    if (key := wanted["charges"]) is not None:
        charges = find_numbers(frame, key, "charges", (n_atoms,))
    if (key := wanted["dipole"]) is not None:
        dipole = _dipole(frame, key) * length
    if (key := wanted["born_charges"]) is not None:
        born_charges = _born_charges(frame, key)
    if wanted["stress"] is not None or wanted["virial"] is not None:
        virial = find_virial(frame, keys.model_copy(update=wanted), units, energy, length)  # (3, 3)
    total_charge = 0.0
    if keys.total_charge is not None:
        total_charge = float(find_numbers(frame, keys.total_charge, "total_charge", ()))
    return Labels(
        energy=total,
        forces=forces,
        virial=virial,
        charges=charges,
        dipole=dipole,
        born_charges=born_charges,
        total_charge=total_charge,
    )


def has_meaning(frame: Frame, label: str) -> bool:
    """Whether a frame of these periodic directions can have the label."""
    if label in OF_CRYSTALS:
        return bool(frame.atoms.pbc.all())
    return label not in OF_MOLECULES or not bool(frame.atoms.pbc.any())


def has_useful_label(frame: Frame, label: str, key: str | None) -> bool:
    """Whether the frame has the label under `key`, is of a kind that can have it, and it is not NaN throughout."""
    return key is not None and has_meaning(frame, label) and has_label(frame, key)


def _dipole(frame: Frame, key: str) -> np.ndarray:
    """(3,) e times the file's length."""
    if frame.atoms.pbc.any():
        raise InputError(
            f"{frame.source}: a dipole moment needs a molecule, found pbc {frame.atoms.pbc.tolist()}: where atoms "
            "repeat, it depends on the choice of the cell; set data.keys.dipole to null, or use Born effective charges"
        )
    return find_numbers(frame, key, "dipole", (3,))


def _born_charges(frame: Frame, key: str) -> np.ndarray:
    """(n_atoms, 3, 3) e, of a file that may hold 9 or 3 x 3 numbers for each atom."""
    n_atoms = len(frame.atoms)
    shape = np.shape(lookup(frame, key, "data.keys.born_charges"))
    born = find_numbers(frame, key, "born_charges", (n_atoms, 9) if shape == (n_atoms, 9) else (n_atoms, 3, 3))
    return born.reshape(n_atoms, 3, 3)
