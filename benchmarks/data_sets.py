"""Public and own data sets of several benchmarks: frames in eV and Å that say in which part they are.

Every frame has an energy, forces, and `split` (train, validation or test) in its info.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read

from mliap_hybrid.units import ENERGY_UNITS

KCAL = ENERGY_UNITS["kcal/mol"]
MOLECULES = ("ethanol", "aspirin", "malonaldehyde", "benzene")
"""Of rMD17."""
FEW = 50
"""Frames of the learning curves' other end, those for validation among them."""
TRAINING = Path(__file__).parents[1] / "training"


def labelled(atoms: Atoms, energy: float, forces: np.ndarray, split: str) -> Atoms:
    """The atoms alone, with energy, forces and the name of their part."""
    frame = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
    frame.calc = SinglePointCalculator(frame, energy=float(energy), forces=forces)
    frame.info["split"] = split
    return frame


def rmd17(data: Path, molecule: str, n_frames: int = 1000) -> list[Atoms]:
    """rMD17: 950 training, 50 validation and 1000 test frames of the first published split.

    Of fewer frames, 19 of 20 are for training as well, the first ones of each part.
    """
    n_training = 19 * n_frames // 20
    kept = {"train": range(n_training), "validation": range(950, 950 + n_frames - n_training)}
    frames = []
    for part in ("train", "test"):
        arrays = np.load(data / "rmd17" / f"rmd17_{molecule}_{part}_01.npz")
        for k, positions in enumerate(arrays["coords"]):
            atoms = Atoms(arrays["nuclear_charges"], positions)
            split = "validation" if part == "train" and k >= 950 else part
            if split == "test" or k in kept[split]:
                frames.append(labelled(atoms, arrays["energies"][k] * KCAL, arrays["forces"][k] * KCAL, split))
    return frames


def three_bpa(data: Path) -> list[Atoms]:
    """3BPA at 300, 600 and 1200 K, mixed: 350 training, 50 validation and 100 test frames, a division of our own."""
    frames = read(data / "3bpa" / "train_mixedT.xyz", ":")
    order = np.random.default_rng(0).permutation(len(frames))
    splits = ["train"] * 350 + ["validation"] * 50 + ["test"] * 100
    return [_again(frames[k], split) for k, split in zip(order, splits, strict=True)]


def acetylacetone(data: Path) -> list[Atoms]:
    """AcAc: the 500 training frames at 300 K, a tenth of them for validation, and the tests at 300 K."""
    training, tests = (read(data / "acac" / f"{name}.xyz", ":") for name in ("train_300K", "test_MD_300K"))
    return [*_with_validation(training), *(_again(frame, "test") for frame in tests)]


def mlearn(data: Path, element: str, parts: Sequence[str] = ("training", "test")) -> list[Atoms]:
    """An element of the mlearn set (Zuo et al. 2020); a tenth of the training frames for validation."""
    frames = []
    for part in parts:
        content = json.loads((data / "mlearn" / element / f"{part}.json").read_text())
        of_part = [_of_mlearn(entry, element) for entry in content]
        frames += _with_validation(of_part) if part == "training" else [_again(frame, "test") for frame in of_part]
    return frames


def own(data: Path, file: str) -> list[Atoms]:
    """Frames that come with the package."""
    return [_again(atoms, atoms.info["split"]) for atoms in read(TRAINING / file, ":")]


FRAMES: dict[str, Callable[[Path], list[Atoms]]] = {
    **{molecule: functools.partial(rmd17, molecule=molecule) for molecule in MOLECULES},
    **{f"{molecule}-{FEW}": functools.partial(rmd17, molecule=molecule, n_frames=FEW) for molecule in MOLECULES},
    "3BPA": three_bpa,
    "AcAc": acetylacetone,
    "Li": functools.partial(mlearn, element="Li"),
    "Si": functools.partial(mlearn, element="Si"),
    "NaCl": functools.partial(own, file="nacl/nacl64.extxyz.xz"),
    "water": functools.partial(own, file="water/water64.extxyz.xz"),
}
"""Name -> reader of its frames from the folder of the data sets."""


def _of_mlearn(entry: dict, element: str) -> Atoms:
    structure, outputs = entry["structure"], entry["outputs"]
    positions = [site["xyz"] for site in structure["sites"]]
    atoms = Atoms(f"{element}{len(positions)}", positions, cell=structure["lattice"]["matrix"], pbc=True)
    return labelled(atoms, outputs["energy"], np.array(outputs["forces"]), "")


def _with_validation(frames: list[Atoms]) -> list[Atoms]:
    """In a drawn order, the first tenth for validation."""
    order = np.random.default_rng(0).permutation(len(frames)).tolist()
    n_validation = len(frames) // 10
    return [_again(frames[k], "validation" if place < n_validation else "train") for place, k in enumerate(order)]


def _again(atoms: Atoms, split: str) -> Atoms:
    return labelled(atoms, atoms.get_potential_energy(), atoms.get_forces(), split)
