"""How runs in LAMMPS grow: speed-up by ranks, shares of a step, and memory of the model's side for an atom.

    python benchmarks/mpi_scaling.py [--quick] [--largest] [--rounds 3] [--json FILE]

Water, models in single precision of `gmp-2c3` features with 128-64, trained for a moment. One and two ranks run in
turns, one thread each; a speed-up needs as many free cores. Weak scaling gives each rank the atoms of one. Memory is
the largest of a run on one rank, minus that of the same run with `pair_style zero`, which has the same neighbour lists:
what grows with the atoms (from the smallest box on), and what does not. `--largest` adds 4 million atoms for 20 steps,
which take 10 GB.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ase.io
from other_checkout import THIS, Row, in_turns
from step_cost import MODELS, ROOT, in_python, potential_of, write_structure

from mliap_hybrid.lammps.command import run_lammps

ATOMS_OF_BOX = 192
COPIES = {
    32_000: (7, 6, 4),
    100_000: (8, 8, 8),
    256_000: (11, 11, 11),
    1_000_000: (17, 17, 18),
    4_000_000: (27, 28, 28),
}
"""About so many atoms -> copies of the box along its edges."""

NOTHING = "pair_style zero 6.0 full\npair_coeff * *"
"""In place of a model: its neighbour lists alone."""

RUN = """\
processors {processors}
units metal
atom_style charge
read_data structure.data
replicate {copies}
{potential}
velocity all create 300.0 1
fix nve all nve
timestep 0.0001
neigh_modify every 1 delay 0 check yes
thermo {steps}
run 2
run {steps}
"""


@dataclass(frozen=True)
class Loop:
    """The steps of one run, as LAMMPS tells them."""

    seconds: float
    """Of the clock."""
    shares: dict[str, float]
    """Pair, Kspace, Neigh, Comm and others -> per cent of the time."""


def main() -> None:
    """Measure all and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smaller box alone, one round")
    parser.add_argument("--largest", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", ":2")
        ase.io.write(folder / "frames.extxyz", frames)
        write_structure(folder / "structure.data", frames[0])
        names = ("no charges",) if options.quick else ("no charges", "predicted charges")
        blocks = {name: potential_of(folder / str(k), THIS, MODELS[name]) for k, name in enumerate(names)}
        rows: list[Row] = []
        for name, block in blocks.items():
            for size in (32_000,) if options.quick else (32_000, 256_000):
                rows += shown(speed_up(folder, block, name, size, 1 if options.quick else options.rounds))
        sizes = [] if options.quick else [1_000_000, *([4_000_000] if options.largest else [])]
        rows += shown(memory(folder, blocks["no charges"], sizes))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def shown(rows: list[Row]) -> list[Row]:
    """The same rows, printed."""
    for row in rows:
        print(f"{row['what']:60s} {row['value']:10.4g} {row['unit']}", flush=True)
    return rows


def script_of(folder: Path, block: str, copies: tuple[int, ...], steps: int, processors: str = "* * *") -> Path:
    """Write an input."""
    script = folder / "in.lammps"
    words = " ".join(str(n) for n in copies)
    script.write_text(RUN.format(copies=words, steps=steps, potential=block, processors=processors))
    return script


def speed_up(folder: Path, block: str, name: str, size: int, rounds: int) -> list[Row]:
    """One rank over two for one box, and for a box of twice the size on the two."""
    x, y, z = COPIES[size]
    steps = max(4, 2_000_000 // size)

    def loop(case: tuple[int, tuple[int, int, int]]) -> Loop:
        n_ranks, copies = case
        return run_loop(script_of(folder, block, copies, steps, f"{n_ranks} 1 1"), n_ranks)

    cases = [(1, (x, y, z)), (2, (x, y, z)), (2, (2 * x, y, z))]
    one, two, twice = in_turns(loop, cases, rounds)
    strong = statistics.median(a.seconds / b.seconds for a, b in zip(one, two, strict=True))
    weak = statistics.median(a.seconds / b.seconds for a, b in zip(one, twice, strict=True))
    suffix = "" if name == "no charges" else f" | {name}"
    rows = [
        {"what": f"speed-up, 2 ranks, {size}{suffix}", "value": strong, "unit": ""},
        {"what": f"weak scaling, 2 ranks, {size} each{suffix}", "value": weak, "unit": ""},
        {
            "what": f"us/atom/step, 1 rank, {size}{suffix}",
            "value": 1e6
            * statistics.median(run.seconds for run in one)
            / (steps * ATOMS_OF_BOX * math.prod(COPIES[size])),
            "unit": "µs",
        },
    ]
    for part in ("Pair", "Kspace", "Neigh", "Comm"):
        share = statistics.median(run.shares.get(part, 0.0) for run in two)
        rows.append({"what": f"{part}, 2 ranks, {size}{suffix}", "value": share, "unit": "% of the step"})
    return rows


def run_loop(script: Path, n_ranks: int) -> Loop:
    """Run LAMMPS on so many ranks."""
    output = run_lammps(script, n_ranks, timeout=3600.0)
    of_last = output[output.rindex("Loop time of") :]
    seconds = re.match(r"Loop time of (\S+) on", of_last)
    assert seconds is not None
    shares = re.findall(r"^(\w+) +\|.*\| *([\d.]+)$", of_last, re.M)
    return Loop(float(seconds[1]), {part: float(share) for part, share in shares})


def memory(folder: Path, block: str, sizes: list[int]) -> list[Row]:
    """What a model takes on one rank beside lists and atoms."""

    def megabytes(size: int, potential: str, python: bool = False) -> float:
        script = script_of(folder, potential, COPIES[size], steps=20 if size == max(COPIES) else 1)
        return THIS.lmp(in_python(script) if python else script).megabytes

    smallest, small = 32_000, 100_000
    nothing = {size: megabytes(size, NOTHING) for size in (smallest, small, *sizes)}
    start = {python: megabytes(smallest, block, python) - nothing[smallest] for python in (False, True)}
    rows: list[Row] = [{"what": f"MB, model side, {smallest}", "value": start[False], "unit": "MB"}]
    for size, python in ((small, True), (small, False), *((size, False) for size in sizes)):
        n_more = ATOMS_OF_BOX * (math.prod(COPIES[size]) - math.prod(COPIES[smallest]))
        more = megabytes(size, block, python) - nothing[size] - start[python]
        what = f"kB/atom, model side, {size}{', with Python in each step' if python else ''}"
        rows.append({"what": what, "value": 1024.0 * more / n_more, "unit": "kB"})
    return rows


if __name__ == "__main__":
    main()
