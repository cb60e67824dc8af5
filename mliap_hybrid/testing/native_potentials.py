"""Whole models by the native kernels without LAMMPS: its lists are written from a structure."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.kernels.library import open_library
from mliap_hybrid.kernels.potential import NativePotential
from mliap_hybrid.kernels.structs import LocalAtoms, Sums
from mliap_hybrid.testing.rank_arrays import RankArrays

LIST_MASK = 0x1FFFFFFF
"""Bits of an entry of LAMMPS' lists that are the atom; those above tell of bonds."""


@dataclass
class Found:
    """What a rank gets, in eV and Å."""

    error: int
    energy: float
    energies: np.ndarray
    """(n_total,)."""
    forces: np.ndarray
    """(n_total, 3): ghosts have their own."""
    virial: np.ndarray
    """(6,)."""
    virials: np.ndarray
    """(n_total, 6)."""
    centroid_virials: np.ndarray
    """(n_total, 9)."""
    distances: np.ndarray
    """(n_centres,): squares of own distances to the training set; 0 where the model knows none."""


class Lists:
    """A rank's atoms with lists that hold all other atoms, near and far, and bits above the mask."""

    def __init__(self, arrays: RankArrays):
        n_total = len(arrays.owner)
        everyone = np.arange(n_total, dtype=np.int32)
        self._positions = np.ascontiguousarray(arrays.positions, dtype=np.float64)
        self._types = (arrays.elems + 1).astype(np.int32)  # type t is of element t - 1, as in LAMMPS without NULL
        self._element_of_type = np.arange(-1, arrays.elems.max(initial=0) + 1, dtype=np.int32)
        self._centres = arrays.iatoms[: arrays.nlistatoms].astype(np.int32)
        self._lists = [np.delete(everyone, i) | (1 << 30) for i in range(n_total)]
        self._lengths = np.full(n_total, n_total - 1, dtype=np.int32)
        self._addresses = np.array([_address(each) for each in self._lists], dtype=np.uintp)
        self.n_total, self.n_centres = n_total, len(self._centres)
        self.atoms = LocalAtoms(
            n_atoms=n_total,
            n_centres=self.n_centres,
            centres=_address(self._centres),
            n_neighbours=_address(self._lengths),
            neighbours=_address(self._addresses),
            neighbour_mask=LIST_MASK,
            types=_address(self._types),
            element_of_type=_address(self._element_of_type),
            positions=_address(self._positions),
        )

    def evaluate(self, potential: NativePotential, slopes: np.ndarray | None = None, n_threads: int = 1) -> Found:
        """All sums; slopes (n_centres,) are derivatives by what charge networks say."""
        n = self.n_total
        found = Found(0, 0.0, *(np.zeros(shape) for shape in (n, (n, 3), 6, (n, 6), (n, 9), self.n_centres)))
        sums = Sums(
            unit=1.0,
            energies=_address(found.energies),
            forces=_address(found.forces),
            virial=_address(found.virial),
            virials=_address(found.virials),
            centroid_virials=_address(found.centroid_virials),
            distances=_address(found.distances),
        )
        of_charges = None if slopes is None else _address(slopes)
        found.error = open_library().mliap_potential_evaluate(
            potential.handle, ctypes.byref(self.atoms), n_threads, of_charges, ctypes.byref(sums)
        )
        found.energy = sums.energy
        return found

    def member_forces(self, potential: NativePotential, n_members: int) -> np.ndarray:
        """Forces by each energy network alone (n_total, n_members, 3); ghosts have their own."""
        forces = np.zeros((self.n_total, n_members, 3))
        error = open_library().mliap_potential_members(potential.handle, ctypes.byref(self.atoms), 1, _address(forces))
        assert error == 0
        return forces

    def charges(self, potential: NativePotential, n_threads: int = 1) -> tuple[int, np.ndarray]:
        """An error code, and what the charge networks say (n_centres,)."""
        values = np.zeros(self.n_centres)
        error = open_library().mliap_potential_charges(
            potential.handle, ctypes.byref(self.atoms), n_threads, _address(values)
        )
        return error, values


def _address(array: np.ndarray) -> int:
    return array.ctypes.data
