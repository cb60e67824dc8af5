"""Geometries of the three sets: silver trimers, carbon chains and sodium chloride clusters.

Carbon chains and clusters: thermal displacements, taken from dynamics with GFN1-xTB, are added to the minimum of PBE,
so that a cheap method says how atoms move together and the accurate one where they move about. Silver: random
triangles, every one with both charges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.build import minimize_rotation_and_translation
from ase.md.langevin import Langevin
from ase.optimize import BFGS

N_TRIANGLES = 120
N_THERMAL = {"carbon_chains": 100, "nacl_clusters": 48}
N_PULLED = 16
PULLED_BY = (-0.3, 0.0, 0.3, 0.6, 0.9, 1.2)
"""Å: displacements of one sodium in the frames of `scan`."""


@dataclass(frozen=True)
class Molecule:
    """One system of a set."""

    name: str
    atoms: Callable[[], Atoms]
    """Rough geometry."""
    total_charge: int
    """e."""
    multiplicity: int
    """Of GFN1-xTB: 2 for an odd number of electrons."""
    temperatures: tuple[float, ...]
    """K: of the dynamics, equal shares of the frames."""
    time_step: float
    """fs."""
    interval: float
    """fs between snapshots."""


def carbon_chain() -> Atoms:
    """H-C10-H along z with equal bonds."""
    heights = np.concatenate([[-1.07], 1.29 * np.arange(10), [9 * 1.29 + 1.07]])
    return Atoms("HC10H", [(0.0, 0.0, z) for z in heights])


def protonated_chain() -> Atoms:
    """The chain with a second hydrogen at the lower end, in the plane of the first."""
    chain = carbon_chain()
    chain.positions[0] = (0.93, 0.0, -0.55)
    return chain + Atoms("H", [(-0.93, 0.0, -0.55)])


def salt_cluster() -> Atoms:
    """Na9Cl8: a block of 3 x 3 x 2 ions of the crystal without one corner chlorine."""
    sites = [(i, j, k) for i in range(3) for j in range(3) for k in range(2) if (i, j, k) != (0, 0, 1)]
    symbols = ["Na" if sum(site) % 2 == 0 else "Cl" for site in sites]
    return Atoms(symbols, 2.8 * np.array(sites, dtype=float))


def salt_cluster_without_sodium() -> Atoms:
    """Na8Cl8: the sodium below the missing chlorine is taken away, as a neutral atom."""
    return salt_cluster()[1:]


SETS = {
    "carbon_chains": (
        Molecule("C10H2", carbon_chain, 0, 1, (300.0, 600.0), 1.0, 200.0),
        Molecule("C10H3+", protonated_chain, +1, 1, (300.0, 600.0), 1.0, 200.0),
    ),
    "nacl_clusters": (
        Molecule("Na9Cl8+", salt_cluster, +1, 1, (200.0, 400.0), 2.0, 100.0),
        Molecule("Na8Cl8+", salt_cluster_without_sodium, +1, 2, (200.0, 400.0), 2.0, 100.0),
    ),
}


def gfn1_minimum(molecule: Molecule) -> Atoms:
    """Relaxed with GFN1-xTB, the calculator still attached."""
    from tblite.ase import TBLite

    atoms = molecule.atoms()
    atoms.calc = TBLite(
        method="GFN1-xTB", charge=molecule.total_charge, multiplicity=molecule.multiplicity, verbosity=0
    )
    BFGS(atoms, logfile=None).run(fmax=0.005, steps=500)
    return atoms


def thermal(molecule: Molecule, minimum: Atoms, n_frames: int, seed: int) -> Iterator[Atoms]:
    """`minimum` plus the displacements from the GFN1-xTB minimum of Langevin dynamics."""
    rng = np.random.default_rng(seed)
    per_temperature = n_frames // len(molecule.temperatures)
    for temperature in molecule.temperatures:
        atoms = gfn1_minimum(molecule)
        start = atoms.copy()
        momenta = rng.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * temperature * atoms.get_masses())[:, None]
        atoms.set_momenta(momenta)
        dynamics = Langevin(
            atoms,
            molecule.time_step * units.fs,
            temperature_K=temperature,
            friction=0.02 / units.fs,
            fixcm=False,
            rng=rng,
        )
        n_steps = round(molecule.interval / molecule.time_step)
        dynamics.run(5 * n_steps)
        for n in range(per_temperature):
            dynamics.run(n_steps)
            snapshot = atoms.copy()
            minimize_rotation_and_translation(start, snapshot)
            frame = minimum.copy()
            frame.positions += snapshot.positions - start.positions
            yield described(frame, molecule, f"{temperature:.0f}K", n, split_of_frame(n, per_temperature))


def pulled(molecule: Molecule, frames: list[Atoms], seed: int) -> Iterator[Atoms]:
    """Thermal frames of the same split, with one random sodium moved away from the centre by up to 1 Å."""
    rng = np.random.default_rng(seed)
    for n, index in enumerate(np.linspace(0, len(frames) - 1, N_PULLED).round().astype(int)):
        frame = frames[index].copy()
        sodium = rng.choice(np.flatnonzero(frame.symbols == "Na"))
        move_outwards(frame, sodium, rng.uniform(0.2, 1.0))
        yield described(frame, molecule, "pulled", n, frame.info["split"])


def scan(molecule: Molecule, minimum: Atoms) -> Iterator[Atoms]:
    """The sodium farthest from the first atom of the nine-sodium cluster moved outwards: a curve to draw."""
    sodium = max(np.flatnonzero(minimum.symbols == "Na"), key=lambda i: minimum.get_distance(0, i))
    for n, distance in enumerate(PULLED_BY):
        frame = minimum.copy()
        move_outwards(frame, sodium, distance)
        if molecule.name == "Na8Cl8+":
            frame = frame[1:]
        yield described(frame, molecule, "scan", n, "test")


def move_outwards(atoms: Atoms, i: int, distance: float) -> None:
    """Move atom `i` by `distance` (Å) along the line from the centre of the others."""
    direction = atoms.positions[i] - np.delete(atoms.positions, i, axis=0).mean(axis=0)
    atoms.positions[i] += distance * direction / np.linalg.norm(direction)


def silver_trimers(seed: int) -> Iterator[Atoms]:
    """Triangles between the equilateral minimum of Ag3+ and the linear one of Ag3-, each with both charges."""
    rng = np.random.default_rng(seed)
    for n in range(N_TRIANGLES):
        kind = ("equilateral", "linear", "between")[n % 3]
        angle = {"equilateral": 60.0, "linear": 180.0, "between": rng.uniform(60.0, 180.0)}[kind]
        short, long = 2.70 + (0.0 if kind == "linear" else rng.normal(0.0, 0.05, size=2)) * np.ones(2)
        x, y = long * np.cos(np.radians(angle)), long * np.sin(np.radians(angle))
        atoms = Atoms("Ag3", [(short, 0.0, 0.0), (0.0, 0.0, 0.0), (x, y, 0.0)])
        atoms.positions += rng.normal(0.0, rng.choice([0.04, 0.10]), size=(3, 3))
        for charge in (+1, -1):
            frame = atoms.copy()
            frame.positions -= frame.positions.mean(axis=0)
            frame.info = {
                "frame": f"Ag3{'+' if charge > 0 else '-'}/{kind}/{n:03d}",
                "system": f"Ag3{'+' if charge > 0 else '-'}",
                "total_charge": float(charge),
                "split": ("train", "train", "train", "train", "train", "train", "validation", "test")[n // 3 % 8],
            }
            yield frame


def described(atoms: Atoms, molecule: Molecule, source: str, n: int, split: str) -> Atoms:
    """`atoms` about the centre of its positions, with the entries that say what it is."""
    atoms.positions -= atoms.positions.mean(axis=0)
    atoms.info = {
        "frame": f"{molecule.name}/{source}/{n:03d}",
        "system": molecule.name,
        "total_charge": float(molecule.total_charge),
        "split": split,
    }
    return atoms


def split_of_frame(n: int, n_frames: int) -> str:
    """First three quarters of a run train, an eighth validates, the last eighth tests: blocks in time."""
    n_held_out = max(1, round(n_frames / 8))
    if n >= n_frames - n_held_out:
        return "test"
    return "validation" if n >= n_frames - 2 * n_held_out else "train"
