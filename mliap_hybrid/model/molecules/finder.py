"""Whole molecules among the atoms that a rank sees: from pairs and tags to geometries with their atoms in places.

A rank knows its own atoms and, through their pairs, all neighbours up to the cutoff. If the cutoff reaches across a
molecule, each of its atoms sees all the others, wherever they are owned. Every rank that owns one of them can therefore
put the molecule together by itself, without a message: from the pairs of the first atom that it owns. Tags give the
atoms an order, which must be that of the model in its elements; atoms of one element are put into their places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from ase.data import chemical_symbols
from numpy.typing import NDArray
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.structure import AtomTags, Geometry

SAME_IMAGE = 1e-6
"""Å: a pair vector that differs by more from that of the molecule leads to another image of the atom."""

Integers = NDArray[np.int64]


class Orders(Protocol):
    """Says which atom belongs to which place of a molecule: `MoleculeOrder`, or what a run remembers of it."""

    def places(self, positions: Tensor, tags: Integers) -> Tensor:
        """(n_molecules, n_atoms) int64 for positions (n_molecules, n_atoms, 3) by tag, Å, and first tags."""


@dataclass(frozen=True)
class FoundMolecules:
    """Molecules of which at least one atom is a centre, and the pairs within them."""

    vectors: Tensor
    """(n_molecules, n_triangle, 3) float64, Å: r_j - r_i of the lower triangle of the pairs of atoms, by place."""
    molecule_of_centre: Tensor
    """(n_centres,) int64: index of its molecule."""
    inner_pairs: Tensor
    """(n_inner,) int64: the pairs within a molecule, among all pairs."""
    molecule: Tensor
    """(n_inner,) int64: their molecule."""
    place: Tensor
    """(n_inner,) int64: their place in the lower triangle of the pairs of atoms."""
    sign: Tensor
    """(n_inner,) float64: 1 where the vector of the pair is that of the triangle, -1 where it is the opposite."""


def find_molecules(geometry: Geometry, numbers: Tensor, descriptor: InverseDistances, orders: Orders) -> FoundMolecules:
    """Put together the molecules of the centres.

    Parameters
    ----------
    geometry : Geometry
        With tags. Where they say nothing of molecules, each n_atoms tags in turn are one.
    numbers : Tensor, shape (n_atoms,), int64
        Atomic numbers of the molecule, in order.
    descriptor : InverseDistances
        The pairs of its atoms.
    orders : Orders
        Says which atom has which place.

    Returns
    -------
    FoundMolecules
        In the memory of the processor.

    Raises
    ------
    InputError
        If a molecule is not whole within the cutoff, its elements do not come in the order of `numbers`, or its atoms
        have no places.
    """
    tags, neighbour_tags, molecules, neighbour_molecules = _arrays(geometry.tags, len(numbers))
    atomic_numbers, neighbour_numbers, pair_i, vectors = (  # numpy is the quicker one where there are few atoms
        tensor.detach().cpu().numpy()
        for tensor in (
            geometry.centre_numbers,
            geometry.neighbour_numbers,
            geometry.pair_i,
            geometry.pair_vectors.double(),
        )
    )
    inner = (neighbour_molecules == molecules[pair_i]) & (neighbour_tags != tags[pair_i])  # no images of the centre
    inner_pairs = inner.nonzero()[0]  # (n_inner,)
    _, first, molecule_of_centre = np.unique(molecules, return_index=True, return_inverse=True)  # (n_molecules,)
    molecule = molecule_of_centre[pair_i[inner_pairs]]  # (n_inner,)

    from_first = pair_i[inner_pairs] == first[molecule]  # (n_inner,)
    seen, molecule_seen = _nearest(inner_pairs[from_first], molecule[from_first], neighbour_tags, vectors)
    _check_whole(np.bincount(molecule_seen, minlength=len(first)) + 1, len(numbers), tags[first])
    seen = seen.reshape(len(first), len(numbers) - 1)  # by molecule, then by tag
    members = np.concatenate([tags[first, None], neighbour_tags[seen]], axis=1)  # (n_molecules, n_atoms)
    order = members.argsort(axis=1)
    members = np.take_along_axis(members, order, axis=1)
    found = np.concatenate([atomic_numbers[first, None], neighbour_numbers[seen]], axis=1)
    _check_elements(np.take_along_axis(found, order, axis=1), numbers.numpy(), members)
    unordered = np.concatenate([np.zeros((len(first), 1, 3)), vectors[seen]], axis=1)  # (n_molecules, n_atoms, 3)
    positions = torch.from_numpy(np.take_along_axis(unordered, order[:, :, None], axis=1))
    places = orders.places(positions, members[:, 0])  # (n_molecules, n_atoms)
    positions = positions.gather(1, places[:, :, None].expand(-1, -1, 3))
    place_of = places.argsort(dim=1).numpy()  # (n_molecules, n_atoms): place of each atom by tag
    triangle = descriptor.vectors(positions)  # (n_molecules, n_triangle, 3)

    pair_tags = tags[pair_i[inner_pairs]], neighbour_tags[inner_pairs]  # (n_inner,) each
    by_tag = [(members[molecule] < each[:, None]).sum(axis=1) for each in pair_tags]
    a, b = (place_of[molecule, each] for each in by_tag)  # (n_inner,) places of the centre and of its neighbour
    later, earlier = np.maximum(a, b), np.minimum(a, b)
    place, sign = later * (later - 1) // 2 + earlier, np.where(a > b, 1.0, -1.0)
    same = np.abs(vectors[inner_pairs] - sign[:, None] * triangle.numpy()[molecule, place]).max(axis=1) < SAME_IMAGE
    _check_whole(np.bincount(pair_i[inner_pairs[same]], minlength=len(tags)) + 1, len(numbers), tags)
    kept = (
        torch.from_numpy(each)
        for each in (molecule_of_centre, inner_pairs[same], molecule[same], place[same], sign[same])
    )
    return FoundMolecules(triangle, *kept)


def _arrays(tags: AtomTags | None, n_atoms: int) -> list[Integers]:
    """Tags of centres (n_centres,) and neighbours (n_pairs,), and the molecules of both."""
    if tags is None:
        raise InputError(
            "the model is one of whole molecules and asks which atom is which, but the IDs of the atoms are not known "
            "here: run it with this package's plugin, or call `connect` on it before the run"
        )
    arrays = [tags.centre_tags.cpu().numpy(), tags.neighbour_tags.cpu().numpy()]
    if tags.centre_molecules is None or tags.neighbour_molecules is None:
        return [*arrays, *(each // n_atoms + 1 for each in arrays)]
    of_centre = tags.centre_molecules.cpu().numpy()
    if (of_centre == 0).any():
        raise InputError(
            f"atom {arrays[0][of_centre == 0][0] + 1} has the molecule ID 0, but every atom of the model must be in a "
            "molecule: give each molecule its ID, use an atom style without molecule IDs, or map the atom's type to "
            "NULL in pair_coeff"
        )
    return [*arrays, of_centre, tags.neighbour_molecules.cpu().numpy()]


def _nearest(
    pairs: Integers, molecule: Integers, neighbour_tags: Integers, vectors: NDArray[np.float64]
) -> tuple[Integers, Integers]:
    """Pairs to the nearest image of each neighbour, by molecule and then by tag; and their molecules."""
    tags = neighbour_tags[pairs]  # (n_chosen,)
    order = np.lexsort((np.square(vectors[pairs]).sum(axis=1), tags, molecule))
    is_new = np.ones(len(pairs), dtype=bool)
    is_new[1:] = (np.diff(molecule[order]) != 0) | (np.diff(tags[order]) != 0)
    return pairs[order[is_new]], molecule[order[is_new]]


def _check_whole(n_found: Integers, n_atoms: int, tags: Integers) -> None:
    if (n_found != n_atoms).any():
        wrong = int((n_found != n_atoms).argmax())
        raise InputError(
            f"the molecule of atom {tags[wrong] + 1} has {n_found[wrong]} atoms within the cutoff, expected {n_atoms}: "
            f"the model is of one kind of molecule, whose {n_atoms} atoms have IDs in a row, or one molecule ID, stay "
            "together, and are in each other's neighbour lists (neigh_modify exclude and special_bonds can take them "
            "out)"
        )


def _check_elements(found: Integers, numbers: Integers, members: Integers) -> None:
    wrong = (found != numbers).any(axis=1)
    if wrong.any():
        index = int(wrong.argmax())
        names = [" ".join(chemical_symbols[number] for number in row) for row in (found[index], numbers)]
        raise InputError(
            f"the molecule of atom {members[index, 0] + 1} is, by the IDs of its atoms, {names[0]}; the model was "
            f"trained on {names[1]}: number the atoms in this order"
        )
