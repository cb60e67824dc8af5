"""What a rank of LAMMPS needs to start with a model: seconds of the clock and of the processor, and memory.

    python benchmarks/start_up.py [--rounds 9] [--json FILE]

192 atoms of water, whose steps cost next to nothing: `lmp` from its start to its end, on one and two ranks, with
LAMMPS' own pair style alone, with models in single precision of `gmp-2c3` features with 128-64, and with the first of
these in Python (`native no`), which imports torch. All are run in turns. Medians; memory is that of the largest rank.
Seconds of the clock need as many free cores as ranks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import ase.io
from other_checkout import THIS, Cost, Row, in_turns
from step_cost import MODELS, ROOT, in_python, potential_of, write_structure

NO_MODEL = "pair_style lj/cut 6.0\npair_coeff * * 0.001 2.5"

RUN = """\
units metal
atom_style charge
read_data structure.data
{potential}
velocity all create 10.0 1
fix nve all nve
timestep 0.0001
run 1
"""


def main() -> None:
    """Measure all and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = start_up(Path(folder), options.rounds)
    for row in rows:
        print(f"{row['what']:60s} {row['value']:10.4g} {row['unit']}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def start_up(folder: Path, rounds: int) -> list[Row]:
    """All rows."""
    scripts = scripts_of(folder)
    cases = [(name, script, ranks) for ranks in (1, 2) for name, script in scripts.items()]
    measured = in_turns(lambda case: THIS.lmp(case[1], case[2]), cases, rounds)
    rows: list[Row] = []
    for (name, _, ranks), runs in zip(cases, measured, strict=True):
        rows += rows_of(f"{name}, {ranks} rank{'s' * (ranks > 1)}", runs, ranks)
    return rows


def rows_of(name: str, runs: list[Cost], ranks: int) -> list[Row]:
    """Medians of one case; seconds of the processor are those of a rank."""
    quantities = {
        "start, clock": ([run.clock for run in runs], "s"),
        "start, processor": ([run.seconds / ranks for run in runs], "s"),
        "start, memory": ([run.megabytes for run in runs], "MB"),
    }
    return [
        {"what": f"{quantity} | {name}", "value": statistics.median(values), "unit": unit}
        for quantity, (values, unit) in quantities.items()
    ]


def scripts_of(folder: Path) -> dict[str, Path]:
    """Name of each row -> its input."""
    folder.mkdir(exist_ok=True)
    frames = ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", ":2")
    ase.io.write(folder / "frames.extxyz", frames)
    write_structure(folder / "structure.data", frames[0])
    blocks = {"no model": NO_MODEL}
    for number, (name, sections) in enumerate(MODELS.items()):
        blocks[name] = potential_of(folder / f"model{number}", THIS, sections)
    scripts = {}
    for number, (name, block) in enumerate(blocks.items()):
        scripts[name] = folder / f"in.{number}"
        scripts[name].write_text(RUN.format(potential=block))
    return scripts | {"no charges, with Python in each step": in_python(scripts["no charges"])}


if __name__ == "__main__":
    main()
