"""Which atoms are bonded as time goes on: by distance, with a memory in distance and in time.

A pair of atoms comes together where its distance r falls below R_i + R_j + a, and apart where it rises above
R_i + R_j + b, a < b; between the two it stays what it was, so that a vibration makes and breaks nothing. R are covalent
radii (Cordero et al., Dalton Trans. 2832 (2008), as ASE has them). A bond is made or broken when the pair has been
together or apart for the persistence, so that what comes back before is a recrossing and no reaction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.data import chemical_symbols, covalent_radii

from mliap_hybrid.errors import InputError

UNKNOWN_RADIUS = 0.2
"""Å: what ASE has for dummy atoms."""


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


def radii_of(numbers: np.ndarray) -> np.ndarray:
    """R of atomic numbers (n,), in Å.

    Raises
    ------
    InputError
        If one is not known.
    """
    radii: np.ndarray = covalent_radii[numbers]  # (n,)
    if (radii <= UNKNOWN_RADIUS).any():
        symbol = chemical_symbols[numbers[np.argmin(radii)]]
        raise InputError(f"the covalent radius of {symbol} is not known, so that its bonds cannot be told")
    return radii


class BondTracker:
    """The bonds of one frame after another."""

    def __init__(self, n_atoms: int, persistence: float):
        """Begin before the first frame.

        Parameters
        ----------
        n_atoms : int
        persistence : float, ps
        """
        self._n_atoms = n_atoms
        self._persistence = persistence
        self._together = np.empty(0, dtype=np.int64)
        self._accepted: np.ndarray | None = None
        self._pending = np.empty(0, dtype=np.int64)
        self._since = np.empty(0)

    def advance(self, near: np.ndarray, is_close: np.ndarray, time: float) -> np.ndarray:
        """Take the next frame.

        Parameters
        ----------
        near : array, shape (n_pairs, 2)
            Pairs of atoms i < j that no bond would break for; those that are met again through walls may repeat.
        is_close : array, shape (n_pairs,), bool
            Which of them make a bond.
        time : float, ps
            Not before that of the frame before.

        Returns
        -------
        array, shape (n_bonds, 2)
            Atoms i < j that are bonded; at the first frame those that are together.
        """
        keys = self._n_atoms * near[:, 0].astype(np.int64) + near[:, 1]  # (n_pairs,)
        near, close = np.unique(keys), np.unique(keys[is_close])
        self._together = np.union1d(close, np.intersect1d(self._together, near, assume_unique=True))
        if self._accepted is None:
            self._accepted = self._together
        else:
            self._accept(time)
        return np.stack(np.divmod(self._accepted, self._n_atoms), axis=1)

    def _accept(self, time: float) -> None:
        """Bonds follow the pairs that have been otherwise for long enough."""
        assert self._accepted is not None
        otherwise = np.setxor1d(self._accepted, self._together, assume_unique=True)
        since = np.full(len(otherwise), time)
        known = np.isin(otherwise, self._pending, assume_unique=True)
        since[known] = self._since[np.searchsorted(self._pending, otherwise[known])]
        # Times are sums of steps: half a millionth of a picosecond is less than any, and more than their rounding.
        long_enough = time - since >= self._persistence - 5e-7
        self._accepted = np.setxor1d(self._accepted, otherwise[long_enough], assume_unique=True)
        self._pending, self._since = otherwise[~long_enough], since[~long_enough]
