"""Which permutations of its atoms leave a molecule the same, found from geometries alone.

1. Match the atoms of every two frames. With the eigenvectors V of the distance matrices A, sorted by eigenvalue, the
   permutation that minimises -tr(P |V_a| |V_b|^T), elements kept, nearly maps one molecule onto the other (Umeyama,
   1988); the assignment is solved exactly (Hungarian method). It counts when it brings A_a closer to A_b.
2. Matches of all pairs contradict each other. Those along the minimum spanning tree of the remaining differences
   |P A_a P^T - A_b| are kept: between frames that are the same but for the names of atoms.
3. They generate a group. A hydrogen that turns round a bond, or a molecule that inverts, appears in it because the
   frames have seen both sides; what never happened in the data is no symmetry of the model.

Chmiela, Sauceda, Müller, Tkatchenko, Nat. Commun. 9, 3887 (2018), "Synchronization of the permutations".
"""

from __future__ import annotations

import logging

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import minimum_spanning_tree

from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.sgdml.kernel_matrix import Track, untracked
from mliap_hybrid.sgdml.symmetries_group import LARGEST_GROUP, close_group, without_conflicts

logger = logging.getLogger(__name__)

SAME = 1e-5
"""Relative difference below which two distance matrices are taken to be equally far from a third."""


def evenly_chosen(n_frames: int, most: int) -> np.ndarray:
    """Numbers of at most `most` of the frames, ascending."""
    return np.linspace(0, n_frames - 1, min(n_frames, most)).round().astype(np.int64)


def find_symmetries(
    positions: np.ndarray,
    numbers: np.ndarray,
    cell: np.ndarray | None = None,
    largest: int = LARGEST_GROUP,
    track: Track = untracked,
) -> np.ndarray:
    """The group of permutations that the frames of a molecule show.

    Parameters
    ----------
    positions : array, shape (n_frames, n_atoms, 3), Å
    numbers : array, shape (n_atoms,), int
    cell : array, shape (3, 3), Å, optional
        Lattice vectors as rows, for distances to nearest images.
    largest : int
        Largest group that is believed.
    track : Track
        Shows progress.

    Returns
    -------
    array, shape (n_permutations, n_atoms), int64
        ``positions[permutation]`` is the permuted geometry; a group, the identity first.
    """
    distances = distance_matrices(positions, cell)  # (n_frames, n_atoms, n_atoms)
    matches, differences = match_pairs(distances, numbers, track)
    tree = minimum_spanning_tree(csr_array(differences))
    edges = zip(*tree.nonzero(), strict=True)
    kept = {tuple(matches[edge]) for edge in ((min(a, b), max(a, b)) for a, b in edges) if edge in matches}
    generators = np.array(sorted(kept | {tuple(range(len(numbers)))}), dtype=np.int64)
    group = close_group(generators, largest)
    if group is not None:
        return group
    logger.warning(
        "The symmetries found in %d frames generate more than %d permutations: those that contradict others are left "
        "out. More frames, or frames in which the atoms keep their order, may help.",
        len(positions),
        largest,
    )
    group = close_group(without_conflicts(generators), largest)
    return generators[:1] if group is None else group


def distance_matrices(positions: np.ndarray, cell: np.ndarray | None = None) -> np.ndarray:
    """Distances (n_frames, n_atoms, n_atoms), Å, of positions (n_frames, n_atoms, 3), Å."""
    descriptor = InverseDistances(positions.shape[1], None if cell is None else torch.as_tensor(cell))
    lengths = (
        descriptor.vectors(torch.tensor(np.ascontiguousarray(positions))).norm(dim=2).numpy()
    )  # (n_frames, n_pairs)
    matrices = np.zeros((len(positions), positions.shape[1], positions.shape[1]))
    matrices[:, descriptor.pair_i, descriptor.pair_j] = lengths
    matrices[:, descriptor.pair_j, descriptor.pair_i] = lengths
    return matrices


def match_pairs(
    distances: np.ndarray, numbers: np.ndarray, track: Track = untracked
) -> tuple[dict[tuple[int, int], np.ndarray], np.ndarray]:
    """Permutations that map each frame a onto each later frame b.

    Parameters
    ----------
    distances : array, shape (n_frames, n_atoms, n_atoms), Å
    numbers : array, shape (n_atoms,), int
    track : Track

    Returns
    -------
    matches : dict of (a, b) to array, shape (n_atoms,)
        Where a permutation other than the identity brings them closer.
    differences : array, shape (n_frames, n_frames), Å
        What remains after the permutation, above the diagonal; zero elsewhere.
    """
    _, vectors = np.linalg.eigh(distances)
    vectors = np.abs(vectors[:, :, ::-1])  # (n_frames, n_atoms, n_atoms) largest eigenvalue first
    other_element = 2.0 * len(numbers) * (numbers[:, None] != numbers)  # (n_atoms, n_atoms) above any overlap
    matches: dict[tuple[int, int], np.ndarray] = {}
    differences = np.zeros((len(distances), len(distances)))
    for a in track(range(len(distances)), "matching the atoms of frames"):
        costs = other_element - vectors[a] @ vectors[a + 1 :].transpose(0, 2, 1)  # (n_later, n_atoms, n_atoms)
        for b, cost in enumerate(costs, start=a + 1):
            permutation = linear_sum_assignment(cost.T)[1]  # (n_atoms,) the atom of a for each place of b
            permuted = distances[a][permutation][:, permutation]
            before, after = np.linalg.norm(distances[a] - distances[b]), np.linalg.norm(permuted - distances[b])
            if after < (1.0 - SAME) * before:
                matches[a, b] = permutation
            differences[a, b] = max(min(before, after), np.finfo(float).tiny)  # the tree sees zero as no edge
    return matches, differences
