"""How runs in LAMMPS grow: speed-up by ranks, shares of a step, and memory of the model's side for an atom.

    python benchmarks/mpi_scaling.py [--quick] [--largest] [--rounds 3] [--baseline DIR] [--only ROWS] [--json FILE]

Water, models in single precision of `gmp-2c3` features with 128-64, trained for a moment. One and two ranks run in
turns, one thread each; a speed-up needs as many free cores. Weak scaling gives each rank the atoms of one. Memory is
that of run_memory.py, without charges and, up to a million atoms, with predicted ones. `--largest` adds 4 million
atoms for 20 steps: 5 GB and some ten minutes. With --baseline, another checkout's model is measured, too, at 100,000
atoms.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ase.io
from other_checkout import THIS, Checkout, Row, checkout_in, in_turns
from run_memory import rows_of_memory
from step_cost import DIFF_AD, MODELS, ROOT, potential_of, write_structure

from mliap_hybrid.lammps.command import run_lammps

ATOMS_OF_BOX, MESH_OF_BOX = 192, 16
"""Of one copy; along each edge, the mesh. Without it, PPPM with `diff ad` tries one mesh after the other at each setup,
for 0.7 ms an atom."""

COPIES = {
    32_000: (7, 6, 4),
    100_000: (8, 8, 8),
    256_000: (11, 11, 11),
    1_000_000: (17, 17, 18),
    4_000_000: (27, 28, 28),
}
"""About so many atoms -> copies of the box along its edges."""

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
run {steps} pre no
"""


@dataclass(frozen=True)
class Loop:
    """The steps of one run, as LAMMPS tells them."""

    seconds: float
    """Of the clock."""
    shares: dict[str, float]
    """Pair, Kspace, Neigh, Comm and others -> per cent of the time."""


PARTS = ("Pair", "Kspace", "Neigh", "Comm")
"""Of LAMMPS' own table of where the time goes."""


def main() -> None:
    """Measure all and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="the smaller box alone, one round")
    parser.add_argument("--largest", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout, installed in its .venv")
    parser.add_argument("--only", choices=("speed-up", "memory"), help="one kind of rows alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    baseline = checkout_in(options.baseline) if options.baseline else None
    names = ("no charges",) if options.quick else ("no charges", "predicted charges")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        frames = ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", ":2")
        ase.io.write(folder / "frames.extxyz", frames)
        write_structure(folder / "structure.data", frames[0])
        blocks = {name: potential_of(folder / str(k), THIS, MODELS[name]) for k, name in enumerate(names)}
        rows: list[Row] = []
        if options.only != "memory":
            for name, block in blocks.items():
                for size in (32_000,) if options.quick else (32_000, 256_000):
                    rows += shown(speed_up(folder, block, name, size, 1 if options.quick else options.rounds))
        if options.only != "speed-up":
            for name, block in blocks.items():
                sizes = [100_000] if options.quick else [100_000, 1_000_000]
                quick_setup = block.replace(DIFF_AD, "")
                rows += shown(named(name, memory(folder, THIS, quick_setup, sizes)))
            in_python = blocks["no charges"].replace("model.pt 0", "model.pt 0 native no")
            rows += shown(named("Python in each step", memory(folder, THIS, in_python, [100_000])))
            if baseline:
                of_other = potential_of(folder / "other", baseline, MODELS["no charges"])
                rows += shown(named("other checkout", memory(folder, baseline, of_other, [100_000])))
            if options.largest:
                rows += shown(largest(folder, blocks["no charges"]))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def named(name: str, rows: list[Row]) -> list[Row]:
    """Rows that say what they are of."""
    suffix = "" if name == "no charges" else f" | {name}"
    return [row | {"what": f"{row['what']}{suffix}"} for row in rows]


def shown(rows: list[Row]) -> list[Row]:
    """The same rows, printed."""
    for row in rows:
        print(f"{row['what']:60s} {row['value']:10.4g} {row['unit']}", flush=True)
    return rows


def script_of(folder: Path, block: str, copies: tuple[int, ...], steps: int, processors: str = "* * *") -> Path:
    """Write an input."""
    script = folder / "in.lammps"
    words, mesh = (" ".join(str(size * n) for n in copies) for size in (1, MESH_OF_BOX))
    if DIFF_AD in block:
        block += f"kspace_modify mesh {mesh}\n"
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
    rows: list[Row] = []
    for what, several in ((f"speed-up, 2 ranks, {size}", two), (f"weak scaling, 2 ranks, {size} each", twice)):
        ratio = statistics.median(a.seconds / b.seconds for a, b in zip(one, several, strict=True))
        rows.append({"what": what, "value": ratio, "unit": ""})
    cost = 1e6 * statistics.median(run.seconds for run in one) / (steps * n_atoms_of(size))
    rows.append({"what": f"us/atom/step, 1 rank, {size}", "value": cost, "unit": "µs"})
    for n_ranks, runs in ((1, one), (2, two)):
        rows += [
            {
                "what": f"{part}, {n_ranks} rank{'s' * (n_ranks > 1)}, {size}",
                "value": statistics.median(run.shares.get(part, 0.0) for run in runs),
                "unit": "% of the step",
            }
            for part in PARTS
        ]
    return named(name, rows)


def run_loop(script: Path, n_ranks: int) -> Loop:
    """Run LAMMPS on so many ranks."""
    return loop_of(run_lammps(script, n_ranks, timeout=3600.0))


def loop_of(output: str) -> Loop:
    """The last loop of a run."""
    of_last = output[output.rindex("Loop time of") :]
    seconds = re.match(r"Loop time of (\S+) on", of_last)
    assert seconds is not None
    shares = re.findall(r"^(\w+) +\|.*\| *([\d.]+)$", of_last, re.M)
    return Loop(float(seconds[1]), {part: float(share) for part, share in shares})


def n_atoms_of(size: int) -> int:
    """Atoms of the box of about so many."""
    return ATOMS_OF_BOX * math.prod(COPIES[size])


def memory(folder: Path, checkout: Checkout, block: str, sizes: list[int]) -> list[Row]:
    """What a model takes on one rank beside lists and atoms."""

    @functools.cache
    def megabytes(size: int, potential: str) -> float:
        return checkout.lmp(script_of(folder, potential, COPIES[size], steps=1)).megabytes

    return rows_of_memory(megabytes, n_atoms_of, block, sizes)


def largest(folder: Path, block: str) -> list[Row]:
    """20 steps of the largest box."""
    size = max(COPIES)
    runs = []

    def megabytes(n: int, potential: str) -> float:
        run = THIS.lmp(script_of(folder, potential, COPIES[n], steps=20 if n == size else 1))
        if n == size and potential == block:
            runs.append(run)
        return run.megabytes

    rows = [row for row in rows_of_memory(megabytes, n_atoms_of, block, [size]) if row["unit"] == "kB"]
    loop = loop_of(runs[0].output)
    rows.append({"what": f"MB, whole run, {size}", "value": runs[0].megabytes, "unit": "MB"})
    cost = 1e6 * loop.seconds / (20 * n_atoms_of(size))
    rows.append({"what": f"us/atom/step, 1 rank, {size}", "value": cost, "unit": "µs"})
    return rows


if __name__ == "__main__":
    main()
