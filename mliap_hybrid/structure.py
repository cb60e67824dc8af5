"""The two containers that models see: `Geometry` (what terms may look at) and `Batch` (whole structures)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from mliap_hybrid.bonds import molecules_by_bonds
from mliap_hybrid.communication import Communication, Serial
from mliap_hybrid.errors import InputError
from mliap_hybrid.uniform_field import UniformField

OUT_OF_REACH = 1000.0
"""Å: beyond every cutoff."""


@dataclass(frozen=True)
class AtomTags:
    """Which atom is which: what terms ask for whose atoms have fixed places, such as models of one molecule."""

    centre_tags: Tensor
    """(n_centres,) int64: number of each centre, from 0, in the order of its structure."""
    neighbour_tags: Tensor
    """(n_pairs,) int64: the same of the neighbour of each pair; periodic images have the number of their atom."""
    centre_molecules: Tensor | None = None
    """(n_centres,) int64: molecule of each centre, 0 for none; None where nothing is said of molecules."""
    neighbour_molecules: Tensor | None = None
    """(n_pairs,) int64: the same of the neighbours."""

    def of_pairs(self, rows: Tensor) -> AtomTags:
        """The same for some of the pairs, (n_rows,) int64."""
        molecules = None if self.neighbour_molecules is None else self.neighbour_molecules[rows]
        return replace(self, neighbour_tags=self.neighbour_tags[rows], neighbour_molecules=molecules)


@dataclass(frozen=True)
class Geometry:
    """Atoms with an energy, the vectors to their neighbours, and the way to other atoms: all that a term may look at.

    The same container is filled from a `Batch` in training and from LAMMPS' arrays in a run, on any device.
    """

    centre_numbers: Tensor
    """(n_centres,) int64: atomic number of each centre i."""
    neighbour_numbers: Tensor
    """(n_pairs,) int64: atomic number of the neighbour j of each pair p."""
    pair_i: Tensor
    """(n_pairs,) int64: centre of each pair, in [0, n_centres)."""
    pair_vectors: Tensor
    """(n_pairs, 3) float, Å: r_j - r_i. Full list: both (i, j) and (j, i) are there."""
    tags: AtomTags | None = None
    """Which atom is which, where that is known."""
    pair_j: Tensor | None = None
    """(n_pairs,) int64: neighbour of each pair: a centre, or on a rank a local atom, ghosts included. None where nobody
    will ask."""
    neighbours: Communication | None = None
    """Exchange with the neighbours and sums over structures; None where nobody will ask."""
    structures: Batch | None = None
    """The whole structures, where they lie in one memory."""
    field: UniformField | None = None
    """An electric field from outside, at the centres; None where there is none."""

    @property
    def n_centres(self) -> int:
        """Number of atoms that carry an energy."""
        return self.centre_numbers.shape[0]

    @property
    def communication(self) -> Communication:
        """The way to other atoms.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self.neighbours is None:
            raise ValueError("expected a geometry with communication, such as that of a batch; this one has none")
        return self.neighbours

    @cached_property
    def distances(self) -> Tensor:
        """(n_pairs,) Å: lengths of the pair vectors, without their graph."""
        return torch.linalg.vector_norm(self.pair_vectors.detach(), dim=1)

    @cached_property
    def is_between_molecules(self) -> Tensor:
        """(n_pairs,) bool: whether the atoms of each pair are in different molecules.

        Atoms of no molecule are one each. What is said of molecules counts; where nothing is, those of whole
        structures are what bonds hold together.

        Raises
        ------
        InputError
            If nothing is known of molecules.
        """
        if len(self.pair_i) == 0:  # as on a rank without atoms, which knows nothing
            return torch.zeros(0, dtype=torch.bool, device=self.pair_i.device)
        if self.tags is not None and self.tags.centre_molecules is not None:
            assert self.tags.neighbour_molecules is not None
            of_centres = self.tags.centre_molecules.index_select(0, self.pair_i)  # (n_pairs,)
            return (of_centres != self.tags.neighbour_molecules) | (of_centres == 0)
        if self.structures is None or self.pair_j is None:
            raise InputError(
                "the model has terms between molecules, but the molecules of the atoms are not known here: use an atom "
                "style with molecule IDs, such as full, and give each molecule its own"
            )
        molecules = molecules_by_bonds(self.centre_numbers, self.pair_i, self.pair_j, self.distances)  # (n_centres,)
        return molecules.index_select(0, self.pair_i) != molecules.index_select(0, self.pair_j)

    def within_molecules(self) -> Geometry:
        """The same with pairs between molecules out of reach, for what ends at a cutoff."""
        values = {f.name: getattr(self, f.name) for f in fields(Geometry)}
        vectors = within_molecules(self.pair_vectors, self.is_between_molecules)
        return Geometry(**values | {"pair_vectors": vectors})


