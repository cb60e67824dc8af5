"""Make the ethanol data set: one molecule in vacuum at three temperatures, labelled with GFN2-xTB.

    python training/ethanol/prepare.py make      # dynamics and labels -> ethanol.extxyz.xz (resumable)
    python training/ethanol/prepare.py check     # labels against finite differences of the energy
    python training/ethanol/prepare.py table     # what is in the file, as the table of the README

Geometries come from Langevin dynamics with the method that labels them, GFN2-xTB (Bannwarth, Ehlert and Grimme,
J. Chem. Theory Comput. 15, 1652 (2019)) by tblite. Needs `pip install 'mliap_hybrid[labels]'`; run it with
OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import collections
import io
import lzma
import time
from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.build import molecule
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

DATA_FILE = Path(__file__).parent / "ethanol.extxyz.xz"
FRAMES_PER_RUN = 100
WARM_STEPS, STEPS_BETWEEN_FRAMES = 2000, 80
"""Of 0.5 fs."""
FRICTION = 0.01
"""1/fs."""
HYDROXYL = (0, 1, 2, 3)
"""C-C-O-H: the torsion that tells trans from gauche."""
METHYL = (2, 1, 0, 6)
"""O-C-C-H with one hydrogen of the methyl group."""


@dataclass(frozen=True)
class Trajectory:
    """One molecular dynamics run."""

    temperature: int
    """K."""
    seed: int

    @property
    def name(self) -> str:
        """First part of the entry `frame` of each frame."""
        return f"{self.temperature}K_{self.seed}"


PLAN = [Trajectory(temperature, seed) for temperature in (500, 600, 700) for seed in range(4)]


def gfn2(accuracy: float):
    """Fresh GFN2-xTB calculator; a smaller accuracy converges the charges further, 1 is tblite's default."""
    from tblite.ase import TBLite

    return TBLite(method="GFN2-xTB", accuracy=accuracy, verbosity=0)


def label(geometry: Atoms) -> Atoms:
    """Frame with energy (eV) and forces (eV/Å)."""
    atoms = geometry.copy()
    atoms.calc = gfn2(accuracy=0.01)
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    labelled = Atoms(atoms.symbols, atoms.positions, info=geometry.info)
    labelled.calc = SinglePointCalculator(labelled, energy=round(energy, 7), forces=forces.round(6))
    return labelled


def frames_of(run: Trajectory) -> list[Atoms]:
    """Labelled snapshots, 40 fs apart, of Langevin dynamics, with the centre of mass moved to the origin."""
    rng = np.random.default_rng([run.temperature, run.seed])
    atoms = molecule("CH3CH2OH")
    atoms.calc = gfn2(accuracy=1.0)
    MaxwellBoltzmannDistribution(atoms, temperature_K=run.temperature, rng=rng)
    dynamics = Langevin(
        atoms, 0.5 * units.fs, temperature_K=run.temperature, friction=FRICTION / units.fs, fixcm=False, rng=rng
    )
    dynamics.run(WARM_STEPS)
    frames = []
    for n in range(FRAMES_PER_RUN):
        dynamics.run(STEPS_BETWEEN_FRAMES)
        snapshot = atoms.copy()
        snapshot.positions = (atoms.positions - atoms.get_center_of_mass()).round(6)
        snapshot.info = {"frame": f"{run.name}/{n:02d}", "T": run.temperature}
        frames.append(label(snapshot))
    return frames


def make(output: Path, scratch: Path, force: bool) -> None:
    """Run the trajectories that are not yet there, and write the data file."""
    if output.exists() and not force:
        raise SystemExit(f"{output} exists: give another --output, or --force to replace it")
    scratch.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    for run in PLAN:
        if not part_file(scratch, run).exists():
            unfinished = scratch / "unfinished.extxyz"
            ase.io.write(unfinished, frames_of(run))
            unfinished.replace(part_file(scratch, run))
        print(f"{run.name}: {FRAMES_PER_RUN} frames, {time.monotonic() - start:.0f} s", flush=True)
    with lzma.open(output, "wb", preset=9) as file:
        file.write(b"".join(part_file(scratch, run).read_bytes() for run in PLAN))
    print(f"wrote {len(PLAN) * FRAMES_PER_RUN} frames to {output}")


