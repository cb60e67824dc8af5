"""Structures of the formats that dpdata reads and ASE does not, each checked for what dpdata leaves out.

dpdata has energies in eV, forces in eV/Å, and virials in eV: -V times ASE's stress, as DeePMD has them. It sorts atoms
by element, turns cells that it writes as lower triangles with all vectors, and leaves steps out that did not converge.

Zeng et al., J. Chem. Theory Comput. 21, 11375 (2025).
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers

from mliap_hybrid.data.cp2k_output import check_single_point, mark_cp2k
from mliap_hybrid.errors import InputError, quoted

logger = logging.getLogger(__name__)

NEEDED = {"cp2k/output": "; an output needs coordinates (GLOBAL/PRINT_LEVEL) and forces (FORCE_EVAL/PRINT/FORCES)"}
"""Format -> what dpdata must find in a file."""


def is_abacus(folder: Path) -> bool:
    """Whether a folder is that of a calculation of ABACUS."""
    return (folder / "INPUT").is_file() and any(path.is_dir() for path in folder.glob("OUT.*"))


def abacus_format(folder: Path) -> str:
    """dpdata's name for the calculation of an ABACUS folder, which its INPUT says.

    Raises
    ------
    InputError
        If it is of a kind that has no labels.
    """
    words = [line.split("#")[0].split() for line in (folder / "INPUT").read_text(errors="replace").splitlines()]
    kind = next((line[1].lower() for line in words if len(line) > 1 and line[0].lower() == "calculation"), "scf")
    forms = {"scf": "abacus/scf", "md": "abacus/md", "relax": "abacus/relax", "cell-relax": "abacus/relax"}
    if kind not in forms:
        raise InputError(f"{folder / 'INPUT'}: calculation {quoted(kind)}; expected one of {', '.join(forms)}")
    return forms[kind]


def is_cp2k_dynamics(folder: Path) -> bool:
    """Whether a folder holds a run of CP2K: the positions of its steps, and its log."""
    return any(folder.glob("*pos*.xyz")) and any(folder.glob("*.log"))


def read_by_dpdata(path: Path, form: str) -> list[Atoms]:
    """All frames of a file or folder.

    Parameters
    ----------
    path : Path
    form : str
        One of `OF_DPDATA` (file_formats.py).

    Returns
    -------
    list of ase.Atoms
        With energy in eV, forces in eV/Å and the entry ``virial`` (3, 3) in eV, each where dpdata finds it.

    Raises
    ------
    InputError
        If dpdata is not installed, cannot read the files, or finds no frame.
    """
    try:
        import dpdata
    except ImportError:
        raise InputError(
            f"{path}: format {form} is read by dpdata, which is not installed: pip install 'mliap_hybrid[formats]'"
        ) from None
    if not path.exists():
        raise InputError(f"the data {path} does not exist")
    if form == "cp2k/output":
        check_single_point(path)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", UserWarning)
        try:
            systems = _systems(dpdata, path, form)
        except Exception as error:  # dpdata's readers raise whatever their format meets
            said = f"dpdata cannot read {path} as {form}: {type(error).__name__}: {quoted(error)}"
            raise InputError(f"{said}{NEEDED.get(form, '')}") from error
    for warning in told:
        if issubclass(warning.category, UserWarning):
            logger.warning("Warning: %s: dpdata says: %s", path, quoted(warning.message))
    structures = [atoms for system in systems for atoms in _structures(system, path, form)]
    if not structures:
        raise InputError(
            f"{path}: dpdata finds no frame in it as {form}: the calculation ended early or did not converge"
        )
    if form == "cp2k/output":
        mark_cp2k(structures, path)
    return structures


def _systems(dpdata: Any, path: Path, form: str) -> list[Any]:
    if form == "deepmd/hdf5":
        return list(dpdata.MultiSystems().load_systems_from_file(str(path), fmt=form).systems.values())
    return [dpdata.LabeledSystem(str(path), fmt=form)]


def _structures(system: Any, path: Path, form: str) -> list[Atoms]:
    data = system.data
    names = [str(name) for name in data["atom_names"]]
    # Programs number kinds of one element, as for other magnetic moments: Fe1, Fe2.
    symbols = names if form.startswith("deepmd") else [name.rstrip("0123456789") for name in names]
    for name, symbol in zip(names, symbols, strict=True):
        if atomic_numbers.get(symbol, 0) == 0:
            raise InputError(
                f"{path}: '{quoted(name)}' is not an element; name the kinds of atoms by their elements in the file"
            )
    types = np.asarray(data["atom_types"], dtype=int)
    numbers = np.array([atomic_numbers[symbol] for symbol in symbols])[types]  # (n_atoms,)
    periodic, frames = not data.get("nopbc", False), []
    for index in range(len(data["coords"])):
        cell = data["cells"][index] if periodic else None
        atoms = Atoms(numbers, data["coords"][index], cell=cell, pbc=periodic)
        results: dict[str, Any] = {"energy": float(data["energies"][index])}
        if len(data.get("forces", ())) > index:
            results["forces"] = np.array(data["forces"][index])
        if len(data.get("virials", ())) > index:
            atoms.info["virial"] = np.array(data["virials"][index])
        if len(data.get("spins", ())) > index:
            results["magmoms"] = np.array(data["spins"][index])  # (n_atoms, 3)
        atoms.calc = SinglePointCalculator(atoms, **results)
        frames.append(atoms)
    return frames
