"""Do energies change as forces say? Between structures A and B, by the trapezoid rule,

    E(B) - E(A) = -1/2 sum_i (F_i(A) + F_i(B)) . (r_i(B) - r_i(A)) + O(|r(B) - r(A)|^3).

Structures of a data set are far apart, so that this holds within a factor of two or so; units differ by more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.structure import Batch

MOST_NUMBERS = 2_000_000
"""Of the differences between all pairs of a group, which limits how many of its frames are looked at."""

MOST_FRAMES = 100
"""Of a group."""

SAME = 1e-8
"""Sum of squared displacements below which two structures are the same and say nothing, Å^2."""


@dataclass(frozen=True)
class EnergyAndWork:
    """Changes of the energy against minus the work of the forces, over pairs of similar structures."""

    n_pairs: int
    ratio: float
    """Least-squares slope; 1 where energies and forces belong together."""
    correlation: float
    """In [-1, 1], about zero, not about the mean."""


def compare_energy_and_work(batches: Sequence[Batch]) -> EnergyAndWork:
    """Compare each structure with the most similar one of the same atoms in the same cell.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each; those without energy or forces are left out.

    Returns
    -------
    EnergyAndWork
        Of all pairs together.
    """
    changes: list[float] = []
    works: list[float] = []
    labelled = [batch for batch in batches if batch.energies is not None and batch.forces is not None]
    for group in _groups(labelled):
        for change, work in _pairs(group):
            changes.append(change)
            works.append(work)
    energy, work_done = np.array(changes), np.array(works)  # (n_pairs,) each, eV
    size = np.sqrt((energy @ energy) * (work_done @ work_done))
    if size == 0:
        return EnergyAndWork(0, 1.0, 0.0)
    product = energy @ work_done
    return EnergyAndWork(len(changes), float(product / (work_done @ work_done)), float(product / size))


def median_displacement(batches: Sequence[Batch]) -> float | None:
    """How far atoms are from their places in the most similar structure of the same atoms in the same cell.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each; labels do not matter.

    Returns
    -------
    float or None, Å
        Median of root mean squares; None where no structure has one like it.
    """
    found = []
    for group in _groups(batches):
        positions = np.stack([batch.positions.numpy() for batch in group])  # (n_frames, n_atoms, 3)
        is_molecule, cell = not bool(group[0].periodic.any()), group[0].cells[0].numpy()
        for a in range(len(group)):
            lengths = np.square(_displacements(positions, a, is_molecule, cell)[0]).sum(2).mean(1)  # (n_frames,)
            lengths[a] = np.inf
            found.append(float(np.sqrt(lengths.min())))
    return float(np.median(found)) if found else None


def _groups(batches: Sequence[Batch]) -> Iterator[list[Batch]]:
    """Frames that differ by positions alone, not by a field either, some of each group if there are many."""
    groups: dict[bytes, list[Batch]] = {}
    for batch in batches:
        cell = np.round(batch.cells.numpy(), 3) + 0.0  # no negative zeros
        field = b"" if batch.electric_fields is None else batch.electric_fields.numpy().tobytes()
        key = batch.numbers.numpy().tobytes() + batch.periodic.numpy().tobytes() + cell.tobytes() + field
        groups.setdefault(key, []).append(batch)
    for group in groups.values():
        most = min(MOST_FRAMES, int(np.sqrt(MOST_NUMBERS / (3 * group[0].n_atoms))))
        if most > 1 and len(group) > 1:
            yield [group[index] for index in np.unique(np.linspace(0, len(group) - 1, most).astype(int))]


def _pairs(group: Sequence[Batch]) -> Iterator[tuple[float, float]]:
    """Change of the energy, and minus the work, from each structure to the nearest other one, eV."""
    positions = np.stack([batch.positions.numpy() for batch in group])  # (n_frames, n_atoms, 3)
    forces = np.stack([batch.forces.numpy() for batch in group if batch.forces is not None])  # (n_frames, n_atoms, 3)
    energies = np.concatenate([batch.energies.numpy() for batch in group if batch.energies is not None])  # (n_frames,)
    is_molecule = not bool(group[0].periodic.any())
    cell = group[0].cells[0].numpy()  # (3, 3)
    done = set()
    for a in range(len(group)):
        displacements, rotations = _displacements(
            positions, a, is_molecule, cell
        )  # (n_frames, n_atoms, 3), (n_frames, 3, 3)
        lengths = np.square(displacements).sum((1, 2))  # (n_frames,)
        lengths[a] = np.inf
        b = int(lengths.argmin())
        pair = (min(a, b), max(a, b))
        if pair not in done and lengths[b] > SAME:
            done.add(pair)
            yield (
                float(energies[b] - energies[a]),
                -0.5 * float(((forces[a] + forces[b] @ rotations[b]) * displacements[b]).sum()),
            )


def _displacements(positions: np.ndarray, a: int, is_molecule: bool, cell: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacements from structure `a` to all, shifted and, of molecules, turned to it; and the rotations.

    Molecules are turned by the algorithm of Kabsch, Acta Cryst. A 32, 922 (1976).
    """
    identity = np.broadcast_to(np.eye(3), (len(positions), 3, 3))
    if not is_molecule:
        displacements = _nearest_images(positions - positions[a], cell)
        return displacements - displacements.mean(1, keepdims=True), identity
    centred = positions - positions.mean(1, keepdims=True)  # (n_frames, n_atoms, 3)
    left, _, right = np.linalg.svd(np.einsum("bix,iy->bxy", centred, centred[a]))  # (n_frames, 3, 3)
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]  # no reflections
    rotations = left @ right  # (n_frames, 3, 3): r @ rotation is r as seen from a
    return centred @ rotations - centred[a], rotations


def _nearest_images(displacements: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Displacements (..., 3) through the nearest image, along the periodic directions; zero rows are not periodic."""
    inverse = np.linalg.pinv(cell)
    return displacements - np.round(displacements @ inverse) @ cell
