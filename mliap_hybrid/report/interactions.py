"""Energies of a structure by term, and what of them is the interaction of its molecules.

    E_AB... - E_A - E_B - ...,      for two molecules of many E_AB - E_A - E_B,

each molecule by itself without a box, as it lies in the structure. This holds for every model: terms of pairs between
molecules have nothing else, and a network or charges have their energies within molecules taken off.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.data.whole_molecules import closest_images, molecule_numbers, whole_positions
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.structure import Batch, join_batches

MOST_MOLECULES = 32
"""Structures of more have no energies of single pairs, which would be too many."""

AT_ONCE = 64
"""Structures that are computed together."""

Energies = Mapping[str, float]
"""Kind of a term -> energy, eV."""


@dataclass(frozen=True)
class PairOfMolecules:
    """Two molecules of a structure."""

    molecules: tuple[int, int]
    """Their numbers, from 1 in the order of their first atoms."""
    distance: float
    """Of their centres of mass, Å."""
    energies: Energies
    """Interaction of the two alone."""


@dataclass(frozen=True)
class Interactions:
    """Energies of a structure by term."""

    energies: Energies
    """Of the structure."""
    between: Energies | None
    """What these are more than those of its molecules alone; None where there is one molecule, or charges that nobody
    knows."""
    molecules: Sequence[int]
    """(n_atoms,): number of the molecule of each atom."""
    pairs: Sequence[PairOfMolecules] = ()
    """In order; none where there are many molecules."""


def interactions(evaluator: Evaluator, batch: Batch) -> Interactions:
    """Energies of one structure by term, of all of it and between its molecules.

    Parameters
    ----------
    evaluator : Evaluator
    batch : Batch
        One structure, with all pairs up to the model's cutoff.

    Raises
    ------
    InputError
        If the model refuses the structure or a part of it.
    """
    energies = energies_by_term(evaluator, batch)[0]
    molecules = molecule_numbers(batch)
    if molecules.max() == 1 or float(batch.total_charges[0]) != 0.0:
        return Interactions(energies, None, molecules.tolist())
    parts = _molecules(batch, molecules)
    cutoff = evaluator.model.cutoff
    alone = _energies(evaluator, [[part] for part in parts], cutoff)
    between = {kind: energies[kind] - sum(of_part[kind] for of_part in alone) for kind in energies}
    pairs: list[PairOfMolecules] = []
    if len(parts) <= MOST_MOLECULES:
        numbers = list(itertools.combinations(range(len(parts)), 2))
        close = [_beside(parts[a], parts[b], batch) for a, b in numbers]
        together = _energies(evaluator, [list(both) for both in close], cutoff)
        for (a, b), both, of_both in zip(numbers, close, together, strict=True):
            of_pair = {kind: of_both[kind] - alone[a][kind] - alone[b][kind] for kind in energies}
            pairs.append(PairOfMolecules((a + 1, b + 1), _distance(*both), of_pair))
    return Interactions(energies, between, molecules.tolist(), pairs)


def energies_by_term(evaluator: Evaluator, batch: Batch) -> list[Energies]:
    """Energies of each structure of a batch.

    Raises
    ------
    InputError
        If an element is not one of the model's, or a term refuses a structure.
    """
    evaluator.model.check_elements(batch.numbers)
    found = {}
    for kind, contribution in evaluator.total(batch.geometry()).contributions.items():
        of_structures = torch.zeros(batch.n_structures, dtype=torch.float64)
        if contribution.energies is not None:
            of_structures = of_structures + batch.sum_over_structures(contribution.energies.double())
        if contribution.structure_energies is not None:
            of_structures = of_structures + contribution.structure_energies
        found[kind] = of_structures.tolist()
    return [{kind: values[index] for kind, values in found.items()} for index in range(batch.n_structures)]


def _molecules(batch: Batch, molecules: np.ndarray) -> list[Atoms]:
    """Each molecule without a box, its atoms the images closest to its first one."""
    numbers, positions = batch.numbers.numpy(), whole_positions(batch, molecules)
    chosen = (molecules == number for number in range(1, molecules.max() + 1))
    return [Atoms(numbers[rows], positions[rows]) for rows in chosen]


def _beside(one: Atoms, other: Atoms, batch: Batch) -> tuple[Atoms, Atoms]:
    """Two molecules, of the second the image whose centre of mass is closest to that of the first."""
    vector = other.get_center_of_mass() - one.get_center_of_mass()
    moved = other.copy()
    moved.translate(closest_images(vector[None], batch)[0] - vector)
    return one, moved


def _distance(one: Atoms, other: Atoms) -> float:
    return float(np.linalg.norm(one.get_center_of_mass() - other.get_center_of_mass()))


def _energies(evaluator: Evaluator, structures: Sequence[Sequence[Atoms]], cutoff: float) -> list[Energies]:
    """Energies of structures that are made of molecules."""
    found: list[Energies] = []
    for start in range(0, len(structures), AT_ONCE):
        batches = []
        for parts in structures[start : start + AT_ONCE]:
            atoms = Atoms()
            for part in parts:
                atoms += part
            atoms.set_array("molecule", np.repeat(np.arange(len(parts)) + 1, [len(part) for part in parts]))
            batches.append(frame_to_batch(atoms, cutoff))
        found += energies_by_term(evaluator, join_batches(batches))
    return found
