"""Induced dipoles: rounds of the solver, cost of a step beside charges alone, and whether energy is conserved.

    python benchmarks/dipoles.py [--quick] [--only rounds|training|cost|conservation] [--json FILE]

The model is polarisable water without a network: charges and dipoles by this package (exact sum), Lennard-Jones and
harmonic bonds and angles by LAMMPS (those of SPC/Fw: Wu, Tepper and Voth, J. Chem. Phys. 124, 024503 (2006)), with the
charges of a water molecule alone. It is no water to trust; it has the forces of one.
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.none import NoFeatures
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.term_section import MadeTerm, TermContext
from mliap_hybrid.model.terms import dipoles as term
from mliap_hybrid.model.terms.dipole_settings import DipoleSettings
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.standard import element_parameter

Add = Callable[[str, float, str], None]
"""Takes a row: what, value and unit."""

CHARGES = {1: 0.33, 8: -0.66}
"""e."""

CUTOFF, SMEARING = 4.5, 0.81
"""Å."""

INPUT = """\
units           metal
atom_style      full
atom_modify     map array
bond_style      harmonic
angle_style     harmonic
special_bonds   lj/coul 1 1 1
read_data       {data}
pair_style      hybrid/overlay lj/cut {cutoff} {styles}
pair_coeff      * * lj/cut 0.0 1.0
pair_coeff      2 2 lj/cut 0.0067398 3.165492
pair_modify     pair lj/cut shift yes
{coefficients}
bond_coeff      1 22.964 1.012
angle_coeff     1 1.6457 113.24
neighbor        1.0 bin
timestep        0.0005
velocity        all create 300 4711 loop geom
fix             move all nve
thermo_style    custom step etotal temp
thermo_modify   format float %.10f
thermo          {every}
run             {before}
run             {steps}
"""


def water(n_side: tuple[int, int, int], spacing: float = 3.1) -> Atoms:
    """Molecules on a grid, turned at random, Å."""
    random, box = np.random.default_rng(1), np.array(n_side) * spacing
    half = np.radians(113.24 / 2.0)
    molecule = 1.012 * np.array([[0, 0, 0], [np.sin(half), 0, np.cos(half)], [-np.sin(half), 0, np.cos(half)]])
    positions = []
    for cell in np.ndindex(*n_side):
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        positions.append(molecule @ turn.T + spacing * (np.array(cell) + 0.5))
    n = len(positions)
    return Atoms("OHH" * n, positions=np.concatenate(positions), cell=np.diag(box), pbc=True)


def model_of(tolerance: float | None) -> HybridModel:
    """Charges, and with a tolerance dipoles."""
    charge = element_parameter("charge", "e", CHARGES, (1, 8))
    coulomb = MadeTerm(Electrostatics(SMEARING), (charge,))
    terms, parameters = [coulomb.term], [*coulomb.parameters]
    if tolerance is not None:
        settings = DipoleSettings(induced="constant", between_molecules=True, tolerance=tolerance)
        made = settings.make(TermContext((1, 8), CUTOFF, made={"electrostatics": coulomb}))
        assert made is not None
        terms.append(made.term)
        parameters += made.parameters[1:]  # the charge is there
    return HybridModel(NoFeatures([1, 8], CUTOFF), terms, parameters).double()


def write_data(path: Path, atoms: Atoms) -> None:
    """Data file of `atom_style full`."""
    n = len(atoms) // 3
    lines = ["#", "", f"{3 * n} atoms", f"{2 * n} bonds", f"{n} angles", "2 atom types", "1 bond types"]
    lines += ["1 angle types", *(f"0 {atoms.cell[k, k]} {x}lo {x}hi" for k, x in enumerate("xyz"))]
    lines += ["", "Masses", "", "1 1.008", "2 15.999", "", "Atoms # full", ""]
    for k, (z, (x, y, zz)) in enumerate(zip(atoms.numbers, atoms.positions, strict=True)):
        lines.append(f"{k + 1} {k // 3 + 1} {1 if z == 1 else 2} {CHARGES[z]} {x} {y} {zz}")
    lines += ["", "Bonds", ""]
    lines += [f"{2 * m + b + 1} 1 {3 * m + 1} {3 * m + 2 + b}" for m in range(n) for b in (0, 1)]
    lines += ["", "Angles", "", *(f"{m + 1} 1 {3 * m + 2} {3 * m + 1} {3 * m + 3}" for m in range(n))]
    path.write_text("\n".join(lines) + "\n")


def run(atoms: Atoms, tolerance: float | None, steps: int, before: int) -> tuple[np.ndarray, float]:
    """Time and total energy (n, 2), ps and eV/atom, of the last run, and seconds of the processor for all of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder / "water.data", atoms)
        model, cutoff = folder / "model.pt", CUTOFF
        export_model(model_of(tolerance), model, coulomb_engine="exact" if tolerance is not None else "kspace")
        styles, coefficients = f"mliap unified {model} 0", "pair_coeff * * mliap H O"
        if tolerance is None:
            styles += f" coul/long {CUTOFF}"
            coefficients += "\npair_coeff * * coul/long\nkspace_style pppm 1e-5"
        given = {"styles": styles, "coefficients": coefficients, "cutoff": cutoff, "data": folder / "water.data"}
        (folder / "in.run").write_text(INPUT.format(**given, every=max(1, steps // 100), steps=steps, before=before))
        started = _processor()
        output = run_lammps(folder / "in.run", 1, timeout=36000.0)
        seconds = _processor() - started
    table = output[output.rindex("Step ") :].splitlines()[1:]
    rows = [[float(word) for word in line.split()] for line in table if re.match(r"\s*\d+\s+-?\d", line)]
    found = np.array(rows)
    return np.column_stack([found[:, 0] * 0.0005, found[:, 1] / len(atoms)]), seconds


def _processor() -> float:
    """Seconds that finished processes have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cost(atoms: Atoms, tolerance: float | None, steps: int) -> float:
    """Seconds a step, from a short run and a longer one."""
    short, long = (run(atoms, tolerance, n, 1)[1] for n in (1, 1 + steps))
    return (long - short) / steps


def rounds(tolerance: float) -> int:
    """Applications of the matrix that the dipoles of 81 atoms of water need."""
    model, atoms, count = model_of(tolerance), water((3, 3, 3), 3.4), 0
    solver = term.conjugate_gradients

    def counted(apply: Any, *rest: Any) -> Any:
        def one(x: Any) -> Any:
            nonlocal count
            count += 1
            return apply(x)

        return solver(one, *rest)

    term.conjugate_gradients = counted
    try:
        Evaluator(model).predict(frame_to_batch(atoms, CUTOFF))
    finally:
        term.conjugate_gradients = solver
    return count


def training_seconds(tolerance: float | None, repeats: int = 5) -> float:
    """Seconds of the processor for energies, forces and their gradients of a training step, 81 atoms of water."""
    model, batch = model_of(tolerance), frame_to_batch(water((3, 3, 3), 3.4), CUTOFF)
    of_model, geometry = model.all_terms[-1], batch.geometry()
    constants = of_model.constants(geometry, False)
    times = []
    for _ in range(repeats + 1):
        values = {
            name: values.float().requires_grad_()
            for name, values in Evaluator(model).total(geometry).parameters.items()
            if name in of_model.takes
        }
        started = time.process_time()
        found = of_model.contribution(geometry, ParameterValues(geometry, values), constants)
        loss = found.energies.sum() ** 2 + found.forces.square().sum()
        if found.pair_gradients is not None:
            loss = loss + found.pair_gradients.square().sum()
        torch.autograd.grad(loss, list(values.values()))
        times.append(time.process_time() - started)
    return min(times[1:])


def of_rounds(add: Add, quick: bool) -> None:
    """Applications of the matrix at several tolerances."""
    for tolerance in (1e-4, 1e-6, 1e-8, 1e-10):
        add(f"rounds of the solver at {tolerance:g}", rounds(tolerance), "")


def of_training(add: Add, quick: bool) -> None:
    """Time of a training step."""
    for name, tolerance in (("charges alone, by matrices", None), ("dipoles at 1e-8", 1e-8)):
        add(f"81 atoms, a training step, {name}", 1e3 * training_seconds(tolerance), "ms")


def of_cost(add: Add, quick: bool) -> None:
    """Time of a step in LAMMPS."""
    for n_side in ((3, 3, 3),) if quick else ((3, 3, 3), (4, 4, 4), (6, 6, 6)):
        atoms, steps = water(n_side), 10 if quick else 40
        cases = {"fixed charges, PPPM": None, "dipoles at 1e-8": 1e-8, "dipoles at 1e-5": 1e-5}
        each = {name: cost(atoms, tolerance, steps) for name, tolerance in cases.items()}
        for name, seconds in each.items():
            add(f"{len(atoms)} atoms, {name}", 1e6 * seconds / len(atoms), "µs/atom/step")
        ratio = each["dipoles at 1e-5"] / each["fixed charges, PPPM"]
        add(f"{len(atoms)} atoms, dipoles over fixed charges", ratio, "")


def of_conservation(add: Add, quick: bool) -> None:
    """Drift of the energy at several tolerances."""
    steps = 200 if quick else 4000
    for tolerance in (1e-8, 1e-5, 1e-3):
        energies, _ = run(water((3, 3, 3)), tolerance, steps, 100 if quick else 500)
        times, totals = energies.T
        line = np.polyfit(times, totals, 1)
        slope, spread = float(line[0]), float(np.std(totals - np.polyval(line, times)))
        add(f"drift at {tolerance:g}, {steps * 0.0005:g} ps of 81 atoms", slope, "eV/atom/ps")
        add(f"rms about it at {tolerance:g}", spread, "eV/atom")


PARTS = {"rounds": of_rounds, "training": of_training, "cost": of_cost, "conservation": of_conservation}


def main() -> None:
    """Print rows, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer steps")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []

    def add(what: str, value: float, unit: str) -> None:
        rows.append({"what": what, "value": value, "unit": unit})
        print(f"{what:70s} {value:12.4g} {unit}", flush=True)

    for name, part in PARTS.items():
        if options.only in (None, name):
            part(add, options.quick)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