def part_file(scratch: Path, run: Trajectory) -> Path:
    """Where the frames of one finished trajectory are."""
    return scratch / f"{run.name}.extxyz"


def read(data_file: Path) -> list[Atoms]:
    """All frames, unpacked once: ASE goes back to the beginning of an .xz file for every frame."""
    with lzma.open(data_file, "rt") as file:
        return ase.io.read(io.StringIO(file.read()), ":", format="extxyz")


def check(data_file: Path, displacement: float = 5e-4) -> None:
    """Compare forces of some frames with central differences of the energy."""
    rng = np.random.default_rng(0)
    worst = 0.0
    for frame in read(data_file)[::100]:
        i, c = rng.integers(len(frame)), rng.integers(3)
        energies = []
        for sign in (+1, -1):
            moved = frame.copy()
            moved.positions[i, c] += sign * displacement
            moved.calc = gfn2(accuracy=0.01)
            energies.append(moved.get_potential_energy())
        force, labelled = (energies[1] - energies[0]) / (2 * displacement), frame.get_forces()[i, c]
        print(f"{frame.info['frame']} force: label {labelled:.5f}, differences {force:.5f} eV/Å")
        worst = max(worst, abs(force - labelled))
    print(f"largest difference: {worst:.1e} eV/Å")


def conformer(atoms: Atoms) -> str:
    """Where the hydroxyl group points: trans, gauche+ or gauche-."""
    return third(atoms.get_dihedral(*HYDROXYL), ("gauche+", "trans", "gauche-"))


def methyl_place(atoms: Atoms) -> str:
    """Where hydrogen 6 of the methyl group is: methyl-1 (next to O), methyl-2 (behind) or methyl-3."""
    return third(atoms.get_dihedral(*METHYL), ("methyl-1", "methyl-2", "methyl-3"))


def third(angle: float, names: tuple[str, str, str]) -> str:
    """Name of the third of the circle that holds an angle in degrees; they begin at 0, 120 and 240."""
    return names[int(angle % 360 // 120)]


def table(data_file: Path) -> None:
    """Print what the data file holds: energies, forces and conformers at each temperature."""
    groups = collections.defaultdict(list)
    for atoms in read(data_file):
        groups[atoms.info["T"]].append(atoms)
    lowest = min(atoms.get_potential_energy() for frames in groups.values() for atoms in frames)
    print(
        "| T / K | frames | mean energy above the lowest / eV | force RMS / eV/Å | trans | gauche+ | gauche- | methyl |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for temperature, frames in sorted(groups.items()):
        energy = np.mean([atoms.get_potential_energy() for atoms in frames]) - lowest
        rms = np.sqrt(np.mean([atoms.get_forces() ** 2 for atoms in frames]))
        seen = collections.Counter(conformer(atoms) for atoms in frames)
        turned = collections.Counter(methyl_place(atoms) for atoms in frames)
        methyl = " ".join(str(turned[f"methyl-{place}"]) for place in (1, 2, 3))
        conformers = " | ".join(str(seen[name]) for name in ("trans", "gauche+", "gauche-"))
        print(f"| {temperature} | {len(frames)} | {energy:.3f} | {rms:.3f} | {conformers} | {methyl} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="dynamics and labels")
    maker.add_argument("--output", type=Path, default=DATA_FILE)
    maker.add_argument("--scratch", type=Path, default=Path("ethanol_scratch"), help="part files: kept for resuming")
    maker.add_argument("--force", action="store_true", help="replace the output file")
    for verb in ("check", "table"):
        verbs.add_parser(verb).add_argument("data_file", type=Path, nargs="?", default=DATA_FILE)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.output, options.scratch, options.force)
    elif options.verb == "check":
        check(options.data_file)
    else:
        table(options.data_file)


if __name__ == "__main__":
    main()
