"""Files of the `sgdml` package (.npz): what both its data sets and its models share, and data sets as frames.

    data set: type 'd', z (N,), R (M, N, 3), E (M,), F (M, N, 3), r_unit, e_unit, lattice (columns)
    model:    type 'm', z, sig, c, std, R_desc (d, M), R_d_desc_alpha (M, d), alphas_E (M,), perms (G, N), lattice

Without units they are Å and kcal/mol.

Chmiela et al., Comput. Phys. Commun. 240, 38 (2019); files of version 1.0.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.data.file_units import FileUnits
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.units import energy_unit, length_unit

LENGTH_NAMES = {
    "Ang": "Å",
    "ang": "Å",
    "A": "Å",
    "Angstrom": "Å",
    "bohr": "bohr",
    "Bohr": "bohr",
    "a0": "bohr",
    "au": "bohr",
    "a.u.": "bohr",
}
"""Names of lengths in such files -> names of ours."""

ENERGY_NAMES = {
    "eV": "eV",
    "kcal/mol": "kcal/mol",
    "kJ/mol": "kJ/mol",
    "Ha": "Ha",
    "Eh": "Ha",
    "hartree": "Ha",
    "Hartree": "Ha",
    "au": "Ha",
    "a.u.": "Ha",
}
"""Names of energies in such files -> names of ours."""

OPTIONAL = ("type", "c", "alphas_E", "lattice", "r_unit", "e_unit")
"""Entries that a file may have beside those that it must have."""

WORDS = ("type", "r_unit", "e_unit")
"""Entries that are no numbers."""


def is_sgdml_npz(file: Path) -> bool:
    """Whether the file is an .npz archive with an entry `type`, as the package writes it."""
    if file.suffix != ".npz":
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            return "type.npy" in archive.namelist()
    except Exception:  # no archive, or one whose directory is damaged: whoever reads it next says so
        return False


def read_sgdml_frames(file: Path) -> tuple[list[Atoms], FileUnits]:
    """A data set as structures with energy in eV and forces in eV/Å, and the units that it was converted from.

    Raises
    ------
    InputError
        If the file is no data set of the package, or its arrays do not fit together.
    """
    arrays = read_arrays(file, "d", "data set", ("z", "R", "E", "F"))
    length, energy = units_of(arrays, file)
    numbers, cell = numbers_of(arrays, file), cell_of(arrays, length, file)
    n_frames = len(arrays["R"]) if arrays["R"].ndim else 0
    if arrays["E"].shape == (n_frames, 1):  # the package squeezes such columns
        arrays["E"] = arrays["E"][:, 0]
    for key, shape in (("R", (n_frames, len(numbers), 3)), ("E", (n_frames,)), ("F", (n_frames, len(numbers), 3))):
        if arrays[key].shape != shape:
            raise InputError(f"{file}: '{key}' has shape {arrays[key].shape}; expected {shape}")
        if not np.isfinite(arrays[key]).all():
            frame = int(np.argwhere(~np.isfinite(arrays[key]))[0][0])
            raise InputError(f"{file}, frame {frame}: '{key}' is not finite; remove the frame or label it again")
    if n_frames == 0:
        raise InputError(f"{file} holds no frame")
    frames = []
    for positions, label, forces in zip(arrays["R"], arrays["E"], arrays["F"], strict=True):
        atoms = Atoms(numbers, positions * length, cell=cell, pbc=cell is not None)
        atoms.calc = SinglePointCalculator(atoms, energy=float(label) * energy, forces=forces * (energy / length))
        frames.append(atoms)
    says_units = "r_unit" in arrays and "e_unit" in arrays
    length_name, energy_name = unit_names(arrays, file)
    return frames, FileUnits(energy_name, length_name, "file" if says_units else "format")


def read_arrays(file: Path, kind: str, word: str, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of a file; entries that are pickled (statistics of errors) are left alone.

    Parameters
    ----------
    file : Path
    kind : {"d", "m"}
        Data set or model.
    word : str
        The same in words.
    needed : sequence of str
        Entries that must be there.

    Raises
    ------
    InputError
        If the file is none of the package, or of the other kind, or an entry is not of numbers.
    """
    if not file.is_file():
        raise InputError(f"the file {file} does not exist")
    try:
        archive = np.load(file, allow_pickle=False)
        arrays = {key: archive[key] for key in archive.files if key in (*needed, *OPTIONAL)}
    except Exception as error:  # damaged archives and arrays raise errors of many kinds in zipfile and numpy
        raise InputError(f"{file} is not an .npz file of the sgdml package: {quoted(error)}") from None
    found = str(_text(arrays.get("type", np.array("nothing"))))
    if found != kind:
        raise InputError(
            f"{file} is not a {word} of the sgdml package: its 'type' is '{quoted(found)}', expected '{kind}'"
        )
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise InputError(f"{file}: the {word} has no '{missing[0]}'; found {', '.join(sorted(archive.files))}")
    for key, array in arrays.items():
        if key not in WORDS and array.dtype.kind not in "fiu":
            raise InputError(f"{file}: '{key}' is of type {quoted(array.dtype)}; expected numbers")
    return arrays


def numbers_of(arrays: dict[str, np.ndarray], file: Path) -> np.ndarray:
    """Atomic numbers (n_atoms,); raises InputError where they are none."""
    numbers = arrays["z"]
    if numbers.ndim != 1 or not np.isin(numbers, np.arange(1, 119)).all():
        raise InputError(f"{file}: 'z' is {quoted(numbers.tolist())}; expected the atomic number of each atom")
    return numbers.astype(np.int64)


def units_of(arrays: dict[str, np.ndarray], file: Path) -> tuple[float, float]:
    """Length in Å and energy in eV; raises InputError where one is unknown."""
    length, energy = unit_names(arrays, file)
    return length_unit(length), energy_unit(energy)


def unit_names(arrays: dict[str, np.ndarray], file: Path) -> tuple[str, str]:
    """Our names of the units of length and energy; raises InputError where one is unknown."""
    length = _text(arrays.get("r_unit", np.array("Ang")))
    energy = _text(arrays.get("e_unit", np.array("kcal/mol")))
    if length not in LENGTH_NAMES or energy not in ENERGY_NAMES:
        raise InputError(
            f"{file}: units '{quoted(length)}' and '{quoted(energy)}'; known are {', '.join(LENGTH_NAMES)}, and "
            f"{', '.join(ENERGY_NAMES)}"
        )
    return LENGTH_NAMES[length], ENERGY_NAMES[energy]


def cell_of(arrays: dict[str, np.ndarray], length: float, file: Path) -> np.ndarray | None:
    """Lattice vectors as rows (3, 3), Å, of a file with lengths in `length` Å; None where it has none.

    Raises
    ------
    InputError
        If they are not three vectors.
    """
    if "lattice" not in arrays:
        return None
    if arrays["lattice"].shape != (3, 3):
        raise InputError(f"{file}: 'lattice' has shape {arrays['lattice'].shape}; expected (3, 3)")
    return np.ascontiguousarray(arrays["lattice"].T, dtype=float) * length


def _text(array: np.ndarray) -> str:
    value = array.item() if array.size == 1 else array.tolist()
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
