"""Table of what is read of genuine files: `python tests/data/genuine_files.py FOLDER...`.

Every file that is recognised is read as `convert` reads it. Its energies must stand in its text, in its program's unit,
and lengths of forces and eigenvalues of virials be those of dpdata, where that reads the file; it turns cells.
"""

import argparse
import contextlib
import io
import re
import warnings
from collections import defaultdict
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.io.formats import open_with_compression

from mliap_hybrid.data.cp2k_output import is_cp2k_output
from mliap_hybrid.data.dpdata_formats import abacus_format, is_abacus
from mliap_hybrid.data.found_format import found_format
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.lammps_dump import is_dump
from mliap_hybrid.data.n2p2 import is_n2p2
from mliap_hybrid.data.reading import read_frames
from mliap_hybrid.data.vasp_ml_ab import is_ml_ab
from mliap_hybrid.errors import InputError
from mliap_hybrid.units import HARTREE

NUMBER = r"\s*(-?\d*\.\d+(?:[DdEe][+-]?\d+)?)"
TEXTS = {
    "vasp-out": (r"vasp\.(\d+\.\d+)", rf"free  energy   TOTEN  ={NUMBER}", 1.0, "vasp/outcar"),
    "vasp-xml": (r'name="version"[^>]*>\s*(\d+\.\d+)', rf'name="e_fr_energy">{NUMBER}', 1.0, "vasp/xml"),
    "vasp/ml_ab": (r"(\d\.\d) Version", rf"Total energy \(eV\)\s+-+{NUMBER}", 1.0, None),
    "espresso-out": (r"PWSCF v\.(\d+\.\d+)", rf"\n!\s+total energy\s+={NUMBER}", HARTREE / 2, None),
    "cp2k/output": (r"CP2K version (\d+\.\d+)", rf"ENERGY\| Total FORCE_EVAL .*?energy.*?{NUMBER}\n", HARTREE, None),
    "gaussian-out": (r"Gaussian(?:\(R\))? (\d\d)[: ]", rf"(?:E|MP|CCSD).*?={NUMBER}", HARTREE, "gaussian/log"),
    "orca-output": (r"Program Version (\d+\.\d+)", rf"FINAL SINGLE POINT ENERGY .*?{NUMBER}", HARTREE, None),
    "nwchem-out": (r"\(NWChem\) (\d+\.\d+)", rf"[Ee]nergy.*?{NUMBER}", HARTREE, None),
    "aims-output": (r"(?:FHI-aims version *: *|Version )(\d+)", rf"\| Total energy.*?:{NUMBER} eV", 1.0, None),
    "castep-castep": (r"CASTEP version (\d+\.\d+)", rf"(?:energy|basis set|enthalpy).*?={NUMBER}", 1.0, None),
    "abinit-out": (r"Version (\d+\.\d+)", rf"[Ee]total[ \d]*(?:=|  ){NUMBER}", HARTREE, None),
    "n2p2": (r"(?!)", rf"\nenergy{NUMBER}", HARTREE, None),
}
"""Format -> version, energies in the text, their unit in eV, and dpdata's name where it reads the file alone."""

ELEMENTS = ("H", "O", "C", "N", "Na", "Cl", "Si", "Al")
"""Of the types of dumps of LAMMPS, whatever they were."""

DIGITS = 2e-7
"""Relative difference of the values that programs and ASE have for one Ha."""


def files_of(folder: Path) -> list[tuple[Path, str]]:
    """Files and folders that are recognised, and their formats."""
    found = []
    for path in sorted([folder, *folder.rglob("*")]):
        with contextlib.suppress(Exception):
            if path.is_dir():
                if is_abacus(path):
                    found.append((path, abacus_format(path)))
                elif (path / "type.raw").is_file():
                    found.append((path, "deepmd/npy" if list(path.glob("set.*")) else "deepmd/raw"))
                elif list(path.glob("*-frc-*.xyz")):
                    found.append((path, "cp2k, folder"))
            elif path.suffix == ".npz":
                found.append((path, "npz"))
            elif path.suffix not in (".npy", ".raw"):
                ours = {"n2p2": is_n2p2, "vasp/ml_ab": is_ml_ab, "cp2k/output": is_cp2k_output, "dump": is_dump}
                form = next((name for name, is_it in ours.items() if is_it(path)), None) or found_format(path)
                if form in TEXTS or form in ("extxyz", "traj", "dump"):
                    found.append((path, form))
    return found


