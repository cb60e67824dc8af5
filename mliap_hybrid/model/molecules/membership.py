"""Which neighbours belong to the molecule of an atom: by the molecule IDs of a run, or by bonds."""

from __future__ import annotations

import numpy as np
import torch
from ase.data import covalent_radii
from torch import Tensor

from mliap_hybrid.communication import Serial
from mliap_hybrid.errors import InputError
from mliap_hybrid.structure import Geometry

LONGEST_BOND = 1.25
"""Of bonds, in units of the sum of the covalent radii: 1.2 Å for O-H, where hydrogen bonds have 1.7 Å and more."""


def in_own_molecule(geometry: Geometry) -> Tensor:
    """Whether the neighbour of each pair belongs to the molecule of its centre; images of a molecule are that molecule.

    Parameters
    ----------
    geometry : Geometry
        With tags that know molecules, as in a run, or of whole structures, whose bonds are looked for.

    Returns
    -------
    Tensor, shape (n_pairs,), bool

    Raises
    ------
    InputError
        If a run does not say which atom belongs to which molecule.
    """
    tags, pair_i = geometry.tags, geometry.pair_i
    if tags is not None and tags.centre_molecules is not None and tags.neighbour_molecules is not None:
        of_centres = tags.centre_molecules.index_select(0, pair_i)  # (n_pairs,)
        return (of_centres == tags.neighbour_molecules) & (of_centres != 0)
    if not isinstance(geometry.neighbours, Serial):
        raise InputError(
            "the model leaves out what the charges of a molecule induce in itself, but the run does not say which "
            "atoms are a molecule: expected molecule IDs, as with `atom_style full`"
        )
    molecules = _by_bonds(geometry)  # (n_centres,)
    assert geometry.pair_j is not None
    return molecules.index_select(0, pair_i) == molecules.index_select(0, geometry.pair_j)


def _by_bonds(geometry: Geometry) -> Tensor:
    """Number of the molecule of each centre (n_centres,), int64."""
    from scipy.sparse import coo_array  # which no run in LAMMPS needs
    from scipy.sparse.csgraph import connected_components

    assert geometry.pair_j is not None
    radii = torch.from_numpy(covalent_radii).to(geometry.distances)  # by atomic number, Å
    of_centres = radii.index_select(0, geometry.centre_numbers)  # (n_centres,)
    longest = of_centres.index_select(0, geometry.pair_i) + of_centres.index_select(0, geometry.pair_j)  # (n_pairs,)
    bonded = geometry.distances < LONGEST_BOND * longest
    i, j = (index[bonded].cpu().numpy() for index in (geometry.pair_i, geometry.pair_j))
    n = geometry.n_centres
    _, labels = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    return torch.from_numpy(labels).long().to(geometry.pair_i.device)
