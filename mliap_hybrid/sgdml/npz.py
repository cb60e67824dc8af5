"""Data sets and models of the `sgdml` package (.npz), to bring them here and to take ours there.

The rows of R_d_desc_alpha times std are the weights w_j of model/molecules/gdml.py; data/sgdml_npz.py says what the
files hold.

Chmiela et al., Comput. Phys. Commun. 240, 38 (2019); files of version 1.0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.sgdml_npz import cell_of, numbers_of, read_arrays, read_sgdml_frames, units_of
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.sgdml.molecules import Molecules, molecules_from_frames
from mliap_hybrid.units import KCAL_PER_MOL

CODE_VERSION = "1.0.3"
"""Version whose files are read and written."""


def read_gdml_data(file: Path) -> Molecules:
    """A data set.

    Raises
    ------
    InputError
        If the file is no data set of the package, or its arrays do not fit together.
    """
    structures, _ = read_sgdml_frames(file)
    frames = [Frame(atoms, f"{file}, frame {index}") for index, atoms in enumerate(structures)]
    return molecules_from_frames(frames)


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
    arrays = read_arrays(file, "m", "model", ("z", "sig", "std", "R_desc", "R_d_desc_alpha", "perms"))
    length, energy = units_of(arrays, file)
    spread = _number(arrays, "std", file) * energy / length  # eV/Å
    cell = cell_of(arrays, length, file)
    energy_weights = None
    if "alphas_E" in arrays:
        energy_weights = _floats(arrays["alphas_E"]) * _number(arrays, "std", file) * energy
    try:
        return GDMLModel(
            numbers=torch.tensor(numbers_of(arrays, file)),
            sigma=_number(arrays, "sig", file) / length,
            descriptors=_floats(arrays["R_desc"].T) / length,
            weights=spread * _floats(arrays["R_d_desc_alpha"]),
            permutations=torch.tensor(np.atleast_2d(arrays["perms"]).astype(np.int64)),
            constant=_number(arrays, "c", file) * energy if "c" in arrays else 0.0,
            energy_weights=energy_weights,
            cell=None if cell is None else _floats(cell),
        )
    except InputError as error:
        raise InputError(f"{file}: {error}") from None


def _number(arrays: dict[str, np.ndarray], key: str, file: Path) -> float:
    """An entry of one finite number; raises InputError where it is none."""
    if arrays[key].size != 1 or not np.isfinite(arrays[key]).all():
        raise InputError(f"{file}: '{key}' is {quoted(arrays[key].tolist())}; expected a finite number")
    return float(arrays[key].item())


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


def fingerprint(arrays: Sequence[np.ndarray]) -> str:
    """What the package identifies a data set by: MD5 of the MD5 sums of its arrays."""
    total = hashlib.md5(usedforsecurity=False)
    for array in arrays:
        total.update(hashlib.md5(np.ascontiguousarray(array).data, usedforsecurity=False).digest())
    return total.hexdigest()


def _floats(array: np.ndarray) -> Tensor:
    return torch.tensor(np.ascontiguousarray(array), dtype=torch.float64)


def _write(file: Path, arrays: dict[str, Any]) -> None:
    if file.suffix != ".npz":
        raise InputError(f"{file}: expected a name that ends in .npz")
    if file.exists():
        raise InputError(f"{file} exists already: remove it, or write to another file")
    np.savez_compressed(file, **arrays)
