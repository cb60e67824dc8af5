"""What potentials are compared on: frames to fit and to test, and a structure whose dynamics are timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.build import bulk
from data_sets import FRAMES, labelled, mlearn

EDGE = 16.0
"""Å, of the cube that holds a molecule: what is seen of its images by any of these potentials is nothing."""


@dataclass(frozen=True)
class System:
    """Frames in eV and Å, all periodic."""

    name: str
    training: Sequence[Atoms]
    """Empty where the data set has none."""
    validation: Sequence[Atoms]
    test: Sequence[Atoms]
    moving: Atoms
    """What is run in molecular dynamics."""

    @property
    def elements(self) -> tuple[str, ...]:
        """Symbols, in the order of their atomic numbers."""
        numbers = np.unique(self.moving.numbers)
        return tuple(Atoms(numbers=numbers).get_chemical_symbols())


def silicon(data: Path) -> System:
    """The mlearn set of Si: 193 training, 21 validation, 25 test frames; 1728 atoms of the crystal."""
    return _system("Si", FRAMES["Si"](data), bulk("Si", "diamond", a=5.469, cubic=True).repeat(6))


def copper(data: Path) -> System:
    """The 31 published test frames of Cu in the mlearn set, for potentials that were fitted elsewhere; 4000 atoms."""
    return _system("Cu", mlearn(data, "Cu", ["test"]), bulk("Cu", "fcc", a=3.621, cubic=True).repeat(10))


def water(data: Path) -> System:
    """64 molecules, PBE0+TS: 290 training, 30 validation, 20 test frames; 5184 atoms of the liquid."""
    frames = []
    for part, split, every in ((0, "train", 1), (1, "train", 1), (2, "train", 1), (3, "test", 4)):
        frames += [
            _labelled(frame, split)
            for frame in _deepmd_frames(data / "water_pbe0ts_deepmd/data" / f"data_{part}")[::every]
        ]
    for frame in frames[:320:11]:
        frame.info["split"] = "validation"
    return _system("water", frames, frames[-1].repeat(3))


def ethanol(data: Path) -> System:
    """rMD17: 950 training, 50 validation and 200 of the test frames; 512 molecules out of reach of one another."""
    frames = [_in_vacuum(frame) for frame in FRAMES["ethanol"](data)]
    test = [frame for frame in frames if frame.info["split"] == "test"][::5]
    frames = [frame for frame in frames if frame.info["split"] != "test"] + test
    return _system("ethanol", frames, frames[0].repeat(8))


SYSTEMS: dict[str, Callable[[Path], System]] = {"Si": silicon, "Cu": copper, "water": water, "ethanol": ethanol}
"""Name -> reader of it from the folder of the data sets."""


def _system(name: str, frames: Sequence[Atoms], moving: Atoms) -> System:
    parts = {part: [f for f in frames if f.info["split"] == part] for part in ("train", "validation", "test")}
    return System(
        name,
        parts["train"],
        parts["validation"],
        parts["test"],
        Atoms(moving.numbers, moving.positions, cell=moving.cell, pbc=True),
    )


def _in_vacuum(molecule: Atoms) -> Atoms:
    """The molecule in the middle of a periodic cube."""
    inside = Atoms(molecule.numbers, molecule.positions, cell=np.eye(3) * EDGE, pbc=True)
    inside.center()
    return _labelled(inside, molecule.info["split"], molecule)


def _deepmd_frames(folder: Path) -> list[Atoms]:
    """Frames of a folder in the format of DeePMD."""
    symbols = np.array((folder / "type_map.raw").read_text().split())
    types = np.loadtxt(folder / "type.raw", dtype=int)
    frames = []
    for part in sorted(folder.glob("set.*")):
        arrays = {name: np.load(part / f"{name}.npy") for name in ("coord", "box", "energy", "force")}
        for k, energy in enumerate(arrays["energy"].ravel()):
            positions, forces = (arrays[name][k].reshape(-1, 3).astype(float) for name in ("coord", "force"))
            atoms = Atoms(symbols[types], positions, cell=arrays["box"][k].reshape(3, 3).astype(float), pbc=True)
            frames.append(labelled(atoms, energy, forces, ""))
    return frames


def _labelled(atoms: Atoms, split: str, labels: Atoms | None = None) -> Atoms:
    """The atoms with labels of their own, or of another frame."""
    labels = labels or atoms
    return labelled(atoms, labels.get_potential_energy(), labels.get_forces(), split)
