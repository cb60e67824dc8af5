"""Labelled structures into files: extended xyz, input.data of n2p2, folders of DeePMD. Whole ones, or none."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from mliap_hybrid.data.n2p2 import write_n2p2
from mliap_hybrid.errors import InputError, quoted
from mliap_hybrid.file_formats import split_format
from mliap_hybrid.whole_file import whole_file

FORMATS = ("extxyz", "n2p2", "deepmd/npy")


def output_format(output: Path, overwrite: bool) -> tuple[str, Path]:
    """Format and path of a file to write, `FORMAT:path` or a name that tells it.

    Raises
    ------
    InputError
        If the format is not one that is written, or something is there that must not be replaced.
    """
    form, path = split_format(output)
    if form is None:
        by_suffix = {".extxyz": "extxyz", ".xyz": "extxyz", ".data": "n2p2"}
        form = by_suffix.get(path.suffix)
    if form not in FORMATS:
        raise InputError(
            f"--output {quoted(output)}: expected a name ending in .extxyz, or one of "
            f"{', '.join(f'{name}:PATH' for name in FORMATS)}"
        )
    if path.is_dir():
        raise InputError(f"--output: {path} is a folder that is there: name another one, or remove it")
    if path.exists() and not overwrite:
        raise InputError(f"--output: {path} exists: name another file, or add --force to replace it")
    if path.exists() and form == "deepmd/npy":
        raise InputError(f"--output: {path} is a file, where a folder is to be made: name another one")
    return form, path


def write_structures(structures: Sequence[Atoms], form: str, path: Path) -> None:
    """Write structures with results of a calculator, in eV and Å.

    Parameters
    ----------
    structures : sequence of Atoms
    form : str
        One of `FORMATS`.
    path : Path
        Replaced if it is a file.

    Raises
    ------
    InputError
        If the format cannot hold a structure, or the file cannot be written. Then `path` is as it was.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if form == "extxyz":
            _write_extxyz(structures, path)
        elif form == "n2p2":
            _write_n2p2(structures, path)
        else:
            _write_deepmd(structures, path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _write_extxyz(structures: Sequence[Atoms], path: Path) -> None:
    text = io.StringIO()
    for atoms in structures:
        ase.io.write(text, atoms, format="extxyz")
    with whole_file(path) as file:
        file.write(text.getvalue().encode())


def _write_n2p2(structures: Sequence[Atoms], path: Path) -> None:
    with_charges = []
    for atoms in structures:
        copy = atoms.copy()
        copy.calc = atoms.calc
        if "charges" in atoms.calc.results:
            copy.arrays["charges"] = atoms.calc.results["charges"]
        with_charges.append(copy)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        whole = Path(folder) / "input.data"
        write_n2p2(whole, with_charges)
        whole.replace(path)


def _write_deepmd(structures: Sequence[Atoms], path: Path) -> None:
    """A system for all frames of the same atoms with the same labels; see data/deepmd.py."""
    groups: dict[tuple[bytes, bool, tuple[str, ...]], list[Atoms]] = {}
    for index, atoms in enumerate(structures):
        if atoms.pbc.any() and not atoms.pbc.all():
            raise InputError(
                f"structure {index} is periodic in some directions only, {atoms.pbc.tolist()}; DeePMD knows all or none"
            )
        labels = tuple(name for name in ("energy", "forces", "stress") if name in atoms.calc.results)
        groups.setdefault((atoms.numbers.tobytes(), bool(atoms.pbc.all()), labels), []).append(atoms)
    elements = sorted({int(number) for atoms in structures for number in atoms.numbers})
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        whole = Path(temporary) / "systems"
        for number, group in enumerate(groups.values()):
            _write_system(group, elements, whole / f"{number:03d}_{group[0].get_chemical_formula()}")
        shutil.move(whole, path)


def _write_system(group: Sequence[Atoms], elements: Sequence[int], folder: Path) -> None:
    (folder / "set.000").mkdir(parents=True)
    types = [str(elements.index(int(number))) for number in group[0].numbers]
    (folder / "type.raw").write_text("\n".join([*types, ""]))
    (folder / "type_map.raw").write_text("\n".join([*(chemical_symbols[number] for number in elements), ""]))
    arrays = {"coord": [atoms.positions.ravel() for atoms in group]}
    if group[0].pbc.all():
        arrays["box"] = [atoms.cell.array.ravel() for atoms in group]
    else:
        (folder / "nopbc").touch()
    results = [atoms.calc.results for atoms in group]
    if "energy" in results[0]:
        arrays["energy"] = [np.array(result["energy"]) for result in results]
    if "forces" in results[0]:
        arrays["force"] = [result["forces"].ravel() for result in results]
    if "stress" in results[0]:
        arrays["virial"] = [(-atoms.get_stress(voigt=False) * atoms.get_volume()).ravel() for atoms in group]
    for name, values in arrays.items():
        np.save(folder / "set.000" / f"{name}.npy", np.array(values))
