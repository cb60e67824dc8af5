"""Labelled geometries of one molecule: what GDML models are trained on, and what is refused.

A GDML model is of one molecule whose atoms have fixed places, so all frames must hold the same atoms in the same order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from ase.data import chemical_symbols, covalent_radii
from ase.geometry import get_distances
from torch import Tensor

from mliap_hybrid.config import LabelKeys, LabelUnits
from mliap_hybrid.data.file_units import length_factor
from mliap_hybrid.data.frames import Frame
from mliap_hybrid.data.labels import read_labels
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.model.molecules.order import BROKEN
from mliap_hybrid.model.molecules.reference import BOND

STRETCH = 1.25
"""Cutoff of a model over the largest distance in its molecule that the data have."""

OVERLAP = 0.1
"""Distance in Å below which two atoms are at the same place."""


@dataclass(frozen=True)
class Molecules:
    """Frames of one molecule."""

    numbers: Tensor
    """(n_atoms,) int64: atomic numbers."""
    positions: Tensor
    """(n_frames, n_atoms, 3) float64, Å."""
    energies: Tensor
    """(n_frames,) float64, eV."""
    forces: Tensor
    """(n_frames, n_atoms, 3) float64, eV/Å."""
    cell: Tensor | None = None
    """(3, 3) float64, Å: lattice vectors as rows, of all frames; None for molecules in vacuum."""

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.positions)

    def subset(self, frames: Sequence[int] | np.ndarray) -> Molecules:
        """The frames with these numbers."""
        rows = torch.as_tensor(frames, dtype=torch.int64)
        return replace(self, positions=self.positions[rows], energies=self.energies[rows], forces=self.forces[rows])


def molecules_from_frames(
    frames: Sequence[Frame], keys: LabelKeys | None = None, units: LabelUnits | None = None
) -> Molecules:
    """Collect frames and their labels.

    Parameters
    ----------
    frames : sequence of Frame
    keys : LabelKeys, optional
        Names of energy and forces.
    units : LabelUnits, optional
        eV and Å where not given.

    Returns
    -------
    Molecules

    Raises
    ------
    InputError
        If a label is missing, or the frames are not of one molecule with its atoms in one order.
    """
    keys, units = keys or LabelKeys(), units or LabelUnits()
    if keys.forces is None:
        raise InputError("a GDML model is trained on forces: name them in data.keys.forces")
    numbers, positions, cell = geometries_from_frames(frames, units)
    labels = [read_labels(frame, keys, units) for frame in frames]
    return Molecules(
        numbers=numbers,
        positions=positions,
        energies=torch.tensor(np.array([label.values["energy"] for label in labels])),
        forces=torch.tensor(np.array([label.values["forces"] for label in labels])),
        cell=cell,
    )


def geometries_from_frames(
    frames: Sequence[Frame], units: LabelUnits | None = None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Atomic numbers (n_atoms,), positions (n_frames, n_atoms, 3) and cell (3, 3) in Å, after all checks.

    Raises
    ------
    InputError
        If the frames are not of one molecule with its atoms in one order.
    """
    check_same_molecule(frames)
    said, first = units or LabelUnits(), frames[0].atoms
    length = length_factor(frames[0].units, said, frames[0].source)
    numbers = torch.tensor(first.numbers, dtype=torch.int64)
    positions = torch.tensor(np.array([frame.atoms.positions for frame in frames]) * length)
    cell = torch.tensor(np.asarray(first.cell) * length) if first.pbc.all() else None
    check_geometries(numbers, positions, cell, [frame.source for frame in frames])
    return numbers, positions, cell


def check_same_molecule(frames: Sequence[Frame]) -> None:
    """Refuse frames that differ in composition, order of elements, or cell.

    Raises
    ------
    InputError
        With the first frame that differs.
    """
    if not frames:
        raise InputError("there are no frames: expected geometries of one molecule")
    first = frames[0]
    for frame in frames:
        atoms, expected = frame.atoms, first.atoms
        if sorted(atoms.numbers) != sorted(expected.numbers):
            raise InputError(
                f"{frame.source} is {atoms.get_chemical_formula()}, but {first.source} is "
                f"{expected.get_chemical_formula()}: a GDML model is of one molecule, so give frames of one only"
            )
        if (atoms.numbers != expected.numbers).any():
            place = int(np.argmax(atoms.numbers != expected.numbers))
            raise InputError(
                f"{frame.source}: atom {place} is {atoms.symbols[place]}, but in {first.source} it is "
                f"{expected.symbols[place]}: expected the atoms in the same order in all frames, so sort them"
            )
        if atoms.pbc.any() and not atoms.pbc.all():
            raise InputError(
                f"{frame.source} is periodic in some directions only, {atoms.pbc.tolist()}: a GDML model knows "
                "molecules in vacuum and cells that are periodic in all three"
            )
        if (atoms.pbc != expected.pbc).any() or (atoms.pbc.all() and not np.allclose(atoms.cell, expected.cell)):
            raise InputError(
                f"{frame.source} and {first.source} have different cells: expected one cell for all frames"
            )


