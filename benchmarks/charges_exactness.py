"""Are forces the gradient, and do all ways of summing agree? Parts of charges.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from charges_water import Row, untrained_model, water, write_system

from mliap_hybrid.lammps.check import python_result
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.single_points import Result, lammps_result

N_MOLECULES = 72
"""In a box of 13 Å, wider than two cutoffs."""

DIFFERENCES = """\
units metal
atom_style charge
read_data structure.data
{potential}
kspace_modify mesh 48 48 48
dump forces all custom 1 forces.dump id fx fy fz
dump_modify forces sort id format float %.17g
thermo_style custom step pe
thermo_modify norm no format float %.17g
run 0
"""


def finite_differences(folder: Path, n_components: int = 12, step: float = 1e-4) -> list[Row]:
    """Largest difference of forces of LAMMPS + PPPM (1e-6) and central differences of energies, `step` (Å) each way."""
    model = folder / "forces.pt"
    export_model(untrained_model("predicted"), model)
    script = DIFFERENCES.format(potential=write_system(folder, water(N_MOLECULES), model, accuracy=1e-6))
    random = np.random.default_rng(1)
    components = [(int(random.integers(3 * N_MOLECULES)), "xyz"[int(random.integers(3))]) for _ in range(n_components)]
    for i, axis in components:
        for shift in (step, -2.0 * step, step):
            script += f"group one id {i + 1}\n"
            vector = " ".join(str(shift if axis == name else 0) for name in "xyz")
            script += f"displace_atoms one move {vector} units box\nrun 0\ngroup one delete\n"
    (folder / "in.forces").write_text(script)
    output = run_lammps(folder / "in.forces")
    energies = [float(e) for e in re.findall(r"^\s+0\s+(-?\d+\.?\d*(?:e[-+]\d+)?)\s*$", output, re.M)]
    forces = first_frame(folder / "forces.dump")
    errors = []
    for k, (i, axis) in enumerate(components):
        forward, backward = energies[1 + 3 * k], energies[2 + 3 * k]
        errors.append(-(forward - backward) / (2.0 * step) - forces[i, "xyz".index(axis)])
    return [
        {"what": "finite-difference force error, pppm", "value": float(np.abs(errors).max()), "unit": "eV/Å"},
        {"what": "largest force component there", "value": float(np.abs(forces).max()), "unit": "eV/Å"},
    ]


def first_frame(path: Path) -> np.ndarray:
    """Columns (n_atoms, n_columns - 1) of the first frame of a dump, sorted by id."""
    frame = path.read_text().split("ITEM: TIMESTEP\n")[1]
    rows = frame.split("ITEM: ATOMS ")[1].splitlines()[1:]
    return np.array([[float(word) for word in row.split()[1:]] for row in rows])


@dataclass(frozen=True)
class Run:
    """One way to sum in LAMMPS."""

    name: str
    engine: str
    accuracy: float


RUNS = (
    Run("exact sum", "exact", 1e-6),
    Run("pppm 1e-4", "kspace", 1e-4),
    Run("pppm 1e-5", "kspace", 1e-5),
    Run("pppm 1e-6", "kspace", 1e-6),
)


def engines(folder: Path, ranks: tuple[int, ...] = (1, 2, 3, 4)) -> list[Row]:
    """Energies, forces and virials of PPPM and of the exact sum in LAMMPS, beside Python and beside other ranks."""
    model = untrained_model("predicted")
    box = in_lammps_orientation(water(N_MOLECULES))
    python = python_result(model, box)
    rows: list[Row] = []
    for run in RUNS:
        path = folder / f"{run.engine}.pt"
        if not path.exists():
            export_model(model, path, coulomb_engine=run.engine)
        results = [lammps_result(path, box, n, run.accuracy) for n in ranks]
        rows += differences(f"{run.name}, beside Python", results[:1], python)
        if run.accuracy == 1e-6:
            rows += differences(f"{run.name}, {', '.join(map(str, ranks[1:]))} ranks beside 1", results[1:], results[0])
    return rows


def differences(what: str, results: list[Result], expected: Result) -> list[Row]:
    """Largest ones of energy and virial per atom, and the largest of force components, with their rms."""
    forces = [result.forces - expected.forces for result in results]
    return [
        {
            "what": f"{what}, energy",
            "value": max(abs(result.energy - expected.energy) for result in results),
            "unit": "eV/atom",
        },
        {"what": f"{what}, forces", "value": float(np.abs(forces).max()), "unit": "eV/Å"},
        {"what": f"{what}, forces, rms", "value": float(np.sqrt(np.mean(np.square(forces)))), "unit": "eV/Å"},
        {
            "what": f"{what}, virial",
            "value": max(float(np.abs(result.virial - expected.virial).max()) for result in results),
            "unit": "eV/atom",
        },
    ]
