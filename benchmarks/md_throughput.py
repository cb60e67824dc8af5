"""Molecular dynamics in LAMMPS: atom steps a second of a model file, and which share of a step PPPM takes.

    python benchmarks/md_throughput.py [--model runs/nacl/model.pt] [--ranks 1,2] [--json FILE]

One thread a rank. Compare rows of one run only: absolute speed is that of the machine.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from pathlib import Path

from mliap_hybrid.lammps.check import example_atoms, large_enough
from mliap_hybrid.lammps.command import run_lammps
from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.exporter import load_exported
from mliap_hybrid.lammps.inputs import potential_block

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


def main() -> None:
    """Run all cases and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("runs/nacl/model.pt"))
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()

    rows: list[dict[str, object]] = []
    print(f"{'atoms':>8} {'ranks':>5} {'atom steps/s':>13} {'µs/atom/step/rank':>18} {'pair %':>7} {'PPPM %':>7}")
    for n, steps in ((1, 100), (2, 20)):
        for ranks in (int(word) for word in options.ranks.split(",")):
            atoms, rate, pair, kspace = throughput(options.model.resolve(), n, steps, ranks)
            print(f"{atoms:8d} {ranks:5d} {rate:13,.0f} {1e6 * ranks / rate:18.1f} {pair:7.1f} {kspace:7.1f}")
            rows.append({"what": f"{atoms} atoms, {ranks} ranks", "value": rate, "unit": "atom steps/s"})
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


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
