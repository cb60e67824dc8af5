"""Data sets of few_labels.py: parts to draw labels from, features, units."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.structure import Batch
from mliap_hybrid.units import ENERGY_UNITS

KCAL = ENERGY_UNITS["kcal/mol"]
N_VALIDATION, N_TEST = 50, 300


@dataclass(frozen=True)
class Frames:
    """Labelled structures, in eV and Å."""

    pool: list[Batch]
    """To draw training and validation frames from."""
    test: list[Batch]

    def draw(self, n_labels: int, seed: int) -> tuple[list[Batch], list[Batch]]:
        """Training and validation frames; a larger set of the same seed holds the smaller one."""
        order = np.random.default_rng([2024, seed]).permutation(len(self.pool))
        training = [self.pool[k] for k in order[N_VALIDATION : N_VALIDATION + n_labels]]
        return training, [self.pool[k] for k in order[:N_VALIDATION]]


@dataclass(frozen=True)
class DataSet:
    """Where it is, what describes it, and how its errors are counted."""

    folder: str
    read: Callable[[Path], tuple[list[Atoms], list[Atoms]]]
    """Folder of the data sets -> pool and test frames, with labels in `units`."""
    sizes: tuple[int, ...]
    """Numbers of labels."""
    features: dict[str, Any]
    energy_unit: str
    """Of the table: of a molecule, or of an atom."""
    force_unit: str
    energy_scale: float
    """What an error of 1 eV/atom is in `energy_unit`."""
    force_scale: float
    n_steps_energies: int = 400
    """Steps of a training from energies alone, until it gains no more from further ones."""
    keys: LabelKeys = field(default_factory=lambda: LabelKeys(energy="REF_energy", forces="REF_forces"))
    units: LabelUnits = field(default_factory=LabelUnits)

    def frames(self, data: Path) -> Frames:
        """All frames, in the order of their files."""
        cutoff = self.features["cutoff"]
        pool, test = (
            [frame_to_batch(atoms, cutoff, self.keys, self.units) for atoms in part] for part in self.read(data)
        )
        return Frames(pool, test)


def rmd17(molecule: str, n_atoms: int, features: dict[str, Any]) -> DataSet:
    """A molecule of rMD17 (Christensen and von Lilienfeld 2020), PBE: the first of its splits."""

    def read(data: Path) -> tuple[list[Atoms], list[Atoms]]:
        parts = []
        for part in ("train", "test"):
            arrays = np.load(data / "rmd17" / f"rmd17_{molecule}_{part}_01.npz")
            labels = zip(arrays["coords"], arrays["energies"], arrays["forces"], strict=True)
            parts.append([labelled(Atoms(arrays["nuclear_charges"], r), energy, f) for r, energy, f in labels])
        return parts[0], parts[1][:N_TEST]

    return DataSet(
        folder="rmd17",
        read=read,
        sizes=(50, 100, 200, 950),
        features=features,
        energy_unit="kcal/mol",
        force_unit="kcal/mol/Å",
        energy_scale=n_atoms / KCAL,
        force_scale=1.0 / KCAL,
        units=LabelUnits(energy="kcal/mol"),
    )


def tio2(data: Path) -> tuple[list[Atoms], list[Atoms]]:
    """1000 structures of TiO2 with 6 to 95 atoms (Artrith and Urban 2016), PBE, in an order of their own."""
    frames = ase.io.read(data / "tio2" / "tio2_1000.extxyz.gz", ":")
    order = np.random.default_rng(2016).permutation(len(frames))
    shuffled = [labelled(frames[k], frames[k].get_potential_energy(), frames[k].get_forces()) for k in order]
    return shuffled[200:], shuffled[:200]


def labelled(atoms: Atoms, energy: float, forces: np.ndarray) -> Atoms:
    """The bare structure with its labels."""
    bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    bare.info["REF_energy"] = float(energy)
    bare.arrays["REF_forces"] = np.asarray(forces)
    return bare


DATA_SETS: dict[str, DataSet] = {
    "ethanol": rmd17("ethanol", 9, {"set": "gmp-2c3", "cutoff": 6.0}),
    "aspirin": rmd17("aspirin", 21, {"set": "gmp-2c", "cutoff": 5.0}),
    "TiO2": DataSet(
        folder="tio2",
        read=tio2,
        sizes=(50, 100, 200, 750),
        features={"set": "gmp-2c", "cutoff": 5.0, "widths": [0.4, 0.7, 1.2], "max_order": 2},
        energy_unit="meV/atom",
        force_unit="meV/Å",
        energy_scale=1000.0,
        force_scale=1000.0,
        n_steps_energies=1600,
    ),
}
