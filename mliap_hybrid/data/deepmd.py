"""Systems of DeePMD-kit: folders of numpy arrays, in eV and Å.

type.raw        type of each atom, counted from 0
type_map.raw    element of each type
nopbc           where it is there, nothing is periodic
set.*/          box.npy (M, 9), coord.npy (M, 3N), energy.npy (M,), force.npy (M, 3N), virial.npy (M, 9), and
                real_atom_types.npy (M, N), the types of each frame, -1 for an atom that is not there
                spin.npy (M, 3N), magnetic moments
*.raw           the same arrays as text, a frame in each line, where there is no folder set.*

Wang et al., Comput. Phys. Commun. 228, 178 (2018); deepmd-kit, doc/data/system.md.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from mliap_hybrid.errors import InputError, quoted


def deepmd_systems(folder: Path) -> list[Path]:
    """Systems that a folder is or holds, at any depth, in order of their names.

    Raises
    ------
    InputError
        If there is none.
    """
    found = sorted(path.parent for path in folder.rglob("type.raw"))
    if not found:
        inside = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
        raise InputError(
            f"the data {folder} is a folder: expected a system of DeePMD-kit (type.raw, type_map.raw, "
            f"set.000/coord.npy, ...), found {quoted(inside)}"
        )
    return found


def read_deepmd(folder: Path) -> list[Atoms]:
    """All frames of a system.

    Returns
    -------
    list of ase.Atoms
        With energy in eV and forces in eV/Å, and the entry ``virial`` (3, 3) in eV, each where the system has it.

    Raises
    ------
    InputError
        If a file is missing, or they do not fit together.
    """
    sets = sorted(path for path in folder.glob("set.*") if path.is_dir())
    if not sets and not (folder / "coord.raw").is_file():
        raise InputError(f"the DeePMD system {folder} has no folder set.000, and no coord.raw; expected one of them")
    types = _words(folder / "type.raw")
    if not (folder / "type_map.raw").is_file():
        raise InputError(f"the DeePMD system {folder} has no type_map.raw: write the element of each type into it")
    names = _words(folder / "type_map.raw")
    unknown = [name for name in names if atomic_numbers.get(name, 0) == 0]
    if unknown:
        raise InputError(f"{folder / 'type_map.raw'}: '{quoted(unknown[0])}' is not an element; name each type's")
    elements = np.array([atomic_numbers[name] for name in names])
    if not types or not {*types} <= {str(number) for number in range(len(names))}:
        raise InputError(f"{folder / 'type.raw'}: expected a type from 0 to {len(names) - 1} for each atom")
    numbers = elements[[int(word) for word in types]]  # (n_atoms,)
    periodic = not (folder / "nopbc").exists()
    return [atoms for one in sets or [folder] for atoms in _read_set(one, numbers, elements, periodic)]


def _read_set(folder: Path, numbers: np.ndarray, elements: np.ndarray, periodic: bool) -> list[Atoms]:
    n_atoms = len(numbers)
    coordinates = _array(folder / "coord", 3 * n_atoms, None)
    if coordinates is None:
        raise InputError(f"{folder} has no coord.npy")
    n_frames = len(coordinates)
    boxes = _array(folder / "box", 9, n_frames)
    if periodic and boxes is None:
        raise InputError(f"{folder} has no box.npy; expected one, or a file nopbc beside type.raw")
    energies, forces = _array(folder / "energy", 1, n_frames), _array(folder / "force", 3 * n_atoms, n_frames)
    virials, types = (
        _array(folder / "virial", 9, n_frames),
        _array(folder / "real_atom_types", n_atoms, n_frames),
    )
    spins = _array(folder / "spin", 3 * n_atoms, n_frames)
    if types is not None and not np.isin(types, np.arange(-1, len(elements))).all():
        raise InputError(f"{folder / 'real_atom_types.npy'}: expected types from -1 to {len(elements) - 1}")
    frames = []
    for row in range(n_frames):
        there = np.full(n_atoms, True) if types is None else types[row] >= 0  # (n_atoms,)
        of_frame = numbers if types is None else elements[types[row][there].astype(int)]
        cell = boxes[row].reshape(3, 3) if periodic and boxes is not None else None
        atoms = Atoms(of_frame, coordinates[row].reshape(-1, 3)[there], cell=cell, pbc=periodic)
        results: dict[str, float | np.ndarray] = {}
        if energies is not None:
            results["energy"] = float(energies[row, 0])
        if forces is not None:
            results["forces"] = forces[row].reshape(-1, 3)[there]
        if spins is not None:
            results["magmoms"] = spins[row].reshape(-1, 3)[there]
        atoms.calc = SinglePointCalculator(atoms, **results)
        if virials is not None:
            atoms.info["virial"] = virials[row].reshape(3, 3)
        frames.append(atoms)
    return frames


def _array(stem: Path, n_columns: int, n_frames: int | None) -> np.ndarray | None:
    """(n_frames, n_columns) float64 of a file `.npy`, or `.raw`; None where there is neither."""
    file = next((file for suffix in (".npy", ".raw") if (file := stem.with_suffix(suffix)).is_file()), None)
    if file is None:
        return None
    try:
        found = np.load(file, allow_pickle=False) if file.suffix == ".npy" else np.loadtxt(file, ndmin=2)
    except Exception as error:  # damaged files raise errors of many kinds in numpy
        raise InputError(f"{file} is not a numpy array: {quoted(error)}") from None
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        raise InputError(f"{file} is no array of numbers; expected what numpy.save writes of one")
    shape = found.shape
    if found.size == 0 or found.size % n_columns or (n_frames is not None and found.size != n_frames * n_columns):
        expected = "a multiple of " if n_frames is None else f"{n_frames} times "
        raise InputError(f"{file} has shape {shape}; expected {expected}{n_columns} numbers")
    return found.reshape(-1, n_columns).astype(np.float64)


def _words(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").split()
