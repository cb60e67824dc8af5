"""Write a LAMMPS input, run the installed LAMMPS on it, and read back what it printed and dumped."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SCRIPTS = Path(sys.executable).parent
LMP = [str(SCRIPTS / "lmp")]
LAUNCHER = [sys.executable, "-m", "mliap_hybrid.lammps.launcher"]

OUTPUT = """
compute energy all pe/atom
compute virial all stress/atom NULL
compute total_virial all reduce sum c_virial[1] c_virial[2] c_virial[3] c_virial[4] c_virial[5] c_virial[6]
compute total_energy all reduce sum c_energy
thermo_style custom step atoms pe evdwl ecoul elong press pxx pyy pzz pxy pxz pyz vol temp &
  c_total_energy c_total_virial[*]
thermo_modify format float %.17g norm no
dump atoms all custom 1 atoms.dump id type x y z fx fy fz c_energy c_virial[1] c_virial[2] c_virial[3] &
  c_virial[4] c_virial[5] c_virial[6]
dump_modify atoms sort id format float %.17g
"""
"""Input lines that print energies and pressure and dump forces, energies and virials of atoms, in full precision."""


@dataclass
class Run:
    """What a run of LAMMPS left behind."""

    directory: Path
    status: int
    text: str

    @property
    def thermo(self) -> list[dict[str, float]]:
        """All printed rows of thermodynamic output, as numbers under their names."""
        rows: list[dict[str, float]] = []
        names: list[str] = []
        for line in (self.directory / "log.lammps").read_text().splitlines():
            words = line.split()
            if words[:1] == ["Step"]:
                names = words
            elif names and len(words) == len(names) and words[0].isdigit():
                rows.append(dict(zip(names, map(float, words), strict=True)))
            elif line.startswith("Loop time"):
                names = []
        return rows

    def frames(self, name: str = "atoms.dump") -> list[dict[str, np.ndarray]]:
        """All frames of a dump file, as columns under their names."""
        frames = []
        for block in (self.directory / name).read_text().split("ITEM: TIMESTEP\n")[1:]:
            _, _, body = block.partition("ITEM: ATOMS ")
            names, _, rows = body.partition("\n")
            table = np.array(rows.split(), dtype=float).reshape(-1, len(names.split()))  # (n_atoms, n_columns)
            frames.append(dict(zip(names.split(), table.T, strict=True)))
        return frames


def run(directory: Path, lines: str, ranks: int | None = None, command: list[str] = LMP, timeout: float = 60.0) -> Run:
    """Run an input; `ranks` None is without ``mpiexec``."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "in.lammps").write_text(lines)
    call = [*command, "-in", "in.lammps"]
    if ranks is not None:
        call = [str(SCRIPTS / "mpiexec"), "-n", str(ranks), *call]
    done = subprocess.run(
        call, cwd=directory, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout, check=False
    )
    return Run(directory, done.returncode, done.stdout)


def run_well(directory: Path, lines: str, ranks: int | None = None, command: list[str] = LMP) -> Run:
    """Run an input that must not fail."""
    result = run(directory, lines, ranks, command)
    assert result.status == 0, result.text
    return result


VIRIALS = tuple(f"c_virial[{m}]" for m in range(1, 7))
TOTAL_VIRIALS = tuple(f"c_total_virial[{m}]" for m in range(1, 7))
THERMO_GROUPS = (
    ("Step", "Atoms"),
    ("PotEng", "E_vdwl", "E_coul", "E_long", "c_total_energy"),
    ("Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"),
    ("Volume",),
    ("Temp",),
    TOTAL_VIRIALS,
)
DUMP_GROUPS = (("id", "type"), ("x", "y", "z"), ("fx", "fy", "fz"), ("c_energy",), VIRIALS)


def assert_same(found: Run, expected: Run, tolerance: float = 1e-12, skip: tuple[tuple[str, ...], ...] = ()) -> None:
    """Every printed number and every dumped column agrees, relative to the largest number of its group."""
    thermo_groups = [names for names in THERMO_GROUPS if names not in skip]
    dump_groups = [names for names in DUMP_GROUPS if names not in skip]
    assert len(found.thermo) == len(expected.thermo) > 0
    assert len(found.frames()) == len(expected.frames()) > 0
    for row, reference in zip(found.thermo, expected.thermo, strict=True):
        for names in thermo_groups:
            _compare(np.array([row[n] for n in names]), np.array([reference[n] for n in names]), tolerance, names)
    for frame, reference_frame in zip(found.frames(), expected.frames(), strict=True):
        for names in dump_groups:
            columns = np.stack([frame[n] for n in names])  # (n_columns, n_atoms)
            reference_columns = np.stack([reference_frame[n] for n in names])
            _compare(columns, reference_columns, tolerance, names)


def _compare(found: np.ndarray, expected: np.ndarray, tolerance: float, names: tuple[str, ...]) -> None:
    scale = max(np.abs(expected).max(), 1e-6)
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * scale, err_msg=str(names))
