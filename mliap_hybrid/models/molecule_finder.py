"""Whole molecules among the atoms that a rank sees: from pairs and tags to geometries with their atoms in order.

A rank knows its own atoms and, through their pairs, all neighbours up to the cutoff. If the cutoff reaches across a
molecule, each of its atoms sees all the others, wherever they are owned. Every rank that owns one of them can therefore
put the molecule together by itself, without a message: from the pairs of the first atom that it owns.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from ase.data import chemical_symbols
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.models.gdml_descriptor import InverseDistances
from mliap_hybrid.structure import AtomTags, Environments

SAME_IMAGE = 1e-6
"""Å: a pair vector that differs by more from that of the molecule leads to another image of the atom."""


@dataclass(frozen=True)
class FoundMolecules:
    """Molecules of which at least one atom is a centre, and the pairs within them."""

    positions: Tensor
    """(n_molecules, n_atoms, 3) float64, Å: atoms by ascending tag, seen from the first centre."""
    molecule_of_centre: Tensor
    """(n_centres,) int64: index of its molecule."""
    rows: Tensor
    """(n_inner,) int64: the pairs within a molecule, among all pairs."""
    molecule: Tensor
    """(n_inner,) int64: their molecule."""
    place: Tensor
    """(n_inner,) int64: their place in the lower triangle of the pairs of atoms."""
    sign: Tensor
    """(n_inner,) float64: 1 where the vector of the pair is that of the triangle, -1 where it is the opposite."""


def find_molecules(environments: Environments, numbers: Tensor, descriptor: InverseDistances) -> FoundMolecules:
    """Put together the molecules of the centres.

    Parameters
    ----------
    environments : Environments
        With tags, on the processor. Where they say nothing of molecules, each n_atoms tags in turn are one.
    numbers : Tensor, shape (n_atoms,), int64
        Atomic numbers of the molecule, in order.
    descriptor : InverseDistances
        The pairs of its atoms.

    Returns
    -------
    FoundMolecules

    Raises
    ------
    InputError
        If a molecule is not whole within the cutoff, or its atoms are not those of `numbers` in this order.
    """
    tags = _with_molecules(environments.tags, len(numbers))
    assert tags.centre_molecules is not None
    assert tags.neighbour_molecules is not None
    pair_i, vectors = environments.pair_i, environments.pair_vectors.double()
    of_centre = tags.centre_molecules.index_select(0, pair_i)  # (n_pairs,)
    inner = tags.neighbour_molecules == of_centre  # (n_pairs,)
    inner &= tags.neighbour_tags != tags.centre_tags.index_select(0, pair_i)  # no images of the centre itself
    rows = inner.nonzero()[:, 0]  # (n_inner,)

    names, molecule_of_centre = torch.unique(tags.centre_molecules, return_inverse=True)  # (n_molecules,), (n_centres,)
    centres = torch.arange(environments.n_centres)
    first = torch.full_like(names, len(centres)).scatter_reduce(0, molecule_of_centre, centres, "amin")
    of_row = molecule_of_centre[pair_i[rows]]  # (n_inner,)
    from_first = pair_i[rows] == first[of_row]  # (n_inner,)
    seen = _nearest(rows[from_first], of_row[from_first], tags.neighbour_tags, vectors)  # by molecule, then by tag
    n_seen = torch.bincount(molecule_of_centre[pair_i[seen]], minlength=len(names))  # (n_molecules,)
    _check_whole(n_seen + 1, len(numbers), tags.centre_tags[first])

    seen = seen.reshape(len(names), len(numbers) - 1)
    members = torch.cat([tags.centre_tags[first, None], tags.neighbour_tags[seen]], dim=1)  # (n_molecules, n_atoms)
    members, order = members.sort(dim=1)
    found = torch.cat([environments.centre_numbers[first, None], environments.neighbour_numbers[seen]], dim=1)
    _check_elements(found.gather(1, order), numbers, members)
    positions = torch.cat([vectors.new_zeros(len(names), 1, 3), vectors[seen]], dim=1)  # (n_molecules, n_atoms, 3)
    positions = positions.gather(1, order[:, :, None].expand(-1, -1, 3))

    a = _places(tags.centre_tags[pair_i[rows]], members, of_row)  # (n_inner,)
    b = _places(tags.neighbour_tags[rows], members, of_row)  # (n_inner,)
    later, earlier = torch.maximum(a, b), torch.minimum(a, b)
    place = later * (later - 1) // 2 + earlier  # (n_inner,) in the lower triangle
    sign = torch.where(a > b, 1.0, -1.0).double()
    expected = sign[:, None] * descriptor.vectors(positions)[of_row, place]  # (n_inner, 3)
    same = ((vectors[rows] - expected).abs() < SAME_IMAGE).all(dim=1)  # (n_inner,)
    n_partners = torch.bincount(pair_i[rows[same]], minlength=len(centres))  # (n_centres,)
    _check_whole(n_partners + 1, len(numbers), tags.centre_tags)
    return FoundMolecules(positions, molecule_of_centre, rows[same], of_row[same], place[same], sign[same])


def _with_molecules(tags: AtomTags | None, n_atoms: int) -> AtomTags:
    if tags is None:
        raise InputError(
            "the model is one of whole molecules and asks which atom is which, but the IDs of the atoms are not known "
            "here: run it with this package's plugin, or call `connect` on it before the run"
        )
    if tags.centre_molecules is not None:
        _check_named(tags)
        return tags
    of_centre, of_neighbour = (each // n_atoms + 1 for each in (tags.centre_tags, tags.neighbour_tags))
    return AtomTags(tags.centre_tags, tags.neighbour_tags, of_centre, of_neighbour)


def _nearest(rows: Tensor, molecule: Tensor, neighbour_tags: Tensor, vectors: Tensor) -> Tensor:
    """Pairs to the nearest image of each neighbour, by molecule and then by tag."""
    order = vectors[rows].norm(dim=1).argsort(stable=True)
    order = order[neighbour_tags[rows[order]].argsort(stable=True)]
    order = order[molecule[order].argsort(stable=True)]
    keys = torch.stack([molecule[order], neighbour_tags[rows[order]]], dim=1)  # (n_rows, 2)
    is_new = torch.ones(len(keys), dtype=torch.bool)
    is_new[1:] = (keys[1:] != keys[:-1]).any(dim=1)
    return rows[order[is_new]]


def _places(atom_tags: Tensor, members: Tensor, molecule: Tensor) -> Tensor:
    """Place (n_inner,) of atoms (n_inner,) among the ascending tags of the members of their molecules."""
    return (members[molecule] < atom_tags[:, None]).sum(dim=1)


def _check_named(tags: AtomTags) -> None:
    assert tags.centre_molecules is not None
    without = (tags.centre_molecules == 0).nonzero()[:, 0]
    if len(without):
        raise InputError(
            f"atom {int(tags.centre_tags[without[0]]) + 1} has the molecule ID 0, but every atom of the model must be "
            "in a molecule: give each molecule its ID, use an atom style without molecule IDs, or map the atom's type "
            "to NULL in pair_coeff"
        )


def _check_whole(n_found: Tensor, n_atoms: int, atom_tags: Tensor) -> None:
    wrong = (n_found != n_atoms).nonzero()[:, 0]
    if len(wrong):
        atom, count = int(atom_tags[wrong[0]]) + 1, int(n_found[wrong[0]])
        raise InputError(
            f"the molecule of atom {atom} has {count} atoms within the cutoff, expected {n_atoms}: the model is of one "
            f"kind of molecule, whose {n_atoms} atoms have IDs in a row, or one molecule ID, stay together, and are in "
            "each other's neighbour lists (neigh_modify exclude and special_bonds can take them out)"
        )


def _check_elements(found: Tensor, numbers: Tensor, members: Tensor) -> None:
    wrong = (found != numbers).any(dim=1).nonzero()[:, 0]
    if len(wrong):
        names = [" ".join(chemical_symbols[number] for number in row.tolist()) for row in (found[wrong[0]], numbers)]
        raise InputError(
            f"the molecule of atom {int(members[wrong[0], 0]) + 1} is, by the IDs of its atoms, {names[0]}; the model "
            f"was trained on {names[1]}: number the atoms in this order"
        )
