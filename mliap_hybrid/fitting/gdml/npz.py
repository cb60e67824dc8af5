"""Data sets and models of the `sgdml` package (.npz), to bring them here and to take ours there.

    data set: type 'd', z (N,), R (M, N, 3), E (M,), F (M, N, 3), r_unit, e_unit, lattice (columns)
    model:    type 'm', z, sig, c, std, R_desc (d, M), R_d_desc_alpha (M, d), alphas_E (M,), perms (G, N), lattice

Without units they are Å and kcal/mol. The rows of R_d_desc_alpha times std are the weights w_j of models/gdml.py.

Chmiela et al., Comput. Phys. Commun. 240, 38 (2019); files of version 1.0.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.gdml.molecules import Molecules, check_geometries
from mliap_hybrid.models.gdml import GDMLModel
from mliap_hybrid.units import KCAL_PER_MOL, energy_unit, length_unit

LENGTH_NAMES = {"Ang": "Å", "ang": "Å", "A": "Å", "bohr": "bohr", "Bohr": "bohr", "a0": "bohr"}
"""Names of lengths in such files -> names of ours."""

ENERGY_NAMES = {"eV": "eV", "kcal/mol": "kcal/mol", "kJ/mol": "kJ/mol", "Ha": "Ha", "Eh": "Ha", "hartree": "Ha"}
"""Names of energies in such files -> names of ours."""

CODE_VERSION = "1.0.3"
"""Version whose files are read and written."""


def read_gdml_data(file: Path) -> Molecules:
    """A data set.

    Raises
    ------
    InputError
        If the file is no data set of the package, or its arrays do not fit together.
    """
    arrays = _read(file, "d", "data set", ("z", "R", "E", "F"))
    length, energy = _units(arrays, file)
    numbers, positions = torch.tensor(arrays["z"].astype(np.int64)), _floats(arrays["R"]) * length
    n_frames = len(positions)
    for key, shape in (("R", (n_frames, len(numbers), 3)), ("E", (n_frames,)), ("F", (n_frames, len(numbers), 3))):
        if arrays[key].shape != shape:
            raise InputError(f"{file}: '{key}' has shape {arrays[key].shape}; expected {shape}")
        if not np.isfinite(arrays[key]).all():
            frame = int(np.argwhere(~np.isfinite(arrays[key]))[0][0])
            raise InputError(f"{file}, frame {frame}: '{key}' is not finite; remove the frame or label it again")
    if n_frames == 0:
        raise InputError(f"{file} holds no frame")
    cell = _cell(arrays, length)
    check_geometries(numbers, positions, cell, [f"{file}, frame {index}" for index in range(n_frames)])
    return Molecules(
        numbers=numbers,
        positions=positions,
        energies=_floats(arrays["E"]) * energy,
        forces=_floats(arrays["F"]) * (energy / length),
        cell=cell,
    )


def write_gdml_data(file: Path, molecules: Molecules, name: str, theory: str = "unknown") -> None:
    """A data set in kcal/mol and Å.

    Parameters
    ----------
    file : Path
        Must not exist, and end in .npz.
    molecules : Molecules
    name : str
        Name of the data set.
    theory : str
        Method of its labels.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    energies, forces = molecules.energies.numpy() / KCAL_PER_MOL, molecules.forces.numpy() / KCAL_PER_MOL
    arrays: dict[str, Any] = {
        "type": "d",
        "code_version": CODE_VERSION,
        "name": name,
        "theory": theory,
        "z": molecules.numbers.numpy().astype(np.uint8),
        "R": molecules.positions.numpy(),
        "E": energies,
        "F": forces,
        "r_unit": "Ang",
        "e_unit": "kcal/mol",
    }
    for key, values in (("E", energies), ("F", forces)):
        arrays |= {f"{key}_min": values.min(), f"{key}_max": values.max()}
        arrays |= {f"{key}_mean": values.mean(), f"{key}_var": values.var()}
    if molecules.cell is not None:
        arrays["lattice"] = molecules.cell.numpy().T
    arrays["md5"] = fingerprint([arrays[key] for key in ("z", "R", "E", "F")])
    _write(file, arrays)