def within_molecules(pair_vectors: Tensor, is_between: Tensor) -> Tensor:
    """Pair vectors (n_pairs, 3), Å, those between molecules (n_pairs,) replaced by one that is out of reach.

    What ends smoothly at a cutoff sees nothing of these pairs then, and its derivative by them is zero.
    """
    beyond = pair_vectors.new_tensor([OUT_OF_REACH, 0.0, 0.0])
    return torch.where(is_between[:, None], beyond, pair_vectors)


@dataclass(frozen=True)
class Batch:
    """One or more structures laid end to end, with their neighbour pairs and their labels.

    There are the labels that every structure has; names of structures may be empty.
    """

    positions: Tensor
    """(n_atoms, 3) float64, Å."""
    numbers: Tensor
    """(n_atoms,) int64: atomic numbers."""
    cells: Tensor
    """(n_structures, 3, 3) float64, Å: lattice vectors as rows; zero rows where not periodic."""
    periodic: Tensor
    """(n_structures, 3) bool: periodic directions."""
    structure_of_atom: Tensor
    """(n_atoms,) int64: structure that each atom belongs to, in ascending order."""
    pair_i: Tensor
    """(n_pairs,) int64: centre of each pair; sorted."""
    pair_j: Tensor
    """(n_pairs,) int64: neighbour of each pair."""
    pair_shifts: Tensor
    """(n_pairs, 3) int64: lattice translations of j, so that r_ij = r_j + shift @ cell - r_i."""
    total_charges: Tensor
    """(n_structures,) float64, e: total charge of each structure."""
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    """Name of a quantity (quantities.py) -> labels in its unit: (n_structures, ...), or (n_atoms, ...) if atoms have
    it, float64. Charges may be reference charges."""
    sources: tuple[str, ...] = ()
    """(n_structures): file and frame of each structure, for messages."""
    molecules: Tensor | None = None
    """(n_atoms,) int64: molecule of each atom as the frames name them, 0 for none; no two structures share one. None
    where they say nothing."""
    config_types: tuple[str, ...] = ()
    """(n_structures): kind of each structure, for error tables."""
    electric_fields: Tensor | None = None
    """(n_structures, 3) float64, V/Å: uniform field from outside; None where no structure is in one."""

    @property
    def energies(self) -> Tensor | None:
        """(n_structures,) float64, eV: label."""
        return self.labels.get("energy")

    @property
    def forces(self) -> Tensor | None:
        """(n_atoms, 3) float64, eV/Å: label."""
        return self.labels.get("forces")

    @property
    def virials(self) -> Tensor | None:
        """(n_structures, 3, 3) float64, eV: label, W = -dE/d(strain) = -V * stress."""
        return self.labels.get("virial")

    @property
    def charges(self) -> Tensor | None:
        """(n_atoms,) float64, e: label or reference charges."""
        return self.labels.get("charges")

    def with_labels(self, **labels: Tensor) -> Batch:
        """The same structures with these labels, beside their others."""
        return replace(self, labels={**self.labels, **labels})

    def without_labels(self, *names: str) -> Batch:
        """The same structures without these labels, or without any where no name is given."""
        kept = {name: label for name, label in self.labels.items() if names and name not in names}
        return replace(self, labels=kept)

    @property
    def n_atoms(self) -> int:
        """Number of atoms in all structures together."""
        return self.positions.shape[0]

    @property
    def n_structures(self) -> int:
        """Number of structures."""
        return self.cells.shape[0]

    @property
    def n_pairs(self) -> int:
        """Number of neighbour pairs (full list)."""
        return self.pair_i.shape[0]

    def atoms_per_structure(self) -> Tensor:
        """(n_structures,) int64: number of atoms of each structure."""
        return torch.bincount(self.structure_of_atom, minlength=self.n_structures)

    def pair_vectors(self, positions: Tensor | None = None, cells: Tensor | None = None) -> Tensor:
        """(n_pairs, 3) Å: r_j - r_i through the periodic image, differentiable in `positions` and `cells`."""
        positions = self.positions if positions is None else positions
        cells = self.cells if cells is None else cells
        pair_cells = cells[self.structure_of_atom[self.pair_i]]  # (n_pairs, 3, 3)
        shifts = self.pair_shifts.to(positions.dtype)  # (n_pairs, 3)
        translations = torch.einsum("px,pxy->py", shifts, pair_cells)  # (n_pairs, 3)
        return positions[self.pair_j] + translations - positions[self.pair_i]

    def geometry(self, pair_vectors: Tensor | None = None) -> Geometry:
        """The local view of all atoms; `pair_vectors` (n_pairs, 3) may carry gradients or another dtype."""
        of_neighbours = None if self.molecules is None else self.molecules.index_select(0, self.pair_j)  # (n_pairs,)
        tags = torch.arange(self.n_atoms, device=self.pair_j.device)  # (n_atoms,)
        communication = Serial(self.pair_j, self.structure_of_atom, self.total_charges)
        field = None
        if self.electric_fields is not None:
            field = UniformField(communication.to_centres(self.electric_fields), self.positions, communication.sum)
        return Geometry(
            centre_numbers=self.numbers,
            neighbour_numbers=self.numbers[self.pair_j],
            pair_i=self.pair_i,
            pair_vectors=self.pair_vectors() if pair_vectors is None else pair_vectors,
            tags=AtomTags(tags, self.pair_j, self.molecules, of_neighbours),
            pair_j=self.pair_j,
            neighbours=communication,
            structures=self,
            field=field,
        )

    def sum_over_structures(self, per_atom: Tensor) -> Tensor:
        """Sum (n_atoms, ...) over the atoms of each structure: (n_structures, ...)."""
        sums = per_atom.new_zeros((self.n_structures, *per_atom.shape[1:]))
        return sums.index_add(0, self.structure_of_atom, per_atom)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on `device`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {name: v.to(device) for name, v in values.items() if isinstance(v, Tensor)}
        return replace(self, **moved, labels={name: label.to(device) for name, label in self.labels.items()})