def energies_of(frames: list[Frame]) -> np.ndarray:
    energies = [r.get("free_energy", r.get("energy")) for f in frames if f.atoms.calc for r in [f.atoms.calc.results]]
    return np.array([energy for energy in energies if energy is not None], dtype=float)


def by_dpdata(path: Path, form: str, frames: list[Frame]) -> str:
    """Column to count a file in: whether dpdata has the same labels; "" where it reads nothing."""
    import dpdata

    with contextlib.redirect_stdout(io.StringIO()):
        try:
            data = dpdata.LabeledSystem(str(path), fmt=form).data
        except (Exception, SystemExit):
            return ""
    energies = energies_of(frames)
    for index, energy in enumerate(data["energies"]):
        near = np.flatnonzero(np.abs(energies - energy) < DIGITS * abs(energy) + 1e-6)
        if not any(_same(frames[at].atoms, data, index) for at in near):
            return "differ"
    return "dpdata" if len(data["energies"]) else ""


def _same(atoms: Atoms, data: dict, index: int) -> bool:
    """Whether forces and virial are those of a frame of dpdata."""
    is_same = True
    if "forces" in atoms.calc.results and len(data["forces"]):
        lengths = [np.sort(np.linalg.norm(f, axis=1)) for f in (atoms.calc.results["forces"], data["forces"][index])]
        is_same = np.allclose(*lengths, rtol=0, atol=5e-5)
    virial = atoms.info.get("virial")
    if virial is None and "stress" in atoms.calc.results:
        virial = -atoms.get_stress(voigt=False) * atoms.get_volume()
    if len(data.get("virials", ())) and virial is not None:
        virials = [virial, data["virials"][index]]
        is_same &= np.allclose(*(np.linalg.eigvalsh((v + v.T) / 2) for v in virials), rtol=0, atol=2e-3)
    return is_same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    warnings.simplefilter("ignore")
    rows: dict[str, dict] = defaultdict(lambda: {"versions": set(), **dict.fromkeys(COLUMNS, 0)})
    for path, form in [item for folder in parser.parse_args().folders for item in files_of(folder)]:
        row = rows[form]
        row["files"] += 1
        version, energy, unit, name = TEXTS.get(form, ("(?!)", "(?!)", 1.0, form if "/" in form else None))
        text = ""
        if path.is_file() and path.suffix != ".npz":
            with open_with_compression(str(path), "rb") as stream:
                text = str(stream.read(), encoding="utf-8", errors="replace")
        row["versions"] |= set(re.findall(version, text)[:1])
        try:
            frames = read_frames([path], ELEMENTS)
        except InputError as error:
            row["refused"] += 1
            print(f"refused: {error}")
            continue
        row["frames"] += len(frames)
        energies = energies_of(frames)
        printed = unit * np.array([float(x.lower().replace("d", "e")) for x in re.findall(energy, text)])
        if form in TEXTS and len(energies):
            distances = np.abs(energies[:, None] - printed).min(1) if len(printed) else np.array([np.inf])
            is_there = bool((distances <= DIGITS * np.abs(energies) + 1e-6).all())
            row["text" if is_there else "differ"] += 1
            print("" if is_there else f"energies are not in the text: {path}\n", end="")
        if name and (seen := by_dpdata(path, name, frames)):
            row[seen] += 1
            print("" if seen == "dpdata" else f"dpdata differs: {path}\n", end="")
    print("| format | versions | " + " | ".join(COLUMNS) + " |\n|" + "---|" * (2 + len(COLUMNS)))
    for form, row in sorted(rows.items()):
        versions = ", ".join(sorted(row["versions"], key=lambda word: [int(x) for x in word.split(".")]))
        print(f"| {form} | {versions} | " + " | ".join(str(row[name]) for name in COLUMNS) + " |")


COLUMNS = ("files", "refused", "frames", "text", "dpdata", "differ")

if __name__ == "__main__":
    main()
