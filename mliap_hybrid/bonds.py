"""Bonds between atoms that are close, and the molecules that they hold together."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor

from mliap_hybrid.joined import joined

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
    # Cordero et al., Dalton Trans. 2008, 2832, as tabulated by ASE.
    radii = torch.as_tensor(covalent_radii, dtype=distances.dtype)[numbers.cpu()]  # (n_atoms,) Å
    i, j = pair_i.cpu(), pair_j.cpu()
    bonded = distances.detach().cpu() < BOND * (radii[i] + radii[j])  # (n_pairs,)
    _, labels = joined(len(numbers), np.stack([i[bonded].numpy(), j[bonded].numpy()], axis=1))
    return torch.from_numpy(labels.astype(np.int64) + 1).to(numbers.device)
