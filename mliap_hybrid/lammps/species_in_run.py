"""Fix mliap/species, on the first rank: molecules and reactions of a run while it goes on.

They are followed as `mliap-hybrid species` follows those of a trajectory, and the files are the same.
"""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import atomic_numbers

from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.species_api import Moment, Species
from mliap_hybrid.reactions.analysis import COUNTS, EVENTS, RATES, write_counts, write_events, write_rates
from mliap_hybrid.reactions.bonds import BondCriteria, radii_of
from mliap_hybrid.reactions.follower import Follower
from mliap_hybrid.units import lammps_time_unit

SECONDS_BETWEEN_FILES = 60.0
"""How old the files of a run that goes on may be."""

NO_ELEMENT = "NULL"
"""Of types whose atoms are left out."""


class SpeciesInRun:
    """What one fix has found."""

    def __init__(self, description: Species, others: Collection[SpeciesInRun] = ()):
        """Begin before the first moment, and fill in the radii.

        Parameters
        ----------
        description : Species
        others : collection of SpeciesInRun
            Of other fixes.

        Raises
        ------
        InputError
            If elements, criteria or units are wrong, or the folder is another fix's or has files of an earlier run.
        """
        symbols = description.elements.decode().split()
        unknown = [symbol for symbol in symbols if symbol != NO_ELEMENT and atomic_numbers.get(symbol, 0) < 1]
        if unknown:
            raise InputError(
                f"fix mliap/species: {unknown[0]!r} is no element: expected one for each atom type, or NULL"
            )
        self._numbers = np.array([atomic_numbers.get(symbol, 0) for symbol in symbols])  # (n_types,)
        self._time_unit = lammps_time_unit(description.unit_style.decode())
        self._criteria = BondCriteria(
            description.form, description.break_apart, description.persistence * self._time_unit
        )
        self.folder = Path(os.fsdecode(description.folder))
        if any(other.folder.resolve() == self.folder.resolve() for other in others):
            raise InputError(f"fix mliap/species: another one writes to {self.folder}: name another folder")
        there = [name for name in (COUNTS, EVENTS, RATES) if (self.folder / name).exists()]
        if there and not description.overwrite:
            raise InputError(
                f"fix mliap/species: {self.folder / there[0]} exists: name another folder, or add `overwrite yes`"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._cannot_be_written(error) from error
        known = self._numbers > 0
        radii = np.full(len(symbols), -1.0)
        radii[known] = radii_of(self._numbers[known])
        np.ctypeslib.as_array(description.radii, radii.shape)[:] = radii
        self._tags = self._elements = np.empty(0, dtype=np.int32)
        self._follower: Follower | None = None
        self._begun = self._written = time.monotonic()

    def follow(self, moment: Moment) -> None:
        """Take the next moment.

        Parameters
        ----------
        moment : Moment
            Its counts are filled in.

        Raises
        ------
        InputError
            If other atoms are there than at first, or time goes back.
        """
        n_atoms, n_pairs = moment.natoms, moment.npairs
        tags, types = _array(moment.tags, n_atoms), _array(moment.types, n_atoms)
        order = np.argsort(tags)
        tags, numbers = tags[order], self._numbers[types[order] - 1]
        if self._follower is None:
            self._tags, self._elements = tags, numbers
            self._follower = Follower(numbers, self._criteria.persistence, tags)
        elif not (np.array_equal(tags, self._tags) and np.array_equal(numbers, self._elements)):
            raise InputError(
                f"fix mliap/species: step {moment.ntimestep} has {len(tags)} atoms of the group, the first one had "
                f"{len(self._tags)}, or other ones, or other elements: expected the same atoms throughout"
            )
        pairs = np.sort(np.searchsorted(tags, _array(moment.pairs, 2 * n_pairs).reshape(n_pairs, 2)), axis=1)
        once = pairs[:, 0] < pairs[:, 1]  # an atom may meet its own image
        is_close = _array(moment.is_close, n_pairs).astype(bool)
        self._follower.add(moment.ntimestep, moment.time * self._time_unit, moment.volume, pairs[once], is_close[once])
        found = self._follower.found
        moment.nmolecules, moment.nkinds = found.counts[-1].total(), len(found.counts[-1])
        moment.nreactions = len(found.events)
        # More often at the beginning: a run may end early, and by an error.
        age, now = self._written - self._begun, time.monotonic()
        if now - self._written > min(SECONDS_BETWEEN_FILES, age):
            self.write()

    def write(self) -> None:
        """Write what has been found up to now.

        Raises
        ------
        InputError
            If that cannot be.
        """
        if self._follower is None:
            return
        found = self._follower.found
        try:
            write_counts(found, self.folder / COUNTS)
            write_events(found, self.folder / EVENTS)
            write_rates(found, self.folder / RATES)
        except OSError as error:
            raise self._cannot_be_written(error) from error
        self._written = time.monotonic()

    def _cannot_be_written(self, error: OSError) -> InputError:
        return InputError(f"fix mliap/species: {self.folder} cannot be written ({error.strerror}): name another folder")


def _array(pointer: Any, n: int) -> np.ndarray:
    """A copy of n numbers."""
    return np.ctypeslib.as_array(pointer, (n,)).copy() if n else np.empty(0, dtype=np.int32)
