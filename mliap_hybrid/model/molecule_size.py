"""Do molecules lie within the cutoff? Terms must know that take something off all pairs of a molecule.

Atoms that are connected by pairs see all of each other if and only if any two neighbours see the same atoms. So each
compares with its neighbours what it sees of its own molecule: a number of atoms, and a sum of numbers that stand for
their tags. One exchange is enough, on any number of ranks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.structure import Geometry

SCATTER, RANGE = 2654435761, 2**31
"""Tags t become SCATTER t mod RANGE (Knuth, The Art of Computer Programming, 6.4), whose sums are exact in float64."""


def check_molecules_within_cutoff(geometry: Geometry, cutoff: float, why: str) -> None:
    """Refuse molecules of which two atoms are farther from each other than the pairs go. Collective.

    Parameters
    ----------
    geometry : Geometry
        With communication.
    cutoff : float, Å
        Of the pairs.
    why : str
        What needs them, for the message.

    Raises
    ------
    InputError
        Naming an atom of such a molecule, or if nothing is known of molecules.
    """
    inside = (~geometry.is_between_molecules).nonzero().squeeze(1)  # (n_inside,) rows of pairs
    seen = _seen(geometry, inside)  # (n_centres, 2)
    of_neighbours = geometry.communication.to_neighbours(seen)  # (n_pairs, 2)
    if len(inside) == 0:
        return
    pair_i = geometry.pair_i.index_select(0, inside)  # (n_inside,)
    differ = (of_neighbours.index_select(0, inside) != seen.index_select(0, pair_i)).any(1)  # (n_inside,)
    if bool(differ.any()):
        assert geometry.tags is not None
        atom = int(geometry.tags.centre_tags[pair_i[differ][0]]) + 1
        raise InputError(
            f"the molecule of atom {atom} reaches farther than the cutoff of {cutoff:g} Å, where pairs end: {why}, "
            "which needs all pairs of a molecule; expected molecules that lie within the cutoff: train with a larger "
            "features.cutoff, or give the parts of the molecule IDs of their own"
        )


def _seen(geometry: Geometry, inside: Tensor) -> Tensor:
    """How many atoms of its molecule each centre sees, itself among them, and the sum of their numbers (n_centres, 2).

    Images of an atom are the atom itself.
    """
    if geometry.tags is None or geometry.n_centres == 0:
        return geometry.pair_vectors.new_zeros((geometry.n_centres, 2), dtype=torch.float64)
    tags = geometry.tags
    centres = torch.arange(geometry.n_centres, device=inside.device)
    pairs = torch.stack([geometry.pair_i.index_select(0, inside), tags.neighbour_tags.index_select(0, inside)])
    found = torch.cat([pairs, torch.stack([centres, tags.centre_tags])], dim=1).unique(dim=1)  # (2, n_seen)
    numbers = (found[1] * SCATTER).remainder(RANGE).double()  # (n_seen,)
    both = torch.stack([torch.ones_like(numbers), numbers], dim=1)  # (n_seen, 2)
    return both.new_zeros((geometry.n_centres, 2)).index_add(0, found[0], both)
