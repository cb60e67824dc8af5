"""Does the energy change with the cell as stresses say? Two comparisons, both blunt.

1. Between frames A and B of the same atoms, by the trapezoid rule, with the change d of positions in the mean cell and
   the strain e from cell to cell,

       E(B) - E(A) + 1/2 sum_i (F_i(A) + F_i(B)) . d_i = -1/2 (W(A) + W(B)) : e + O(3),    W = -V stress.

2. Over all frames: energies per atom as a function of composition and volume, whose derivative by the logarithm of the
   volume is a third of the trace of V stress per atom.

Where neither holds well enough to tell anything, nothing is told but the sign, from the fact that pressures fall as a
cell grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from mliap_hybrid.data.baseline import compositions
from mliap_hybrid.structure import Batch

MOST_FRAMES = 100
"""Of the same atoms that are compared with each other."""

LEAST_PAIRS = 5

LEAST_CARRIERS = 3.0
"""Number of equal pairs, or of equal changes of the volume, that would say as much as those that are there. Where one
or two outweigh all others, as among structures of a random search, nothing is told."""

LEAST_STRAIN = 1e-7
"""Sum of squared strains below which two cells are the same."""

THIRD_ORDER = 0.2
"""Of the second-order part of the work of the forces: what the trapezoid rule may be wrong by."""

NOISE = 1e-4
"""Of energies, eV/atom."""

LEAST_CORRELATION = 0.8
"""Between energies and work in the first comparison, below which frames are too far apart to tell."""

LEAST_EXPLAINED = 0.8
"""Share of the variance of the energies that the volume must explain for the second comparison."""

LEAST_CORRELATION_OF_VOLUMES = 0.75
"""The same as `LEAST_CORRELATION` in the second comparison."""


NEAR_VOLUMES = 0.15
"""Logarithms of volumes that are compared with each other, about their median."""

LEAST_FALL = 0.85
"""Correlation of stresses and volumes, turned, that tells the sign."""


@dataclass(frozen=True)
class EnergyAndStress:
    """Changes of the energy against the work of the stresses."""

    ratio: float
    """Least-squares slope: 1 where energies and stresses belong together."""
    range: tuple[float, float]
    """Between which sizes of the ratio nothing is wrong: the comparison is as blunt as that."""
    words: str
    """What was compared."""


def compare_energy_and_stress(batches: Sequence[Batch]) -> EnergyAndStress | None:
    """The first comparison that says something; None where none does.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each; those without energy or virial are left out.
    """
    labelled = [batch for batch in batches if batch.energies is not None and batch.virials is not None]
    return _between_frames(labelled) or _over_volumes(labelled)


def falls_with_volume(batches: Sequence[Batch]) -> bool:
    """Whether a third of the trace of the stresses falls clearly as cells grow, which no stable structure does.

    Larger forces, as of hotter frames, are taken into account.

    Parameters
    ----------
    batches : sequence of Batch
        One structure each, with virials.
    """
    groups: dict[bytes, list[Batch]] = {}
    for batch in batches:
        groups.setdefault(torch.bincount(batch.numbers).numpy().tobytes(), []).append(batch)
    group = max(groups.values(), key=len)
    volumes = np.log([abs(float(torch.det(batch.cells[0]))) for batch in group])  # (n_frames,)
    near = np.abs(volumes - np.median(volumes)) < NEAR_VOLUMES
    if near.sum() < 3 * LEAST_PAIRS or volumes[near].std() < 0.01:
        return False
    traces = np.array([-float(batch.virials[0].trace()) for batch in group if batch.virials is not None])
    stresses = traces / np.exp(volumes)  # (n_frames,) eV/Å^3, times three
    forces = np.array([0.0 if batch.forces is None else float(batch.forces.square().mean()) for batch in group])
    others = np.stack([np.ones(near.sum()), forces[near]], axis=1)
    left = [y - others @ np.linalg.lstsq(others, y, rcond=1e-9)[0] for y in (volumes[near], stresses[near])]
    return _slope(*left)[1] < -LEAST_FALL


def _between_frames(batches: Sequence[Batch]) -> EnergyAndStress | None:
    groups: dict[bytes, list[Batch]] = {}
    for batch in batches:
        if batch.forces is not None:
            groups.setdefault(batch.numbers.numpy().tobytes(), []).append(batch)
    pairs = np.array([pair for group in groups.values() for pair in _pairs(group)]).reshape(-1, 3)
    if len(pairs) < LEAST_PAIRS:
        return None
    change, work, error = pairs.T  # (n_pairs,) each, eV
    ratio, correlation = _slope(work / error, change / error)
    if abs(correlation) < LEAST_CORRELATION or _carriers(work / error) < LEAST_CARRIERS:
        return None
    return EnergyAndStress(ratio, (0.3, 3.0), f"between {len(pairs)} pairs of frames with like atoms in other cells")


def _pairs(group: Sequence[Batch]) -> Iterator[tuple[float, float, float]]:
    """Pairs of each frame and the one that says most of the stress.

    Yields
    ------
    tuple of float, eV
        Change of the energy without the work of the forces, work of the stress, and the error of the former.
    """
    chosen = np.unique(np.linspace(0, len(group) - 1, min(MOST_FRAMES, len(group))).astype(int))
    frames = [group[index] for index in chosen]
    n_atoms = frames[0].n_atoms
    cells = np.stack([frame.cells[0].numpy() for frame in frames])  # (n_frames, 3, 3)
    places = np.stack([frame.positions.numpy() for frame in frames]) @ np.linalg.inv(cells)  # fractional
    forces = np.stack([frame.forces.numpy() for frame in frames if frame.forces is not None])
    energies = np.array([float(frame.energies[0]) for frame in frames if frame.energies is not None])
    virials = np.stack([frame.virials[0].numpy() for frame in frames if frame.virials is not None])
    done = set()
    for a in range(len(frames)):
        mean = (cells + cells[a]) / 2
        displacements = places - places[a]
        displacements -= np.round(displacements)
        displacements = (displacements - displacements.mean(1, keepdims=True)) @ mean  # (n_frames, n_atoms, 3), Å
        strains = np.linalg.inv(mean) @ (cells - cells[a])
        strains = (strains + strains.transpose(0, 2, 1)) / 2  # (n_frames, 3, 3)
        sizes = np.square(strains).sum((1, 2))  # (n_frames,)
        of_forces = -0.5 * ((forces + forces[a]) * displacements).sum((1, 2))
        errors = THIRD_ORDER * 0.5 * np.abs(((forces - forces[a]) * displacements).sum((1, 2))) + NOISE * n_atoms
        score = np.where(sizes > LEAST_STRAIN, errors**2 / np.maximum(sizes, LEAST_STRAIN), np.inf)
        b = int(score.argmin())
        pair = (min(a, b), max(a, b))
        if np.isfinite(score[b]) and pair not in done:
            done.add(pair)
            work = -0.5 * float(((virials[a] + virials[b]) * strains[b]).sum())
            yield float(energies[b] - energies[a] - of_forces[b]), work, float(errors[b])


def _over_volumes(batches: Sequence[Batch]) -> EnergyAndStress | None:
    if len(batches) < 2:
        return None
    elements = torch.unique(torch.cat([batch.numbers for batch in batches])).tolist()
    counts = compositions(batches, elements).numpy()  # (n_frames, n_elements)
    n_atoms = counts.sum(1)
    shares = counts / n_atoms[:, None]
    if len(batches) < 4 * shares.shape[1] + LEAST_PAIRS:
        return None
    energies = np.array([float(batch.energies[0]) for batch in batches if batch.energies is not None]) / n_atoms
    traces = np.array([-float(batch.virials[0].trace()) for batch in batches if batch.virials is not None])
    expected = traces / (3 * n_atoms)  # eV/atom: dE / d ln V
    volumes = np.log([abs(float(torch.det(batch.cells[0]))) / batch.n_atoms for batch in batches])
    volumes = (volumes - np.median(volumes))[:, None]  # (n_frames, 1)
    if _carriers(volumes) < LEAST_CARRIERS:
        return None
    columns = np.hstack([shares, shares * volumes, shares * volumes**2])
    fitted, *_ = np.linalg.lstsq(columns, energies, rcond=1e-9)
    without, *_ = np.linalg.lstsq(shares, energies, rcond=1e-9)
    left, spread = np.square(energies - columns @ fitted).sum(), np.square(energies - shares @ without).sum()
    if left > (1.0 - LEAST_EXPLAINED) * spread:
        return None
    _, linear, quadratic = np.split(fitted, 3)
    derivatives = shares @ linear + 2.0 * volumes[:, 0] * (shares @ quadratic)  # (n_frames,)
    ratio, correlation = _slope(expected, derivatives)
    if abs(correlation) < LEAST_CORRELATION_OF_VOLUMES:
        return None
    return EnergyAndStress(ratio, (0.15, 6.0), f"over the volumes of {len(batches)} frames")


def _slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Slope of y over x through the origin, and the correlation about zero."""
    size = np.sqrt((x @ x) * (y @ y))
    return (float(x @ y / (x @ x)), float(x @ y / size)) if size > 0 else (1.0, 0.0)


def _carriers(values: np.ndarray) -> float:
    """How many values of one size would weigh as much in a fit as these do: 1 where one outweighs all others."""
    squares = np.square(values / max(float(np.abs(values).max()), 1e-300))
    return float(squares.sum() ** 2 / max(float(np.square(squares).sum()), 1e-300))
