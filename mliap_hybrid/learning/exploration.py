"""Runs of a model in LAMMPS in which each atom's distance to the training set is looked at."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from mliap_hybrid.errors import InputError
from mliap_hybrid.labelling.single_point import bare
from mliap_hybrid.lammps.command import lammps_command
from mliap_hybrid.lammps.data_file import in_lammps_orientation, read_dump_frames, write_data_file
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.learning.settings import RunSettings
from mliap_hybrid.model_files.model_file import Manifest

ROOM = 10.0
"""Å between a molecule and its images, beyond the cutoff."""


@dataclass(frozen=True)
class Exploration:
    """What one run has seen."""

    frames: list[Atoms]
    """Structures outside of what the model knows and not beyond `end_at`; of a run that jumps there, the one before."""
    distances: np.ndarray
    """(n_frames,): the largest distance in each of them."""
    largest: float
    """The largest distance of the whole run."""
    n_inside: int
    """How often it was looked and nothing was outside."""
    time: float
    """ps to the first structure outside, or of the whole run."""


def explore(
    start: Atoms,
    model: Path,
    manifest: Manifest,
    outside: float,
    settings: RunSettings,
    number: int,
    seed: int,
    folder: Path,
) -> Exploration:
    """Run from one structure.

    Parameters
    ----------
    start : Atoms
        Periodic in all directions, or a molecule in none.
    model, manifest : Path and Manifest
        An exported model.
    outside : float
        Distance from which on the model does not know.
    settings : RunSettings
    number : int
        Of the run, from 0.
    seed : int
        Of velocities and thermostat, above 0.
    folder : Path
        To write; must not exist.

    Raises
    ------
    InputError
        If LAMMPS fails before it has looked once.
    """
    folder.mkdir(parents=True)
    placed = in_lammps_orientation(start) if start.pbc.all() else _in_a_box(start, manifest.description.cutoff)
    elements = manifest.description.elements
    write_data_file(folder / "start.data", placed, elements, manifest.description.constants("charge"))
    temperature = settings.temperatures[number % len(settings.temperatures)]
    script = SCRIPT.format(
        potential=potential_block(manifest, str(model.resolve()), elements),
        temperature=temperature,
        damping=settings.damping,
        seed=seed,
        step=settings.time_step / 1000.0,
        every=settings.every,
        end=settings.end_at * outside,
        steps=n_steps(settings),
    )
    (folder / "in.run").write_text(script)
    command = [*lammps_command(settings.ranks), "-in", "in.run", "-log", "log.lammps"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    dump = folder / "run.dump"
    # A run whose model has left what it knows may end by lost atoms: what it saw before counts.
    looks = read_dump_frames(dump) if dump.exists() else []
    if not looks or (done.returncode and not _is_outside(looks[-1], outside)):
        last = " ".join((done.stdout + done.stderr).split()[-60:])
        raise InputError(f"a run of the model failed, see {folder}: ... {last}")
    return _what_was_seen(looks, start, placed, outside, settings)


def check_starts(starts: Sequence[Atoms], known: Collection[int]) -> None:
    """Refuse structures that no run can begin with.

    Parameters
    ----------
    starts : sequence of Atoms
    known : collection of int
        Atomic numbers of the training frames.

    Raises
    ------
    InputError
    """
    for k, start in enumerate(starts):
        unknown = sorted(set(start.numbers.tolist()) - set(known))
        if unknown:
            raise InputError(f"structure {k} of runs.starts holds {chemical_symbols[unknown[0]]}, which no frame has")
        if start.pbc.any() and not start.pbc.all():
            raise InputError(f"structure {k} of runs.starts must be periodic in all directions or in none")
        if start.pbc.all() and not np.linalg.det(start.cell.array) > 0.0:
            raise InputError(f"the cell of structure {k} of runs.starts is left-handed or flat: exchange two vectors")


def n_steps(settings: RunSettings) -> int:
    """Steps of a run."""
    return max(settings.every, round(settings.time * 1000.0 / settings.time_step / settings.every) * settings.every)


def _is_outside(look: np.ndarray, outside: float) -> bool:
    return bool(look[:, 3].max() > outside)


def _what_was_seen(
    looks: list[np.ndarray], start: Atoms, placed: Atoms, outside: float, settings: RunSettings
) -> Exploration:
    """From columns x, y, z, distance (n_atoms, 4) of each look."""
    most = np.array([look[:, 3].max() for look in looks])  # (n_looks,)
    beyond = most > outside  # (n_looks,)
    chosen = np.flatnonzero(beyond & (most <= settings.end_at * outside))
    first = int(np.argmax(beyond)) if beyond.any() else len(looks) - 1
    if beyond.any() and not len(chosen):  # from what is known to what no one needs to know in one interval
        chosen = np.array([max(0, first - 1)])
    frames = [bare(start) for _ in chosen]  # with its charges and magnetic moments, which calculators may want
    for frame, k in zip(frames, chosen, strict=True):
        frame.positions = looks[k][:, :3]
        if start.pbc.all():
            frame.cell = placed.cell
    return Exploration(
        frames,
        most[chosen],
        largest=float(most.max()),
        n_inside=int(np.count_nonzero(~beyond)),
        time=first * settings.every * settings.time_step / 1000.0,
    )


def _in_a_box(molecule: Atoms, cutoff: float) -> Atoms:
    """A molecule in the middle of a cell in which it does not meet itself."""
    placed = molecule.copy()
    placed.set_cell(np.ptp(molecule.positions, axis=0) + cutoff + ROOM)
    placed.center()
    placed.pbc = True
    return placed


SCRIPT = """\
units           metal
atom_style      charge
atom_modify     map array
read_data       start.data
{potential}
velocity        all create {temperature} {seed} mom yes rot yes dist gaussian
fix             move all nve
fix             bath all langevin {temperature} {temperature} {damping} {seed} zero yes
timestep        {step}
fix             distances all pair {every} mliap distance 1
compute         most all reduce max f_distances
variable        most equal c_most
thermo          {every}
thermo_style    custom step temp pe c_most
thermo_modify   lost error flush yes
dump            looks all custom {every} run.dump id xu yu zu f_distances
dump_modify     looks sort id format float %.10g flush yes
fix             end all halt {every} v_most > {end} error soft message no
run             {steps}
"""
