"""µs/atom/step of molecular dynamics in LAMMPS, 5184 atoms of water on one core; also beside another checkout.

    python benchmarks/step_cost.py [--baseline DIR] [--quick] [--rounds N] [--json FILE]

Models in single precision, of `gmp-2c3` features, a cutoff of 6 Å and a network of 128-64, are trained for a moment on
a few frames of training/water: their errors are large, and their cost is that of any others. Below them stand the time
that `lmp` needs beside its steps (start, model, setup) and its largest memory, and the ratio of steps without Python to
steps in Python (`native no`), which are run in turns. With --baseline, another checkout trains
its own models on the same frames, both run in turns, and ratios of this one over the other are printed: their median,
and half the range of their middle half. Seconds are those of the processor.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import yaml
from ase import Atoms
from other_checkout import THIS, Checkout, Row, checkout_in, in_turns, rows_of_ratio

ROOT = Path(__file__).resolve().parents[1]
CHARGES = {"H": 0.4, "O": -0.8}
"""e."""

MODELS: dict[str, dict[str, Any]] = {
    "no charges": {"electrostatics": {"charges": "none"}},
    "fixed charges": {"electrostatics": {"charges": CHARGES}},
    "predicted charges": {"electrostatics": {"charges": "predicted", "starting_charges": CHARGES}},
}
"""What a row is called -> what its training file says beside `TRAINING_FILE`."""

LATER: dict[str, dict[str, Any]] = {
    "dispersion, predicted": {"electrostatics": {"charges": "none"}, "dispersion": {"coefficients": "predicted"}},
}
"""The same of models that another checkout may not know: they are run by this one alone."""

DIFF_AD = "kspace_modify   diff ad\n"
"""PPPM's forces by differentiation of its splines."""

PLAIN = "plain coul/long + pppm"
"""The row without a model: fixed charges alone."""

TRAINING_FILE = {
    "data": {"validation": 0.5, "test": 0.0},
    "features": {"set": "gmp-2c3", "widths": [0.25, 0.5, 1.0, 2.0], "cutoff": 6.0},
    "network": {"hidden": [128, 64]},
    "optimisation": {"epochs": 1, "batch_size": 1},
}

RUN = """\
units metal
atom_style charge
read_data structure.data
replicate {copies} {copies} {copies}
{potential}
velocity all create 10.0 1
fix nve all nve
timestep 0.0001
neigh_modify every 1 delay 0 check yes
thermo {steps}
run 5
run {steps}
"""


@dataclass(frozen=True)
class Measured:
    """One process of LAMMPS."""

    microseconds: float
    """For an atom and a step."""
    start_up: float
    """Seconds of all but the steps."""
    megabytes: float