def with_total_charge(batch: Batch, total_charge: float) -> Batch:
    """The same structures with another total charge, in e, each."""
    return replace(batch, total_charges=torch.full_like(batch.total_charges, total_charge))


def in_electric_field(batch: Batch, field: Sequence[float]) -> Batch:
    """The same structures in a uniform field (3,), V/Å, each; in none where it is zero."""
    vector = batch.positions.new_tensor(list(field))  # (3,)
    return replace(batch, electric_fields=vector.expand(batch.n_structures, 3) if vector.any() else None)


def in_groups(batches: Iterable[Batch], most_atoms: int = 1000) -> Iterator[list[Batch]]:
    """Batches in their order, as many at a time as have a number of atoms together, or else one.

    For what takes small structures together and large ones alone.

    Parameters
    ----------
    batches : iterable of Batch
    most_atoms : int

    Yields
    ------
    list of Batch
        At least one.
    """
    group: list[Batch] = []
    for batch in batches:
        if group and sum(one.n_atoms for one in group) + batch.n_atoms > most_atoms:
            yield group
            group = []
        group.append(batch)
    if group:
        yield group


def join_batches(batches: Sequence[Batch]) -> Batch:
    """Lay several batches end to end.

    Parameters
    ----------
    batches : sequence of Batch
        At least one. A label, or names of structures, are kept only where every batch has them.

    Returns
    -------
    Batch
        Atoms, pairs and structures in the given order.

    Raises
    ------
    ValueError
        If there is nothing to join.
    """
    if not batches:
        raise ValueError("expected at least one batch to join, got none")
    atom_offsets, structure_offsets = [0], [0]
    for batch in batches[:-1]:
        atom_offsets.append(atom_offsets[-1] + batch.n_atoms)
        structure_offsets.append(structure_offsets[-1] + batch.n_structures)
    offsets = {"pair_i": atom_offsets, "pair_j": atom_offsets, "structure_of_atom": structure_offsets}

    common = [name for name in batches[0].labels if all(name in batch.labels for batch in batches)]
    joined: dict[str, Any] = {"labels": {name: torch.cat([batch.labels[name] for batch in batches]) for name in common}}
    for name in (f.name for f in fields(Batch) if f.name not in joined):
        values = [getattr(batch, name) for batch in batches]
        if name == "electric_fields" and any(value is not None for value in values):
            pairs = zip(batches, values, strict=True)
            values = [batch.positions.new_zeros(batch.n_structures, 3) if v is None else v for batch, v in pairs]
        if any(value is None or value == () for value in values):
            continue
        if name == "molecules":
            values = distinct_molecules(values)
        if isinstance(values[0], tuple):
            joined[name] = tuple(itertools.chain(*values))
            continue
        if name in offsets:
            values = [value + offset for value, offset in zip(values, offsets[name], strict=True)]
        joined[name] = torch.cat(values)
    return Batch(**joined)


def distinct_molecules(molecules: Sequence[Tensor]) -> list[Tensor]:
    """Molecules of the atoms of structures (n_atoms,) each, 0 for none, such that no two structures share one."""
    largest = [0, *itertools.accumulate(int(each.max()) for each in molecules[:-1])]
    return [torch.where(each > 0, each + offset, 0) for each, offset in zip(molecules, largest, strict=True)]
