"""Data sets of molecules in .npz files, as many makers have published them.

    rMD17:             nuclear_charges (N,), coords (M, N, 3), energies (M,), forces (M, N, 3); kcal/mol and Å
    MD17, NequIP, ...: z, R, E, F, of the same shapes; E may be a column, and z be of each frame, filled up with zeros

Christensen and von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018 (2020).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.data.file_units import FileUnits
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.units import energy_unit

NAMES = {
    "numbers": ("z", "Z", "nuclear_charges", "atomic_numbers", "numbers", "species"),
    "positions": ("R", "coords", "pos", "positions", "coordinates"),
    "energy": ("E", "energies", "energy"),
    "forces": ("F", "forces", "force"),
}
"""What an entry is -> the names that it has had."""

RMD17 = {"nuclear_charges", "coords", "energies", "forces", "old_indices"}
"""Entries that only rMD17 has together."""


def read_molecules(file: Path) -> tuple[list[Atoms], FileUnits]:
    """All frames of a file.

    Returns
    -------
    list of ase.Atoms
        With energy and forces, where the file has them.
    FileUnits
        kcal/mol of rMD17; of others nobody knows, and their energies stand as in the file.

    Raises
    ------
    InputError
        If positions or elements are missing, or arrays do not fit together.
    """
    names, arrays = _read_arrays(file)
    positions, numbers = arrays["positions"], arrays["numbers"]
    if positions.ndim != 3 or positions.shape[2] != 3 or 0 in positions.shape:
        raise InputError(f"{file}: '{names['positions']}' has shape {positions.shape}; expected (frames, atoms, 3)")
    n_frames, n_atoms, _ = positions.shape
    fits = numbers.shape in ((n_atoms,), (n_frames, n_atoms))
    if not fits:
        raise InputError(
            f"{file}: '{names['numbers']}' has shape {numbers.shape}; expected atomic numbers, ({n_atoms},) or "
            f"({n_frames}, {n_atoms})"
        )
    if not np.isin(numbers, np.arange(119)).all():
        raise InputError(
            f"{file}: '{names['numbers']}' is {quoted(numbers.tolist())}; expected atomic numbers, 0 where there is no "
            "atom"
        )
    numbers = np.broadcast_to(numbers.astype(int), (n_frames, n_atoms))
    energies, forces = arrays.get("energy"), arrays.get("forces")
    if energies is not None and energies.shape not in ((n_frames,), (n_frames, 1)):
        raise InputError(f"{file}: '{names['energy']}' has shape {energies.shape}; expected ({n_frames},)")
    if forces is not None and forces.shape != positions.shape:
        raise InputError(f"{file}: '{names['forces']}' has shape {forces.shape}; expected {positions.shape}")
    units = FileUnits("kcal/mol") if set(names["all"]) >= RMD17 else FileUnits(known_by="nobody")
    energy = energy_unit(units.energy)
    frames = []
    for row in range(n_frames):
        there = numbers[row] > 0  # (n_atoms,)
        atoms = Atoms(numbers[row][there], positions[row][there])
        results = {}
        if energies is not None:
            results["energy"] = float(energies[row].item()) * energy
        if forces is not None:
            results["forces"] = forces[row][there] * energy
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return frames, units


def _read_arrays(file: Path) -> tuple[dict, dict[str, np.ndarray]]:
    """Names that the entries have, and the entries; "all" -> the names of everything that is there."""
    try:
        archive = np.load(file, allow_pickle=False)
        there = archive.files
        names: dict = {}
        for what, known in NAMES.items():
            name = next((name for name in known if name in there), None)
            if name is not None:
                names[what] = name
        arrays = {what: np.asarray(archive[name]) for what, name in names.items()}
    except Exception as error:  # damaged archives and arrays raise errors of many kinds in zipfile and numpy
        raise InputError(f"{file} is not an .npz file of numbers: {quoted(error)}") from None
    missing = [what for what in ("positions", "numbers") if what not in names]
    if missing:
        raise InputError(
            f"{file}: no entry of the .npz file is known to be the {missing[0]} of the atoms; expected one of "
            f"{', '.join(NAMES[missing[0]])}; found {quoted(', '.join(there) or 'nothing')}"
        )
    for what, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise InputError(f"{file}: '{names[what]}' is of type {quoted(array.dtype)}; expected numbers")
    return {**names, "all": there}, arrays