def main() -> None:
    """Run all rows and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout, installed in its .venv")
    parser.add_argument("--rounds", type=int, help="how often each row is run, 9 by default")
    parser.add_argument("--copies", type=int, default=3, help="copies of 192 atoms along each edge")
    parser.add_argument("--quick", action="store_true", help="three short rounds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    checkouts = [THIS] + ([checkout_in(options.baseline)] if options.baseline else [])
    rounds = options.rounds or (3 if options.quick else 9)
    with tempfile.TemporaryDirectory() as folder:
        rows = cost(Path(folder), checkouts, rounds, options.copies, steps=10 if options.quick else 50)
    for row in rows:
        print(f"{row['what']:48s} {row['value']:10.4g} {row['unit']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def cost(folder: Path, checkouts: Sequence[Checkout], rounds: int, copies: int, steps: int) -> list[Row]:
    """All rows: of the first checkout, and its ratios to the second, if there is one."""
    frames = ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", ":2")
    ase.io.write(folder / "frames.extxyz", frames)
    write_structure(folder / "structure.data", frames[0])
    scripts = {
        checkout: input_files(folder, checkout, index, copies, steps) for index, checkout in enumerate(checkouts)
    }
    rows, ratios = [], []
    for name in (*MODELS, PLAIN, *LATER):
        knowing = [checkout for checkout in checkouts if name in scripts[checkout]]
        measured = in_turns(lambda checkout, name=name: measure(checkout, scripts[checkout][name]), knowing, rounds)
        for prefix, quantity, unit in (
            ("", "microseconds", "µs/atom/step"),
            ("start-up ", "start_up", "s"),
            ("memory ", "megabytes", "MB"),
        ):
            values = [[getattr(run, quantity) for run in runs] for runs in measured]
            row = {"what": f"{prefix}| {name}" if prefix else name, "value": statistics.median(values[0]), "unit": unit}
            rows.append(row)
            if len(values) > 1:
                ratios += rows_of_ratio(name, *values, prefix=prefix)
    for name in MODELS:
        both = scripts[THIS][name], in_python(scripts[THIS][name])
        without, with_python = in_turns(lambda script: measure(THIS, script), both, rounds)
        values = [[run.microseconds for run in runs] for runs in (without, with_python)]
        ratios += rows_of_ratio(f"{name}, without Python over with it", *values)
    order = sorted(rows, key=lambda row: ["µs/atom/step", "s", "MB"].index(str(row["unit"])))
    return order + ratios


def write_structure(path: Path, atoms: Atoms) -> None:
    """Write the data file that all inputs read."""
    charged = atoms.copy()
    charged.set_initial_charges([CHARGES[symbol] for symbol in atoms.get_chemical_symbols()])
    ase.io.write(path, charged, format="lammps-data", atom_style="charge", specorder=list(CHARGES), masses=True)


def input_files(folder: Path, checkout: Checkout, index: int, copies: int, steps: int) -> dict[str, Path]:
    """Train a checkout's models and write its inputs, one for each row."""
    models = MODELS | (LATER if checkout == THIS else {})
    blocks = {name: potential_of(folder / f"{index}_{k}", checkout, models[name]) for k, name in enumerate(models)}
    mesh = [line for line in blocks["fixed charges"].splitlines() if line.startswith(("kspace", "set"))]
    blocks[PLAIN] = "\n".join(["pair_style coul/long 9.0", "pair_coeff * *", *mesh])
    scripts = {}
    for number, (name, block) in enumerate(blocks.items()):
        scripts[name] = folder / f"in.{index}_{number}"
        scripts[name].write_text(RUN.format(copies=copies, steps=steps, potential=block))
    return scripts


def in_python(script: Path) -> Path:
    """The same input with Python in each step."""
    other = script.with_name(f"{script.name}_python")
    other.write_text(script.read_text().replace("model.pt 0", "model.pt 0 native no"))
    return other


def potential_of(folder: Path, checkout: Checkout, sections: dict[str, Any]) -> str:
    """The input lines of a model that the checkout trains, with the PPPM that suits a cube."""
    folder.mkdir()
    settings = TRAINING_FILE | sections
    settings["data"] = settings["data"] | {"files": [str(folder.parent / "frames.extxyz")]}
    (folder / "train.yaml").write_text(yaml.safe_dump(settings | {"run": "run"}))
    model = folder / "model.pt"
    checkout.mliap_hybrid("train", "train.yaml", cwd=folder)
    checkout.mliap_hybrid("export", "run", "-o", str(model), "--precision", "single", cwd=folder)
    lines = checkout.mliap_hybrid("lammps-input", str(model), "--accuracy", "1e-5", cwd=folder).output
    return lines + (DIFF_AD if "kspace_style" in lines else "")


def measure(checkout: Checkout, script: Path) -> Measured:
    """Run LAMMPS once."""
    cost = checkout.lmp(script)
    loops = re.findall(r"Loop time of (\S+) on 1 procs for (\d+) steps with (\d+) atoms", cost.output)
    shares = re.findall(r"(\S+)% CPU use with 1 MPI tasks", cost.output)
    seconds = [float(loop[0]) * float(share) / 100.0 for loop, share in zip(loops, shares, strict=True)]
    _, steps, atoms = loops[-1]
    return Measured(
        microseconds=1e6 * seconds[-1] / (int(steps) * int(atoms)),
        start_up=cost.seconds - sum(seconds),
        megabytes=cost.megabytes,
    )


if __name__ == "__main__":
    main()
