"""Structures of files in all formats, and the units that their numbers are taken to be in.

Ours: input.data of n2p2 and RuNNer (told by the first line), npz files of molecules (sgdml, rMD17, NequIP and alike),
folders of DeePMD, extended xyz (read on where ASE would stop). All other formats are ASE's, databases among them.
Compressed files (.gz, .xz, .bz2) are what they are without their suffix.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import ase.io
from ase import Atoms
from ase.db import connect
from ase.io.formats import filetype, get_compression, open_with_compression

from mliap_hybrid.data.convergence import mark_convergence
from mliap_hybrid.data.deepmd import deepmd_systems, read_deepmd
from mliap_hybrid.data.extxyz import read_extxyz
from mliap_hybrid.data.file_units import FileUnits
from mliap_hybrid.data.lammps_dump import check_elements
from mliap_hybrid.data.molecule_npz import read_molecules
from mliap_hybrid.data.n2p2 import is_n2p2, read_n2p2
from mliap_hybrid.data.sgdml_npz import is_sgdml_npz, read_sgdml_frames
from mliap_hybrid.errors import InputError, quoted

CONVERTED_BY_ASE = (
    "abinit-out",
    "aims-output",
    "castep-castep",
    "castep-md",
    "espresso-out",
    "gamess-us-out",
    "gaussian-out",
    "gpaw-out",
    "nwchem-out",
    "onetep-out",
    "orca-output",
    "vasp-out",
    "vasp-xml",
)
"""Outputs of programs: ASE knows their units and gives eV and Å."""


def read_structures(file: Path) -> tuple[list[Atoms], FileUnits]:
    """All structures of a file or folder, and the units that they were converted from to eV and Å.

    Parameters
    ----------
    file : Path

    Raises
    ------
    InputError
        If it is missing, of no known format, or broken.
    """
    if file.is_dir():
        return [atoms for system in deepmd_systems(file) for atoms in read_deepmd(system)], FileUnits()
    if not file.is_file():
        raise InputError(f"the data file {file} does not exist")
    try:
        return _read_file(file)
    except InputError:
        raise
    except Exception as error:  # ASE's readers raise whatever their format meets
        raise InputError(f"ASE cannot read {file}: {type(error).__name__}: {quoted(error)}") from error


def _read_file(file: Path) -> tuple[list[Atoms], FileUnits]:
    if is_n2p2(file):
        return read_n2p2(file), FileUnits("Ha", "bohr")
    if is_sgdml_npz(file):
        return read_sgdml_frames(file)
    if file.suffix == ".npz":
        return read_molecules(file)
    form, (uncompressed, compression) = filetype(str(file)), get_compression(str(file))
    if form == "extxyz":
        with open_with_compression(str(file), "rt") as stream:
            return read_extxyz(stream.read()), FileUnits()
    units = FileUnits(known_by="file" if form in CONVERTED_BY_ASE else "format")
    if compression is None:
        return _read_by_ase(file, form), units
    with tempfile.TemporaryDirectory() as folder:  # most of ASE's readers want a file of their own
        unpacked = Path(folder) / Path(uncompressed).name
        with open_with_compression(str(file), "rb") as packed, unpacked.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
        return _read_by_ase(unpacked, form), units


def _read_by_ase(file: Path, form: str) -> list[Atoms]:
    if form == "db":
        return _read_database(file)
    check_elements(file, form)
    structures = list(ase.io.iread(file, index=":", format=form))
    mark_convergence(structures, file, form)
    return structures


def _read_database(file: Path) -> list[Atoms]:
    structures = []
    with connect(file) as database:
        for row in database.select():
            atoms = row.toatoms(add_additional_information=True)  # ase.io.read would drop a row's columns
            pairs = atoms.info.get("key_value_pairs", {})
            # ASE gives what it computes itself in the place of columns named charge, mass, volume and so on.
            pairs.update({name: row.__dict__[name] for name in pairs})
            structures.append(atoms)
    return structures
