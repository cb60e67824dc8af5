"""What frames carry, or carry not, that tells of wrong labels or of a wish that nobody follows."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from mliap_hybrid.config import LabelKeys
from mliap_hybrid.data.convergence import UNCONVERGED
from mliap_hybrid.data.frames import Frame, entries, has_entry, has_label, lookup
from mliap_hybrid.data.shared_labels import shared_labels_warning
from mliap_hybrid.data.total_charges import CHARGES
from mliap_hybrid.data.type_elements import WAY_OUT, is_all_carbon
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.quantities import quantity_of_key

WEIGHT = re.compile(r"(^|_)weights?$", re.IGNORECASE)
"""Names of weights of frames, as other trainers read them: config_weight, energy_weight, weight, ..."""

SMEARING = 1e-4
"""Difference of the energy and the free energy of the electrons that is worth a word, eV/atom."""


def check_energies(frames: Sequence[Frame], keys: LabelKeys) -> None:
    """Refuse energies that are the same number in all frames.

    Raises
    ------
    InputError
        With the number and what to do.
    """
    if (sentence := _same_energies(frames, keys)) is not None:
        raise InputError(sentence)


def suspicious_frames(frames: Sequence[Frame], keys: LabelKeys) -> list[str]:
    """Sentences on frames that are not what they seem.

    Parameters
    ----------
    frames : sequence of Frame
        Not empty.
    keys : LabelKeys

    Returns
    -------
    list of str
        Empty where nothing is conspicuous.
    """
    sentences = [
        _same_energies(frames, keys),
        _unconverged(frames),
        _carbon(frames),
        shared_labels_warning(frames, keys),
        _free_energies(frames, keys),
        _weights(frames),
        _total_charges(frames, keys),
        *_zeros(frames, keys),
    ]
    return [sentence for sentence in sentences if sentence is not None]


def _same_energies(frames: Sequence[Frame], keys: LabelKeys) -> str | None:
    """One number for all frames: some formats have no energies, and ASE gives zero."""
    key = keys.energy
    energies = {float(lookup(frame, key, "data.keys.energy")) for frame in frames if _is_number(frame, key)}
    if len(energies) != 1 or not any(_forces_act(frame, keys.forces) for frame in frames):
        return None
    (energy,) = energies
    if energy != 0.0 and len(frames) < 2:
        return None
    return (
        f"{frames[0].source}: '{key}' is {energy:g} in all {len(frames)} frames, so that it is no energy of theirs; "
        "dumps of LAMMPS have none, for example, and are read with zero. Name the energies under data.keys.energy, "
        "write them into the file, or set loss.energy to 0"
    )


def _unconverged(frames: Sequence[Frame]) -> str | None:
    found = [frame.source for frame in frames if frame.atoms.info.get(UNCONVERGED)]
    if not found:
        return None
    return (
        f"the electrons of {len(found)} of {len(frames)} frames did not converge, as their calculation says; first "
        f"{found[0]}: remove these frames or label them again"
    )


def _carbon(frames: Sequence[Frame]) -> str | None:
    found = [frame.source for frame in frames if is_all_carbon(frame.atoms)]
    if not found:
        return None
    return (
        f"all atoms of {len(found)} of {len(frames)} frames are carbon, of several types of LAMMPS; first {found[0]}. "
        f"If they are other elements: {WAY_OUT}"
    )


def _free_energies(frames: Sequence[Frame], keys: LabelKeys) -> str | None:
    """Energies of electrons extrapolated to 0 K beside forces that are derivatives of their free energy."""
    if keys.energy != "energy" or keys.forces is None:
        return None
    differences = []
    for frame in frames:
        results = entries(frame.atoms)["calculator"]
        if "energy" in results and "free_energy" in results:
            differences.append(abs(float(results["energy"]) - float(results["free_energy"])) / len(frame.atoms))
    if not differences or max(differences) < SMEARING:
        return None
    return (
        f"the energies are those extrapolated to electrons at 0 K, up to {1000 * max(differences):.2g} meV/atom from "
        "the free energies, whose derivatives the forces are: set data.keys.energy to free_energy"
    )


def _weights(frames: Sequence[Frame]) -> str | None:
    names = set()
    for frame in frames:
        for name, value in entries(frame.atoms)["info"].items():
            if WEIGHT.search(name) and np.ndim(value) == 0 and value not in (1, 1.0, None):
                names.add(name)
    if not names:
        return None
    return (
        f"the frames have weights ({quoted(', '.join(sorted(names)))}), which nothing reads: all frames count alike; "
        "leave out those that shall not count"
    )


def _total_charges(frames: Sequence[Frame], keys: LabelKeys) -> str | None:
    """Charged frames that are read as neutral."""
    if keys.total_charge is not None:
        return None
    for name in CHARGES:
        values = [lookup(frame, name, "data.keys.total_charge") for frame in frames if has_entry(frame, name)]
        charged = sum(np.ndim(value) == 0 and value not in (0, 0.0, None, "0") for value in values)
        if charged:
            return (
                f"{charged} of {len(frames)} frames have a total charge ('{name}'), which nothing reads: name it under "
                "data.keys.total_charge where the model knows charges"
            )
    return None


def _zeros(frames: Sequence[Frame], keys: LabelKeys) -> list[str]:
    """Labels that are zero throughout, where they are no derivatives of energies, which may vanish."""
    sentences = []
    for label, quantity in quantity_of_key().items():
        key = getattr(keys, label)
        if key is None or quantity.is_sum_of_terms:
            continue
        values = [np.asarray(lookup(frame, key, label)) for frame in frames if has_label(frame, key)]
        if values and all(value.dtype.kind in "fiu" and not value.any() for value in values):
            sentences.append(f"the label '{key}', which data.keys.{label} names, is zero in all {len(values)} frames")
    return sentences


def _is_number(frame: Frame, key: str) -> bool:
    value = lookup(frame, key, "data.keys.energy") if has_entry(frame, key) else None
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _forces_act(frame: Frame, key: str | None) -> bool:
    """Whether some force on the frame is not zero."""
    if key is None or not has_label(frame, key):
        return False
    forces = np.asarray(lookup(frame, key, "data.keys.forces"))
    return forces.dtype.kind in "fiu" and bool(forces.any())
