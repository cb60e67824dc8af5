"""The molecules of a structure: which atoms are in which, and where they lie when no box divides them."""

from __future__ import annotations

import numpy as np
import torch
from ase.geometry import find_mic

from mliap_hybrid.bonds import molecules_by_bonds
from mliap_hybrid.structure import Batch


def molecule_numbers(batch: Batch) -> np.ndarray:
    """Number of the molecule of each atom (n_atoms,) of one structure, from 1 in the order of their first atoms.

    What the frame says counts, atoms of no molecule being one each; where it says nothing, bonds do.
    """
    if batch.molecules is None:
        distances = torch.linalg.vector_norm(batch.pair_vectors(), dim=1)  # (n_pairs,)
        found = molecules_by_bonds(batch.numbers, batch.pair_i, batch.pair_j, distances).numpy()
    else:
        said = batch.molecules.numpy()
        found = np.where(said > 0, said, -1 - np.arange(len(said)))
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse] + 1


def whole_positions(batch: Batch, molecules: np.ndarray) -> np.ndarray:
    """Positions (n_atoms, 3), Å, of the images of atoms that are closest to the first atom of their molecule.

    Parameters
    ----------
    batch : Batch
        One structure.
    molecules : array, shape (n_atoms,)
        Number of the molecule of each atom, from 1 in the order of their first atoms.
    """
    positions = batch.positions.numpy()
    _, first = np.unique(molecules, return_index=True)
    first_positions = positions[first[molecules - 1]]  # (n_atoms, 3)
    return first_positions + closest_images(positions - first_positions, batch)


def closest_images(vectors: np.ndarray, batch: Batch) -> np.ndarray:
    """The shortest images (n, 3) of vectors in the cell of one structure, Å."""
    periodic = batch.periodic[0].numpy()
    return find_mic(vectors, batch.cells[0].numpy(), periodic)[0] if periodic.any() else vectors
