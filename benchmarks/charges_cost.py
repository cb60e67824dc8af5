"""What do predicted charges cost in LAMMPS? A part of charges.py."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from charges_water import ELEMENTS, Row, untrained_model, water, write_system

from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import ewald_splitting

RUN = """\
units metal
atom_style charge
read_data structure.data
replicate {n} {n} {n}
{potential}
velocity all create 10.0 1
fix nve all nve
timestep 0.0001
neigh_modify every 1 delay 0 check yes
thermo {steps}
run 5
run {steps}
"""

PLAIN = """\
pair_style      coul/long 9.0
pair_coeff      * *
kspace_style    pppm {accuracy}
kspace_modify   order 7 gewald {gewald:.4f} diff ad
set             type 1 charge 0.4
set             type 2 charge -0.8
"""

SYSTEMS = ((72, 1, 100), (216, 1, 40), (216, 2, 10), (216, 4, 4))
"""Molecules, copies along each edge, steps that are timed."""

LARGEST_EXACT = 5184
"""Number of atoms up to which the exact sum, whose cost grows with the square, is run."""


def cost(folder: Path, systems: Sequence[tuple[int, int, int]] = SYSTEMS, accuracy: float = 1e-5) -> list[Row]:
    """µs/atom/step on one rank, in single precision, the best of two runs.

    Beside predicted charges: the same model with fixed charges (their long-range term by coul/long + pppm), the same
    model without charges, and coul/long + pppm without any model. PPPM has the same accuracy everywhere.
    """
    blocks = {"plain coul/long + pppm": PLAIN.format(accuracy=accuracy, gewald=ewald_splitting(accuracy, 9.0))}
    for name, charges, engine in (
        ("no charges", "none", "kspace"),
        ("fixed charges", "fixed", "kspace"),
        ("predicted charges", "predicted", "kspace"),
        ("predicted charges, exact sum", "predicted", "exact"),
    ):
        path = folder / f"{charges}_{engine}.pt"
        export_model(untrained_model(charges), path, dtype="float32", coulomb_engine=engine)
        blocks[name] = write_system(folder, water(216), path, accuracy)

    rows: list[Row] = []
    for n_molecules, n, steps in systems:
        n_atoms = 3 * n_molecules * n**3
        write_data_file(folder / "structure.data", water(n_molecules), ELEMENTS, {"H": 0.4, "O": -0.8})
        times = {}
        for name, block in blocks.items():
            exact = "exact" in name
            if exact and n_atoms > LARGEST_EXACT:
                continue
            (folder / "in.cost").write_text(RUN.format(n=n, steps=2 if exact else steps, potential=block))
            times[name] = 1e6 * min(time_of_step(folder / "in.cost") for _ in range(2)) / n_atoms
            rows.append({"what": f"{name}, {n_atoms} atoms", "value": times[name], "unit": "µs/atom/step"})
        predicted = times["predicted charges"]
        for name, ratio in (
            ("cost ratio to fixed charges", predicted / times["fixed charges"]),
            ("cost ratio to plain coul/long + pppm", predicted / times["plain coul/long + pppm"]),
            (
                "cost of the charges alone, ratio to plain coul/long + pppm",
                (predicted - times["no charges"]) / times["plain coul/long + pppm"],
            ),
        ):
            rows.append({"what": f"{name}, {n_atoms} atoms", "value": ratio, "unit": ""})
    return rows


def time_of_step(script: Path) -> float:
    """Seconds of one step of the last run of an input."""
    output = run_lammps(script, timeout=1800.0)
    seconds, steps = re.findall(r"Loop time of (\S+) on \d+ procs for (\d+) steps", output)[-1]
    return float(seconds) / int(steps)
