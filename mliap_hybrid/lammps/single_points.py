"""Energy, forces and virial of structures in LAMMPS: any number of them in one start of it, one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import read_dump, write_data_file
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model_files.model_file import read_model
from mliap_hybrid.units import LAMMPS_METAL_PRESSURE

KSPACE_ACCURACY = 1e-6
"""Relative accuracy asked of PPPM."""


@dataclass(frozen=True)
class SinglePoint:
    """What is computed."""

    path: Path
    """Model file."""
    atoms: Atoms
    """In LAMMPS orientation, periodic; with a column `molecule` where LAMMPS is to know molecules."""
    accuracy: float = KSPACE_ACCURACY
    """Of the k-space solver."""
    in_python: bool = False
    """Whether the plugin must call Python in each step, also for a model that it can evaluate without."""


@dataclass(frozen=True)
class Result:
    """Energy, forces and virial of one calculation, energy and virial per atom."""

    energy: float
    """eV/atom."""
    forces: np.ndarray
    """(n_atoms, 3) eV/Å."""
    virial: np.ndarray
    """(6,) eV/atom: xx, yy, zz, xy, xz, yz."""


def lammps_result(path: Path, atoms: Atoms, ranks: int, accuracy: float = KSPACE_ACCURACY) -> Result:
    """Energy, forces and virial of one structure on some MPI ranks; the rest is as in `SinglePoint`.

    Raises
    ------
    InputError
        If LAMMPS fails.
    """
    return lammps_results([SinglePoint(path, atoms, accuracy)], ranks)[0]


def lammps_results(points: Sequence[SinglePoint], ranks: int) -> list[Result]:
    """The same of several, in one start of LAMMPS, each after a `clear`.

    Raises
    ------
    InputError
        If LAMMPS fails at one of them.
    """
    with tempfile.TemporaryDirectory(prefix="mliap-hybrid-lammps-") as name:
        folder = Path(name)
        inputs = [_input(folder, number, point) for number, point in enumerate(points)]
        (folder / "in.points").write_text("clear\n".join(inputs))
        output = run_lammps(folder / "in.points", ranks, timeout=600.0 * len(points))
        forces = [read_dump(folder / f"{number}.dump") for number in range(len(points))]  # (n_atoms, 3) each
    printed = [line.split()[1:] for line in output.splitlines() if line.startswith("RESULT ")]
    return [_result(words, point, of_atoms) for words, point, of_atoms in zip(printed, points, forces, strict=True)]


def _input(folder: Path, number: int, point: SinglePoint) -> str:
    """Write the data file; return the lines of the input."""
    manifest, _ = read_model(point.path)
    elements, charges = manifest.description.elements, manifest.description.constants("charge")
    write_data_file(folder / f"{number}.data", point.atoms, elements, charges)
    path = str(point.path.resolve())
    potential = potential_block(manifest, path, elements, point.accuracy, in_python=point.in_python)
    style = "charge" if "molecule" not in point.atoms.arrays else "full"
    return _SCRIPT.format(number=number, style=style, potential=potential)


def _result(words: list[str], point: SinglePoint, forces: np.ndarray) -> Result:
    energy, *pressures = (float(word) for word in words)
    n_atoms = len(point.atoms)
    virial = np.array(pressures) * point.atoms.get_volume() / LAMMPS_METAL_PRESSURE / n_atoms  # (6,)
    return Result(energy / n_atoms, forces, virial)


_SCRIPT = """\
units           metal
atom_style      {style}
atom_modify     map array
read_data       {number}.data
{potential}
compute         virial all pressure NULL virial
thermo_style    custom step pe c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
dump            forces all custom 1 {number}.dump id fx fy fz
dump_modify     forces sort id format float %.17g
run             0
variable        energy equal pe
print           "RESULT $(v_energy:%.17g) $(c_virial[1]:%.17g) $(c_virial[2]:%.17g) $(c_virial[3]:%.17g) &
$(c_virial[4]:%.17g) $(c_virial[5]:%.17g) $(c_virial[6]:%.17g)"
"""
