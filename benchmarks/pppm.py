"""Settings of LAMMPS' PPPM: what they cost and how far their forces and energies are from an exact sum.

    python benchmarks/pppm.py [--quick] [--rounds 3] [--system water] [--json FILE]

Point charges alone (`coul/long` to a cutoff, and PPPM), 5184 atoms of water and 4096 ions of NaCl on one core; the
splitting g is that of `mliap-hybrid lammps-input`, unless a row says `own g`, which is LAMMPS' choice. Models with
predicted charges have their own real-space part within their cutoff, here 6 Å: of those rows the mesh counts alone.
Errors are root mean squares over all components beside `ewald` with a tight g; seconds are those of the processor.
The mesh is the one that LAMMPS takes; it is looked for once, and told in what is timed. `setup` is what a `run` of
no steps takes.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from other_checkout import THIS, Row, in_turns
from step_cost import ROOT, write_structure

from mliap_hybrid.lammps.data_file import in_lammps_orientation, write_data_file
from mliap_hybrid.lammps.inputs import ewald_splitting

RUN = """\
units metal
atom_style charge
read_data {structure}
replicate {n} {n} {n}
pair_style coul/long {cutoff}
pair_coeff * *
{solver}
velocity all create 10.0 1
fix nve all nve
timestep 0.0001
thermo_style custom step pe
thermo_modify norm yes format float %.17g
{output}
run {steps}
"""

FORCES = "dump forces all custom 1 forces.dump id fx fy fz\ndump_modify forces sort id format float %.17g"


@dataclass(frozen=True)
class Setting:
    """One row of the table."""

    cutoff: float
    """Å, of the real-space part."""
    order: int = 7
    diff: str = "ad"
    accuracy: float = 1e-5
    own_splitting: bool = False

    @property
    def name(self) -> str:
        """What a row is called."""
        splitting = ", own g" if self.own_splitting else ""
        return f"{self.cutoff:g} Å, order {self.order}, {self.diff}, {self.accuracy:.0e}{splitting}"

    def solver(self, mesh: str = "") -> str:
        """Input lines."""
        splitting = "" if self.own_splitting else f" gewald {ewald_splitting(self.accuracy, self.cutoff):.4f}"
        told = f" mesh {mesh}" if mesh else ""
        return (
            f"kspace_style pppm {self.accuracy:g}\nkspace_modify order {self.order} diff {self.diff}{splitting}{told}"
        )


SETTINGS = [
    *(Setting(cutoff, order, diff) for cutoff in (9.0, 6.0) for diff in ("ik", "ad") for order in (5, 6, 7)),
    *(Setting(cutoff) for cutoff in (7.5, 10.5, 12.0)),
    *(Setting(9.0, accuracy=accuracy) for accuracy in (1e-4, 1e-6)),
    *(Setting(9.0, order, "ik", own_splitting=True) for order in (5, 7)),
]


@dataclass(frozen=True)
class Parts:
    """µs of the processor for an atom and step."""

    pair: float
    mesh: float


def main() -> None:
    """Measure all and print the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few settings, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--system", choices=tuple(SYSTEMS), help="one of the two alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = [Setting(9.0), Setting(9.0, order=5)] if options.quick else SETTINGS
    rows: list[Row] = []
    for system in [options.system] if options.system else SYSTEMS:
        with tempfile.TemporaryDirectory() as folder:
            for row in measure(Path(folder), system, settings, 1 if options.quick else options.rounds):
                print(f"{row['what']:60s} {row['value']:10.4g} {row['unit']}", flush=True)
                rows.append(row)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


def write_water(path: Path) -> None:
    """192 atoms."""
    write_structure(path, ase.io.read(ROOT / "training" / "water" / "water64.extxyz.xz", 0))


def write_salt(path: Path) -> None:
    """64 ions."""
    atoms: Atoms = in_lammps_orientation(ase.io.read(ROOT / "training" / "nacl" / "nacl64.extxyz.xz", 0))
    write_data_file(path, atoms, ["Na", "Cl"], {"Na": 0.5763, "Cl": -0.5763})


SYSTEMS = {"water": (write_water, 3), "NaCl": (write_salt, 4)}
"""What a system is called -> what writes its data file, and the copies of it along each edge."""


def measure(folder: Path, system: str, settings: list[Setting], rounds: int) -> list[Row]:
    """All rows of a system."""
    write, n = SYSTEMS[system]
    write(folder / "structure.data")

    def script(name: str, cutoff: float, solver: str, output: str, steps: int) -> Path:
        path = folder / f"in.{name}"
        structure = "structure.data"
        path.write_text(RUN.format(structure=structure, n=n, cutoff=cutoff, solver=solver, output=output, steps=steps))
        return path

    exact = "kspace_style ewald 1e-9\nkspace_modify gewald 0.4"
    energy, forces = point(THIS.lmp(script("exact", 12.0, exact, FORCES, 0)).output, folder)
    rows, scripts = [], []
    for k, setting in enumerate(settings):
        found = THIS.lmp(script(str(k), setting.cutoff, setting.solver(), FORCES, 0))
        mesh = re.findall(r"^ *grid = (.*)$", found.output, re.M)[-1]
        of_energy, of_forces = point(found.output, folder)
        told = THIS.lmp(script(str(k), setting.cutoff, setting.solver(mesh), "", 0))
        scripts.append(script(str(k), setting.cutoff, setting.solver(mesh), "", 20))
        for what, value, unit in (
            ("force error", 1e3 * float(np.sqrt(np.mean((of_forces - forces) ** 2))), "meV/Å"),
            ("energy error", 1e3 * (of_energy - energy), "meV/atom"),
            ("setup", found.seconds, "s"),
            ("setup, mesh told", told.seconds, "s"),
            ("points of the mesh an edge", float(mesh.split()[0]), ""),
        ):
            rows.append({"what": f"{what} | {system} | {setting.name}", "value": value, "unit": unit})
    costs = in_turns(lambda path: parts_of(THIS.lmp(path).output), scripts, rounds)
    for setting, values in zip(settings, costs, strict=True):
        for part in ("pair", "mesh"):
            value = statistics.median(getattr(each, part) for each in values)
            rows.append({"what": f"{part} us/atom | {system} | {setting.name}", "value": value, "unit": "µs"})
    return rows


def point(output: str, folder: Path) -> tuple[float, np.ndarray]:
    """Energy an atom, eV, and forces (n_atoms, 3), eV/Å, of a run of no steps."""
    (energy,) = re.findall(r"^ *Step +PotEng *\n *0 +(\S+)", output, re.M)
    _, _, body = (folder / "forces.dump").read_text().partition("ITEM: ATOMS id fx fy fz\n")
    return float(energy), np.array(body.split(), dtype=float).reshape(-1, 4)[:, 1:]


def parts_of(output: str) -> Parts:
    """Of the one loop of a run."""
    (loop,) = re.findall(r"^Loop time of (\S+) on 1 procs for (\d+) steps with (\d+) atoms", output, re.M)
    (use,) = re.findall(r"(\S+)% CPU use", output)
    scale = 1e6 * float(loop[0]) * float(use) / 100.0 / (int(loop[1]) * int(loop[2]))
    shares = dict(re.findall(r"^(Pair|Kspace) .*\|\s*(\S+)$", output, re.M))
    return Parts(*(scale * float(shares[part]) / 100.0 for part in ("Pair", "Kspace")))


if __name__ == "__main__":
    main()
