"""Small labelled structures with a known law: Lennard-Jones atoms that carry fixed charges."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from ase import Atoms
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from mliap_hybrid.config import TrainingFile, parse_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.testing.structures import rock_salt

TRUE_CHARGE = 0.6
"""Charge of Na in e that the labels are made with; Cl has the opposite."""

TRUE_SMEARING = 0.8
"""Smearing of the charges, Å."""


def charged_lennard_jones(atoms: Atoms) -> Atoms:
    """A copy of periodic Na and Cl atoms with energy, forces, stress and charges."""
    labelled = atoms.copy()
    labelled.calc = LennardJones(epsilon=0.05, sigma=2.45, rc=4.0, smooth=True)
    charges = np.where(labelled.numbers == 11, TRUE_CHARGE, -TRUE_CHARGE)  # (n_atoms,)
    long_range = gaussian_charge_energy(frame_to_batch(atoms, 1.0), torch.tensor(charges), TRUE_SMEARING)
    energy = labelled.get_potential_energy() + float(long_range.energies[0])
    forces = labelled.get_forces() + long_range.forces.numpy()
    virial = full_3x3_to_voigt_6_stress(long_range.virials[0].numpy())
    stress = labelled.get_stress() - virial / labelled.get_volume()
    labelled.calc = SinglePointCalculator(labelled, energy=energy, forces=forces, stress=stress)
    labelled.set_array("reference_charges", charges)
    return labelled


def labelled_frames(n_frames: int, seed: int = 0) -> list[Atoms]:
    """Rattled and strained rock salt of 8 atoms."""
    random = np.random.default_rng(seed)
    frames = []
    for index in range(n_frames):
        atoms = rock_salt(1, rattle=0.15, seed=1000 * seed + index)
        strain = random.normal(scale=0.03, size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + (strain + strain.T) / 2), scale_atoms=True)
        frames.append(charged_lennard_jones(atoms))
    return frames


def write_labelled_frames(path: Path, n_frames: int = 16, seed: int = 0) -> Path:
    """Write labelled frames where `path` says, in the format of its suffix."""
    ase.io.write(path, labelled_frames(n_frames, seed))
    return path


def small_settings(folder: Path, **changes: Any) -> TrainingFile:
    """A training file that trains in a second: 16 frames of 8 atoms, written into `folder` if they are not there.

    Parameters
    ----------
    folder : Path
        Gets data.extxyz and the run folder "run".
    **changes
        Sections or values that replace the defaults, such as ``electrostatics={"charges": "fitted"}``.
    """
    data = folder / "data.extxyz"
    if not data.exists():
        write_labelled_frames(data)
    content: dict[str, Any] = {
        "run": str(folder / "run"),
        "data": {"files": [str(data)], "validation": 0.2, "test": 0.1},
        "features": {"set": "gmp-2c3", "max_order": 2, "widths": [0.6, 1.0], "cutoff": 4.5},
        "electrostatics": {"charges": "none", "smearing": TRUE_SMEARING},
        "network": {"hidden": [8], "whitening_damping": 1e-3},
        "loss": {"energy": 1.0, "virial": 1.0, "force_transition": None},
        "optimisation": {"epochs": 6, "batch_size": 3, "weight_decay": 1e-5, "average_decay": 0.995},
    }
    content["data"]["keys"] = {"stress": "stress", "charges": "reference_charges"}
    for name, value in changes.items():
        content[name] = content.get(name, {}) | value if isinstance(value, dict) else value
    return parse_training_file(content, "small settings")
