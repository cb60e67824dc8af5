"""Molecules followed from one frame to the next, those of a file or of a run that goes on."""

from __future__ import annotations

import numpy as np

from mliap_hybrid.errors import InputError
from mliap_hybrid.reactions.analysis import Analysis
from mliap_hybrid.reactions.bonds import BondTracker
from mliap_hybrid.reactions.events import RateCounter, reactions_between
from mliap_hybrid.reactions.molecules import Molecules, molecules_of


class Follower:
    """What has been found up to the last frame."""

    def __init__(self, numbers: np.ndarray, persistence: float, ids: np.ndarray | None = None):
        """Begin before the first frame.

        Parameters
        ----------
        numbers : array, shape (n_atoms,)
            Atomic numbers, in the order of all frames.
        persistence : float, ps
            That a pair must have been together or apart before it counts.
        ids : array, shape (n_atoms,), optional
            Of the atoms.
        """
        self._numbers = numbers
        self._tracker = BondTracker(len(numbers), persistence)
        self._before: Molecules | None = None
        self._rates = RateCounter()
        self._found = Analysis(ids=None if ids is None else ids.tolist())

    @property
    def found(self) -> Analysis:
        """All of it, rates up to now."""
        self._found.rates = self._rates.rates()
        return self._found

    def add(self, step: int, time: float, volume: float, near: np.ndarray, is_close: np.ndarray) -> None:
        """Take the next frame.

        Parameters
        ----------
        step : int
        time : float, ps
        volume : float, Å^3
            Of the cell; zero where it has none.
        near, is_close : arrays, shapes (n_pairs, 2) and (n_pairs,)
            As of `BondTracker.advance`.

        Raises
        ------
        InputError
            If time goes back.
        """
        found = self._found
        if self._before is not None and time <= found.times[-1]:
            raise InputError(
                f"step {step} follows step {found.steps[-1]}: expected frames in the order of time, each once"
            )
        molecules = molecules_of(self._numbers, self._tracker.advance(near, is_close, time))
        if self._before is not None:
            reactions = reactions_between(self._before, molecules)
            found.events += [(time, reaction) for reaction in reactions]
            self._rates.add(reactions)
            self._rates.pass_time(found.counts[-1], time - found.times[-1], volume)
        found.steps.append(step)
        found.times.append(time)
        found.counts.append(molecules.counts())
        self._before = molecules
