"""Smeared charges and dipoles in each structure of a batch: crystals by wave vectors, molecules by the direct sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.multipoles import AtomicFields, Multipoles, energies_of, forces_on
from mliap_hybrid.physics.multipoles_isolated import IsolatedMultipoles
from mliap_hybrid.physics.multipoles_lattice import LatticeMultipoles


@dataclass(frozen=True)
class MultipoleResult:
    """Energy of smeared charges and dipoles, and all its first derivatives."""

    energies: Tensor
    """(n_atoms,) eV: 1/2 (q phi - mu.E)."""
    potentials: Tensor
    """(n_atoms,) V: dU/dq_i."""
    fields: Tensor
    """(n_atoms, 3) V/Å: -dU/dmu_i."""
    forces: Tensor
    """(n_atoms, 3) eV/Å: -dU/dr_i at fixed charges and dipoles."""
    virials: Tensor
    """(n_structures, 3, 3) eV: -dU/d(strain) at fixed charges and dipoles; not symmetric (`Multipoles.virials`)."""


class BatchMultipoles:
    """The atoms of structures laid end to end: `Multipoles`."""

    def __init__(self, positions: Tensor, cells: Tensor, periodic: Tensor, counts: Tensor, smearing: float):
        """Take the places.

        Parameters
        ----------
        positions : Tensor, shape (n_atoms, 3), Å
        cells : Tensor, shape (n_structures, 3, 3), Å
        periodic : Tensor of bool, shape (n_structures, 3)
        counts : Tensor of int64, shape (n_structures,)
            Number of atoms of each structure.
        smearing : float, Å

        Raises
        ------
        InputError
            If a structure is periodic in one or two directions.
        """
        self._n_structures = len(counts)
        n_periodic = periodic.sum(1)  # (n_structures,)
        for n in n_periodic.tolist():
            if n not in (0, 3):
                raise InputError(f"fields and dipoles expect structures periodic in 3 or 0 directions, found {n}")
        atoms = torch.arange(len(positions), device=positions.device).split(counts.tolist())
        self._parts: list[tuple[Tensor, Tensor, Multipoles]] = []  # structures, atoms, and their sum
        alone = (n_periodic == 0).nonzero()[:, 0]  # (n_isolated,)
        if len(alone):
            own = torch.cat([atoms[b] for b in alone.tolist()])
            self._parts.append((alone, own, IsolatedMultipoles(positions[own], counts[alone], smearing)))
        for b in (n_periodic == 3).nonzero()[:, 0]:
            own = atoms[int(b)]
            self._parts.append((b[None], own, LatticeMultipoles(positions[own], cells[b], smearing)))

    def potentials_and_fields(self, charges: Tensor, dipoles: Tensor) -> tuple[Tensor, Tensor]:
        """As in `Multipoles`."""
        parts = [part.potentials_and_fields(charges[own], dipoles[own]) for _, own, part in self._parts]
        potentials, fields = zip(*parts, strict=True)
        return self._together(potentials), self._together(fields)

    def atomic_fields(self, charges: Tensor, dipoles: Tensor) -> AtomicFields:
        """As in `Multipoles`."""
        parts = [part.atomic_fields(charges[own], dipoles[own]) for _, own, part in self._parts]
        values: list[Callable[[AtomicFields], Tensor]] = [
            lambda part: part.potentials,
            lambda part: part.fields,
            lambda part: part.gradients,
        ]
        return AtomicFields(*(self._together([value(part) for part in parts]) for value in values))

    def virials(self, charges: Tensor, dipoles: Tensor, forces: Tensor) -> Tensor:
        """As in `Multipoles`."""
        parts = [part.virials(charges[own], dipoles[own], forces[own]) for _, own, part in self._parts]
        structures = torch.cat([structures for structures, _, _ in self._parts])
        virials = torch.cat(parts)
        return torch.zeros_like(virials).index_copy(0, structures, virials)

    def result(self, charges: Tensor, dipoles: Tensor) -> MultipoleResult:
        """Energy and derivatives of charges (n_atoms,), e, and dipoles (n_atoms, 3), e Å."""
        at_atoms = self.atomic_fields(charges, dipoles)
        forces = forces_on(charges, dipoles, at_atoms)
        return MultipoleResult(
            energies=energies_of(charges, dipoles, at_atoms),
            potentials=at_atoms.potentials,
            fields=at_atoms.fields,
            forces=forces,
            virials=self.virials(charges, dipoles, forces),
        )

    def _together(self, parts: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
        """Values of the parts' atoms (n, ...) -> those of all (n_atoms, ...), in their order."""
        values, own = torch.cat(list(parts)), torch.cat([own for _, own, _ in self._parts])
        return torch.zeros_like(values).index_copy(0, own, values)
