"""Which atoms are bonded in the frames of a trajectory: by distance, with a memory in distance and in time.

A pair of atoms comes together where its distance r falls below R_i + R_j + a, and apart where it rises above
R_i + R_j + b, a < b; between the two it stays what it was, so that a vibration makes and breaks nothing. R are covalent
radii (Cordero et al., Dalton Trans. 2832 (2008), as ASE has them). A bond is made or broken when the pair has been
together or apart for the persistence, so that what comes back before is a recrossing and no reaction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

from mliap_hybrid.errors import InputError
from mliap_hybrid.neighbors import neighbor_pairs

UNKNOWN_RADIUS = 0.2
"""Å: what ASE has for elements whose radius it does not know."""


@dataclass(frozen=True)
class BondCriteria:
    """When atoms are bonded."""

    form: float = 0.25
    """a in Å: distances below R_i + R_j + a make a bond."""
    break_apart: float = 0.65
    """b in Å: distances above R_i + R_j + b break one. H2 stretches to 1.2 Å at 3500 K, the sum of the radii being
    0.62 Å."""
    persistence: float = 0.0
    """ps that a pair must have been together or apart before it counts."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises
        ------
        InputError
            If a bond would break before it is made, or a time is negative.
        """
        if not 0.0 <= self.form <= self.break_apart < 10.0:
            raise InputError(
                f"bonds form {self.form} and break {self.break_apart} Å beyond the sum of the radii: expected two "
                "lengths below 10 Å, the second not below the first"
            )
        if not self.persistence >= 0.0:
            raise InputError(f"the persistence of bonds is {self.persistence} ps: expected zero or more")


class BondTracker:
    """The bonds of one frame after another."""

    def __init__(self, numbers: np.ndarray, criteria: BondCriteria):
        """Begin before the first frame.

        Parameters
        ----------
        numbers : array, shape (n_atoms,)
            Atomic numbers, in the order of all frames.
        criteria : BondCriteria

        Raises
        ------
        InputError
            If the radius of an element is not known.
        """
        self._radii = covalent_radii[numbers]  # (n_atoms,) Å
        if (self._radii <= UNKNOWN_RADIUS).any():
            symbol = chemical_symbols[numbers[np.argmin(self._radii)]]
            raise InputError(f"the covalent radius of {symbol} is not known, so that its bonds cannot be told")
        self._numbers = np.asarray(numbers)
        self._criteria = criteria
        self._together = np.empty(0, dtype=np.int64)
        self._accepted: np.ndarray | None = None
        self._pending = np.empty(0, dtype=np.int64)
        self._since = np.empty(0)

    def advance(self, atoms: Atoms, time: float) -> np.ndarray:
        """Take the next frame.

        Parameters
        ----------
        atoms : Atoms
        time : float, ps
            Not before that of the frame before.

        Returns
        -------
        array, shape (n_bonds, 2)
            Atoms i < j that are bonded; at the first frame those that are together.

        Raises
        ------
        InputError
            If the atoms are not those of the frames before.
        """
        if not np.array_equal(atoms.numbers, self._numbers):
            raise InputError("the atoms of a frame are not those of the first: expected the same elements in each")
        near, close = self._pairs(atoms)
        self._together = np.union1d(close, np.intersect1d(self._together, near, assume_unique=True))
        if self._accepted is None:
            self._accepted = self._together
        else:
            self._accept(time)
        return np.stack(np.divmod(self._accepted, len(self._numbers)), axis=1)

    def _pairs(self, atoms: Atoms) -> tuple[np.ndarray, np.ndarray]:
        """Pairs that no bond would break for, and among them those that make one; each as n_atoms i + j, ascending."""
        largest = 2.0 * float(self._radii.max()) + self._criteria.break_apart
        listed = neighbor_pairs(atoms.positions, atoms.cell.array, atoms.pbc, largest)
        pair_i, pair_j, shifts = (each.numpy() for each in listed)
        vectors = atoms.positions[pair_j] + shifts @ atoms.cell.array - atoms.positions[pair_i]  # (n_pairs, 3)
        beyond = np.linalg.norm(vectors, axis=1) - self._radii[pair_i] - self._radii[pair_j]  # (n_pairs,)
        once = pair_i < pair_j
        near, close = (once & (beyond < limit) for limit in (self._criteria.break_apart, self._criteria.form))
        keys = len(self._numbers) * pair_i + pair_j  # (n_pairs,)
        return np.unique(keys[near]), np.unique(keys[close])

    def _accept(self, time: float) -> None:
        """Bonds follow the pairs that have been otherwise for long enough."""
        assert self._accepted is not None
        otherwise = np.setxor1d(self._accepted, self._together, assume_unique=True)
        since = np.full(len(otherwise), time)
        known = np.isin(otherwise, self._pending, assume_unique=True)
        since[known] = self._since[np.searchsorted(self._pending, otherwise[known])]
        # Times are sums of steps: half a millionth of a picosecond is less than any, and more than their rounding.
        long_enough = time - since >= self._criteria.persistence - 5e-7
        self._accepted = np.setxor1d(self._accepted, otherwise[long_enough], assume_unique=True)
        self._pending, self._since = otherwise[~long_enough], since[~long_enough]