def read_gdml_model(file: Path) -> GDMLModel:
    """A model.

    Raises
    ------
    InputError
        If the file is no model of the package, or its arrays do not fit together.
    """
    arrays = _read(file, "m", "model", ("z", "sig", "std", "R_desc", "R_d_desc_alpha", "perms"))
    length, energy = _units(arrays, file)
    spread = float(arrays["std"]) * energy / length  # eV/Å
    energy_weights = None
    if "alphas_E" in arrays:
        energy_weights = _floats(arrays["alphas_E"]) * float(arrays["std"]) * energy
    try:
        return GDMLModel(
            numbers=torch.tensor(arrays["z"].astype(np.int64)),
            sigma=float(arrays["sig"]) / length,
            descriptors=_floats(arrays["R_desc"].T) / length,
            weights=spread * _floats(arrays["R_d_desc_alpha"]),
            permutations=torch.tensor(np.atleast_2d(arrays["perms"]).astype(np.int64)),
            constant=float(arrays.get("c", 0.0)) * energy,
            energy_weights=energy_weights,
            cell=_cell(arrays, length),
        )
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def write_gdml_model(file: Path, model: GDMLModel, name: str = "unknown", theory: str = "unknown") -> None:
    """A model in kcal/mol and Å that the package predicts with.

    Parameters
    ----------
    file : Path
        Must not exist, and end in .npz.
    model : GDMLModel
    name, theory : str
        Of the data set that it was trained on.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    unknown = np.arange(model.n_train)
    pairs = model.descriptor.permuted_pairs(model.permutations).numpy()  # (n_permutations, n_pairs)
    offsets = np.arange(len(pairs))[:, None] * model.descriptor.n_pairs
    arrays: dict[str, Any] = {
        "type": "m",
        "code_version": CODE_VERSION,
        "dataset_name": name,
        "dataset_theory": theory,
        "solver_name": "analytic",
        "z": model.numbers.numpy().astype(np.uint8),
        "idxs_train": unknown,
        "md5_train": fingerprint([model.descriptors.numpy()]),
        "idxs_valid": unknown[:0],
        "md5_valid": fingerprint([model.descriptors.numpy()]),
        "n_test": 0,
        "R_desc": model.descriptors.numpy().T,
        "R_d_desc_alpha": model.weights.numpy() / KCAL_PER_MOL,
        "c": model.constant / KCAL_PER_MOL,
        "std": 1.0,
        "sig": model.sigma,
        "lam": 1e-10,
        "perms": model.permutations.numpy(),
        "tril_perms_lin": (pairs + offsets).flatten("F"),
        "use_E": True,
        "r_unit": "Ang",
        "e_unit": "kcal/mol",
    }
    if model.energy_weights is not None:
        arrays["alphas_E"] = model.energy_weights.numpy() / KCAL_PER_MOL
    if model.cell is not None:
        arrays["lattice"] = model.cell.numpy().T
    _write(file, arrays)


def is_gdml_npz(file: Path) -> bool:
    """Whether the file is an .npz archive with an entry `type`, as the package writes it."""
    return file.suffix == ".npz" and zipfile.is_zipfile(file) and "type.npy" in zipfile.ZipFile(file).namelist()


def fingerprint(arrays: Sequence[np.ndarray]) -> str:
    """What the package identifies a data set by: MD5 of the MD5 sums of its arrays."""
    total = hashlib.md5(usedforsecurity=False)
    for array in arrays:
        total.update(hashlib.md5(np.ascontiguousarray(array).data, usedforsecurity=False).digest())
    return total.hexdigest()


def _read(file: Path, kind: str, word: str, needed: Sequence[str]) -> dict[str, np.ndarray]:
    """The arrays of a file; entries that are pickled (statistics of errors) are left alone."""
    if not file.is_file():
        raise InputError(f"the file {file} does not exist")
    try:
        archive = np.load(file, allow_pickle=False)
        arrays = {key: archive[key] for key in archive.files if key in (*needed, *_OPTIONAL)}
    except (ValueError, OSError, zipfile.BadZipFile, EOFError) as error:
        raise InputError(f"{file} is not an .npz file of the sgdml package: {error}") from None
    found = str(_text(arrays.get("type", np.array("nothing"))))
    if found != kind:
        raise InputError(f"{file} is not a {word} of the sgdml package: its 'type' is '{found}', expected '{kind}'")
    missing = [key for key in needed if key not in arrays]
    if missing:
        raise InputError(f"{file}: the {word} has no '{missing[0]}'; found {', '.join(sorted(archive.files))}")
    return arrays


_OPTIONAL = ("type", "c", "alphas_E", "lattice", "r_unit", "e_unit")


def _units(arrays: dict[str, np.ndarray], file: Path) -> tuple[float, float]:
    """Length in Å and energy in eV."""
    length = _text(arrays.get("r_unit", np.array("Ang")))
    energy = _text(arrays.get("e_unit", np.array("kcal/mol")))
    if length not in LENGTH_NAMES or energy not in ENERGY_NAMES:
        raise InputError(
            f"{file}: units '{length}' and '{energy}'; known are {', '.join(LENGTH_NAMES)}, and "
            f"{', '.join(ENERGY_NAMES)}"
        )
    return length_unit(LENGTH_NAMES[length]), energy_unit(ENERGY_NAMES[energy])


def _cell(arrays: dict[str, np.ndarray], length: float) -> Tensor | None:
    return _floats(arrays["lattice"].T) * length if "lattice" in arrays else None


def _floats(array: np.ndarray) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64)


def _text(array: np.ndarray) -> str:
    value = array.item()
    return value.decode() if isinstance(value, bytes) else str(value)


def _write(file: Path, arrays: dict[str, Any]) -> None:
    if file.suffix != ".npz":
        raise InputError(f"{file}: expected a name that ends in .npz")
    if file.exists():
        raise InputError(f"{file} exists already: remove it, or write to another file")
    np.savez_compressed(file, **arrays)
