"""A potential in LAMMPS: its forces on frames, and what a step of molecular dynamics costs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from ase import Atoms, units

from mliap_hybrid.lammps.check import large_enough
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump, write_data_file

CUTOFF = 6.5
"""Å; frames are repeated until a box holds a sphere of this radius, the same for all potentials."""
ENERGY_UNITS = {"metal": 1.0, "real": units.kcal / units.mol}
"""eV in units of energy of LAMMPS."""
TIME_STEPS = {"metal": 0.0005, "real": 0.5}
"""Half a femtosecond."""

POINT = """\
units {units}
atom_style charge
read_data {number}.data
{lines}
dump forces all custom 1 {number}.dump id fx fy fz
dump_modify forces sort id format float %.17g
thermo_modify lost error
run 0
variable energy equal pe
print "ENERGY $(v_energy:%.17g)"
"""

DYNAMICS = """\
units {units}
atom_style charge
read_data structure.data
{lines}
velocity all create 300.0 1
fix nve all nve
timestep {time_step}
neigh_modify every 1 delay 0 check yes
thermo {steps}
run 2
run {steps}
"""


class NotRun(Exception):
    """A potential that cannot be had here, and why."""


@dataclass(frozen=True)
class Prediction:
    """Energy in eV, and forces in eV/Å, shape (n_atoms, 3), of one frame."""

    energy: float
    forces: np.ndarray

    @classmethod
    def all_of(cls, said: str) -> list[Prediction]:
        """Those that a script has printed in its last line, as JSON."""
        results = json.loads(said.splitlines()[-1])
        return [cls(result["energy"], np.array(result["forces"])) for result in results]


@dataclass(frozen=True)
class LammpsPotential:
    """Input lines, and the LAMMPS that reads them."""

    lines: str
    """Between `read_data` and `run`; names of files are absolute."""
    elements: Sequence[str]
    """Of the atom types, in order."""
    units: str = "metal"
    lmp: Path = Path(sys.executable).parent / "lmp"
    environment: dict[str, str] = field(default_factory=dict)
    """Variables beside those of this process."""

    def predictions(self, frames: Sequence[Atoms]) -> list[Prediction]:
        """Energies and forces of frames, in one start of LAMMPS.

        Raises
        ------
        NotRun
            If LAMMPS fails.
        """
        repeated = [large_enough(frame, CUTOFF) for frame in frames]
        turned = [in_lammps_orientation(atoms) for atoms in repeated]
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            points = []
            for number, atoms in enumerate(turned):
                write_data_file(folder / f"{number}.data", atoms, list(self.elements), None)
                points.append(POINT.format(units=self.units, number=number, lines=self.lines))
            output = self._run(folder, "clear\n".join(points))
            dumped = [read_dump(folder / f"{number}.dump") for number in range(len(frames))]  # (n_repeated, 3) each
        energies = [float(word) for word in re.findall(r"^ENERGY (\S+)$", output, re.M)]
        unit = ENERGY_UNITS[self.units]
        results = []
        for frame, large, lammps, energy, forces in zip(frames, repeated, turned, energies, dumped, strict=True):
            back = rotation(lammps, large)  # (3, 3)
            n_copies = len(large) // len(frame)
            results.append(Prediction(unit * energy / n_copies, unit * forces[: len(frame)] @ back))
        return results

    def microseconds(self, atoms: Atoms, steps: int) -> float:
        """Time of the processor for an atom and a step of constant energy at 300 K, from a start in this structure."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_data_file(folder / "structure.data", in_lammps_orientation(atoms), list(self.elements), None)
            settings = {"units": self.units, "time_step": TIME_STEPS[self.units], "steps": steps}
            output = self._run(folder, DYNAMICS.format(lines=self.lines, **settings))
        seconds = float(re.findall(r"Loop time of (\S+) on 1 procs", output)[-1])
        share = float(re.findall(r"(\S+)% CPU use with 1 MPI tasks", output)[-1]) / 100.0
        return 1e6 * seconds * share / (steps * len(atoms))

    def _run(self, folder: Path, script: str) -> str:
        (folder / "in.peer").write_text(script)
        return finished([self.lmp, "-in", "in.peer", "-log", "none"], folder, self.environment)


def rotation(turned: Atoms, original: Atoms) -> np.ndarray:
    """Matrix that takes row vectors of the first structure to those of the second, of the same cell turned."""
    return np.linalg.solve(np.asarray(turned.cell), np.asarray(original.cell))  # (3, 3)


def finished(command: Sequence[str | Path], folder: Path, environment: dict[str, str] | None = None) -> str:
    """What a command printed that ran in a folder, on one thread.

    Raises
    ------
    NotRun
        If its status is not zero, with the last line that it said.
    """
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | (environment or {})
    words = [str(word) for word in command]
    result = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        said = [line.strip() for line in (result.stdout + result.stderr).splitlines() if line.strip()]
        (folder / "failed.txt").write_text(result.stdout + result.stderr)
        raise NotRun(f"`{Path(words[0]).name}` ended with status {result.returncode}: {(said or ['no word'])[-1]}")
    return result.stdout
