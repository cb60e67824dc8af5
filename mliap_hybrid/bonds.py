"""Bonds between atoms that are close, and the molecules that they hold together."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor

BOND = 1.3
"""Atoms closer than this times the sum of their covalent radii are bonded."""


def molecules_by_bonds(numbers: Tensor, pair_i: Tensor, pair_j: Tensor, distances: Tensor) -> Tensor:
    """Molecule of each atom, from 1, in the order of their first atoms.

    Parameters
    ----------
    numbers : Tensor, shape (n_atoms,), int64
        Atomic numbers.
    pair_i, pair_j : Tensor, shape (n_pairs,), int64
        Both atoms of each pair.
    distances : Tensor, shape (n_pairs,), Å

    Returns
    -------
    Tensor, shape (n_atoms,), int64
    """
    from scipy.sparse import coo_matrix  # takes a while to import, which few runs need
    from scipy.sparse.csgraph import connected_components

    # Cordero et al., Dalton Trans. 2008, 2832, as tabulated by ASE.
    radii = torch.as_tensor(covalent_radii, dtype=distances.dtype)[numbers.cpu()]  # (n_atoms,) Å
    i, j = pair_i.cpu(), pair_j.cpu()
    bonded = distances.detach().cpu() < BOND * (radii[i] + radii[j])  # (n_pairs,)
    ends = i[bonded].numpy(), j[bonded].numpy()
    graph = coo_matrix((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(len(numbers), len(numbers)))
    labels = connected_components(graph, directed=False)[1]
    return torch.from_numpy(labels.astype(np.int64) + 1).to(numbers.device)
