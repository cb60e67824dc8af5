"""Structures of files in all formats, and the units that their numbers are taken to be in.

Ours: input.data of n2p2 and RuNNer (told by the first line), npz files of molecules (sgdml, rMD17, NequIP and alike),
folders of DeePMD, ML_AB of VASP, extended xyz (read on where ASE would stop), dumps of LAMMPS. CP2K and ABACUS are
dpdata's. All other formats are ASE's, databases among them. Compressed files (.gz, .xz, .bz2) are what they are without
their suffix. A format before the path, `FORMAT:path`, overrides what is found (file_formats.py).
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import ase.io
from ase import Atoms
from ase.db import connect
from ase.io.formats import get_compression, open_with_compression

from mliap_hybrid.data.abinit_output import set_cell
from mliap_hybrid.data.aims_output import aims_for_ase
from mliap_hybrid.data.convergence import mark_convergence
from mliap_hybrid.data.cp2k_output import is_cp2k_output
from mliap_hybrid.data.cp2k_trajectory import is_cp2k_trajectory, read_cp2k_trajectory
from mliap_hybrid.data.deepmd import deepmd_systems, read_deepmd
from mliap_hybrid.data.dpdata_formats import abacus_format, is_abacus, is_cp2k_dynamics, read_by_dpdata
from mliap_hybrid.data.extxyz import read_extxyz
from mliap_hybrid.data.file_units import FileUnits
from mliap_hybrid.data.found_format import found_format
from mliap_hybrid.data.gaussian_log import check_level, check_orientation
from mliap_hybrid.data.lammps_dump import dump_frames, is_dump
from mliap_hybrid.data.molecule_npz import read_molecules
from mliap_hybrid.data.n2p2 import is_n2p2, read_n2p2
from mliap_hybrid.data.nwchem_output import nwchem_for_ase
from mliap_hybrid.data.pw_output import pw_for_ase
from mliap_hybrid.data.several_structures import check_one_structure
from mliap_hybrid.data.sgdml_npz import is_sgdml_npz, read_sgdml_frames
from mliap_hybrid.data.type_elements import check_symbols
from mliap_hybrid.data.vasp_ml_ab import is_ml_ab, read_ml_ab
from mliap_hybrid.data.vasp_outcar import outcar_for_ase
from mliap_hybrid.errors import InputError, did_you_mean, quoted
from mliap_hybrid.file_formats import ASE_READS, OF_DPDATA, known_formats, split_format

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

FOR_ASE: dict[str, Callable[[str, Path], str]] = {
    "aims-output": aims_for_ase,
    "espresso-out": pw_for_ase,
    "nwchem-out": nwchem_for_ase,
    "vasp-out": outcar_for_ase,
}
"""Format -> what takes out of its text what ASE stops at or takes for something else."""

SAYS_ITS_UNITS = FileUnits(known_by="file")


def read_structures(file: Path, elements: Sequence[str] = ()) -> tuple[list[Atoms], FileUnits]:
    """All structures of a file or folder, and the units that they were converted from to eV and Å.

    Parameters
    ----------
    file : Path
        With or without a format before it.
    elements : sequence of str
        Element of each atom type, for dumps of LAMMPS.

    Raises
    ------
    InputError
        If it is missing, of no known format, or broken.
    """
    form, path = split_format(file)
    try:
        if form is not None and form in OF_DPDATA:
            return read_by_dpdata(path, form), SAYS_ITS_UNITS
        if path.is_dir():
            return _read_folder(path)
        if not path.is_file():
            raise InputError(f"the data file {file} does not exist{_unknown_format(file)}")
        return _read_dump(path, elements) if is_lammps_dump(file) else _read_file(path, form)
    except InputError:
        raise
    except Exception as error:  # ASE's readers raise whatever their format meets
        raise InputError(f"ASE cannot read {file}: {type(error).__name__}: {quoted(error)}") from error


def is_lammps_dump(file: Path) -> bool:
    """Whether a file, with or without a format before it, is a text dump of LAMMPS."""
    form, path = split_format(file)
    return form == "lammps-dump-text" or (form is None and is_dump(path))


def check_elements_apply(elements: Sequence[str], files: Sequence[Path], setting: str) -> None:
    """Refuse elements of atom types that cannot count.

    Parameters
    ----------
    elements : sequence of str
    files : sequence of Path
        All that is read; those that are no dumps do not need them.
    setting : str
        Option or setting that names them, for messages.

    Raises
    ------
    InputError
        If one is no element, or none of the files is a dump of LAMMPS.
    """
    check_symbols(elements, setting)
    if elements and not any(is_lammps_dump(file) for file in files):
        raise InputError(
            f"{setting} names the elements of the atom types of dumps of LAMMPS, and none of {len(files)} files is a "
            "text dump: leave it out"
        )


def _unknown_format(file: Path) -> str:
    """End of a message for what may be a format that was misspelt."""
    form, colon, _ = str(file).partition(":")
    return f"; as a format before it, '{quoted(form)}': {did_you_mean(form, known_formats())}" if colon else ""


def _read_folder(folder: Path) -> tuple[list[Atoms], FileUnits]:
    if is_abacus(folder):
        return read_by_dpdata(folder, abacus_format(folder)), SAYS_ITS_UNITS
    if is_cp2k_trajectory(folder):
        return read_cp2k_trajectory(folder), SAYS_ITS_UNITS
    if is_cp2k_dynamics(folder):
        return read_by_dpdata(folder, "cp2k/aimd_output"), SAYS_ITS_UNITS
    if any(folder.glob("*-pos-*.xyz")):
        raise InputError(
            f"{folder} holds positions of a run of CP2K, and no forces of its steps: print them (MOTION/PRINT/FORCES), "
            "to a file *-frc-*.xyz"
        )
    return [atoms for system in deepmd_systems(folder) for atoms in read_deepmd(system)], FileUnits()


def _read_dump(file: Path, elements: Sequence[str]) -> tuple[list[Atoms], FileUnits]:
    structures, units = [], FileUnits()
    for frame in dump_frames(file):
        structures.append(frame.atoms(elements))
        units = frame.file_units
    return structures, units


def _read_file(file: Path, form: str | None) -> tuple[list[Atoms], FileUnits]:
    if form == "n2p2" or (form is None and is_n2p2(file)):
        return read_n2p2(file), FileUnits("Ha", "bohr")
    if form == "vasp/ml_ab" or (form is None and is_ml_ab(file)):
        return read_ml_ab(file), SAYS_ITS_UNITS
    if form is None and is_cp2k_output(file):
        return read_by_dpdata(file, "cp2k/output"), SAYS_ITS_UNITS
    if form is None and is_sgdml_npz(file):
        return read_sgdml_frames(file)
    if form is None and file.suffix == ".npz":
        return read_molecules(file)
    form = found_format(file) if form is None else ASE_READS.get(form, form)
    if form == "lammps-dump-binary":
        raise InputError(
            f"{file} is a binary dump of LAMMPS, which says neither columns nor elements: write a text dump"
        )
    uncompressed, compression = get_compression(str(file))
    if form == "extxyz":
        with open_with_compression(str(file), "rt") as stream:
            text = stream.read()
        try:
            return read_extxyz(text), FileUnits()
        except InputError as error:
            raise InputError(f"{file}: {error}") from None
    units = FileUnits(known_by="file" if form in CONVERTED_BY_ASE else "format")
    if compression is None:
        return _read_unpacked(file, form, file), units
    with tempfile.TemporaryDirectory() as folder:  # most of ASE's readers want a file of their own
        unpacked = Path(folder) / Path(uncompressed).name
        with open_with_compression(str(file), "rb") as packed, unpacked.open("wb") as stream:
            shutil.copyfileobj(packed, stream)
        return _read_unpacked(unpacked, form, file), units


def _read_unpacked(file: Path, form: str, source: Path) -> list[Atoms]:
    """Structures of a file that is not compressed, whose user called it `source`; of its mended text where needed."""
    if form == "db":
        return _read_database(file)
    original = file.read_text(encoding="utf-8", errors="replace") if form in CONVERTED_BY_ASE else ""
    text = FOR_ASE[form](original, source) if form in FOR_ASE else original
    if text == original:
        return _read_by_ase(file, form, text, source)
    with tempfile.TemporaryDirectory() as folder:
        mended = Path(folder) / file.name
        mended.write_text(text, encoding="utf-8")
        return _read_by_ase(mended, form, text, source)


def _read_by_ase(file: Path, form: str, text: str, source: Path) -> list[Atoms]:
    """Structures of a file, whose text is here where it is the output of a program."""
    check_orientation(text, form, source)
    check_one_structure(text, form, source)
    structures = list(ase.io.iread(file, index=":", format=form))
    if form == "nwchem-out":
        structures = [atoms for atoms in structures if atoms.calc.results.get("energy") is not None]
    if not structures:
        raise InputError(
            f"{source} holds no frame, read as {form}: the calculation ended early, or computed neither energy nor "
            "forces"
        )
    if form == "abinit-out":
        set_cell(structures, text, source)
    if form == "gaussian-out":
        check_level(structures, text, source)
    mark_convergence(structures, text, form)
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