def check_geometries(numbers: Tensor, positions: Tensor, cell: Tensor | None, sources: Sequence[str]) -> None:
    """Refuse atoms at one place, and frames in which atoms of one element changed their order.

    Such a frame has as many bonds of each kind as the first one, but between other atoms: bonds of the first one are
    broken in it. Rotations of groups and transfers of single atoms do not look like this.

    Parameters
    ----------
    numbers : Tensor, shape (n_atoms,), int64
    positions : Tensor, shape (n_frames, n_atoms, 3), Å
    cell : Tensor, shape (3, 3), Å, or None
    sources : sequence of str
        Names of the frames, for messages.

    Raises
    ------
    InputError
        With the first such frame.
    """
    descriptor = InverseDistances(len(numbers), cell)
    lengths = descriptor.vectors(positions).norm(dim=2)  # (n_frames, n_pairs)
    pair_i, pair_j = descriptor.pair_i, descriptor.pair_j
    symbols = [chemical_symbols[number] for number in numbers.tolist()]

    def name(pair: int) -> str:
        i, j = int(pair_i[pair]), int(pair_j[pair])
        return f"{symbols[i]}{i} and {symbols[j]}{j}"

    if (lengths < OVERLAP).any():
        frame, pair = (int(index) for index in (lengths < OVERLAP).nonzero()[0])
        raise InputError(
            f"{sources[frame]}: the atoms {name(pair)} are {float(lengths[frame, pair]):.3f} Å apart; remove the frame"
        )
    radii = torch.tensor(covalent_radii)[numbers]  # (n_atoms,)
    relative = lengths / (radii[pair_i] + radii[pair_j])  # (n_frames, n_pairs)
    bonded = relative < BOND  # (n_frames, n_pairs)
    broken = bonded[0] & (relative > BROKEN)  # (n_frames, n_pairs)
    for frame in (broken.sum(1) >= 2).nonzero()[:, 0].tolist():
        if _kinds_of_bonds(bonded[frame], descriptor, symbols) == _kinds_of_bonds(bonded[0], descriptor, symbols):
            pair = int(broken[frame].nonzero()[0])
            raise InputError(
                f"{sources[frame]}: the atoms {name(pair)}, bonded in {sources[0]}, are "
                f"{float(lengths[frame, pair]):.2f} Å apart, and {int(broken[frame].sum()) - 1} more of its bonds are "
                "broken, though all are there between other atoms: the atoms have another order. Expected the same "
                "order in all frames"
            )


def molecule_cutoff(geometries: Iterable[tuple[np.ndarray, np.ndarray | None]], least: float) -> float:
    """Cutoff within which all atoms of a molecule see each other, also where it is stretched more than in the data.

    Parameters
    ----------
    geometries : iterable of positions (n_atoms, 3) and cell (3, 3) or None, Å
    least : float, Å
        What other terms need.

    Returns
    -------
    float, Å
        With one decimal.
    """
    farthest = 0.0
    for positions, cell in geometries:
        distances = get_distances(positions, cell=cell, pbc=None if cell is None else True)[1]  # (n_atoms, n_atoms)
        farthest = max(farthest, float(distances.max()))
    return max(least, cutoff_with_margin(farthest))


def cutoff_with_margin(farthest: float) -> float:
    """Cutoff in Å, with one decimal, for a molecule whose atoms are at most `farthest` Å apart in the data."""
    return math.ceil(10.0 * STRETCH * farthest) / 10.0


def _kinds_of_bonds(bonded: Tensor, descriptor: InverseDistances, symbols: Sequence[str]) -> list[str]:
    """Each atom's element and those of its bonded neighbours, sorted: the same for the same molecule, in any order."""
    neighbours: list[list[str]] = [[] for _ in symbols]
    for pair in bonded.nonzero()[:, 0].tolist():
        i, j = int(descriptor.pair_i[pair]), int(descriptor.pair_j[pair])
        neighbours[i].append(symbols[j])
        neighbours[j].append(symbols[i])
    return sorted(f"{symbol}: {' '.join(sorted(near))}" for symbol, near in zip(symbols, neighbours, strict=True))
