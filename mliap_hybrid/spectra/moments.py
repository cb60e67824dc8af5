"""Dipole moments over time, from a trajectory with charges or from moments that were written down in a run.

Places are continued through the boundaries of the cell: M = sum_i q_i r_i (+ dipoles of atoms) then changes as charges
move. Charge that atoms give each other across a boundary would jump by the cell: molecules are to be whole in the first
frame, or the run itself is to write the moment (`compute ... pair mliap`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mliap_hybrid.errors import InputError

UNEVEN = 1e-6
"""Relative difference of steps that are the same."""

LARGEST = 1e30
"""Of moments, times and volumes, and one over it the smallest interval: beyond are no atoms, and squares overflow."""


@dataclass(frozen=True)
class MomentSeries:
    """Dipole moments at equal steps of time."""

    moments: NDArray[np.float64]
    """(n_times, 3) e Å."""
    interval: float
    """ps between two of them."""
    volume: float
    """Å^3: mean of the cell's."""


@dataclass(frozen=True)
class ChargedFrame:
    """Atoms of one frame, in the same order in all frames."""

    time: float
    """ps."""
    cell: NDArray[np.float64]
    """(3, 3) Å: rows; zero rows where the frame is not periodic."""
    positions: NDArray[np.float64]
    """(n_atoms, 3) Å."""
    charges: NDArray[np.float64]
    """(n_atoms,) e."""
    dipoles: NDArray[np.float64] | None
    """(n_atoms, 3) e Å, of atoms beside their charges."""
    is_unwrapped: bool
    """Whether positions go on through boundaries."""


def moments_of_frames(frames: Iterator[ChargedFrame], volume: float | None = None) -> MomentSeries:
    """Moments of a trajectory.

    Parameters
    ----------
    frames : iterator of ChargedFrame
    volume : float, Å^3, optional
        In place of the cell's.

    Raises
    ------
    InputError
        If atoms change, numbers are not finite or no length of atoms, times are not evenly spaced, there are fewer than
        four, or there is no volume.
    """
    times, moments, volumes = [], [], []
    places = before = None
    for frame in frames:
        _check_numbers(frame)
        if before is not None and frame.positions.shape != before.shape:
            raise InputError(
                f"a frame has {len(frame.positions)} atoms, the one before {len(before)}: expected the same"
            )
        if places is None or before is None or frame.is_unwrapped:
            places = frame.positions.copy()
        else:
            places += _through_boundaries(frame.positions - before, frame.cell)
        before = frame.positions
        moment = frame.charges @ places
        moments.append(moment if frame.dipoles is None else moment + frame.dipoles.sum(0))
        times.append(frame.time)
        volumes.append(abs(float(np.linalg.det(frame.cell))))
    mean = float(np.mean(volumes)) if volume is None and volumes else volume
    return _series(np.array(times), np.array(moments), mean)


def moments_of_table(file: Path, time_step: float, volume: float | None) -> MomentSeries:
    """Moments that LAMMPS has written by `fix ave/time`, or any table of time steps and three components, e Å.

    Parameters
    ----------
    file : Path
    time_step : float, ps
        Of one step.
    volume : float, Å^3

    Raises
    ------
    InputError
        If there is no such file or it has other columns, or as above.
    """
    try:
        table = np.loadtxt(file, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as a table of moments ({error})") from None
    if table.shape[1] != 4 or not np.isfinite(table).all():
        raise InputError(
            f"{file} has {table.shape[1]} columns; expected four finite numbers a line: time step and moment, as `fix "
            "ave/time` writes them"
        )
    return _series(table[:, 0] * time_step, table[:, 1:], volume)


def _check_numbers(frame: ChargedFrame) -> None:
    """Refuse what would make a moment that is none, before it does."""
    numbers = {"times": np.array(frame.time), "cells": frame.cell, "positions": frame.positions}
    more = {"charges": frame.charges} | ({} if frame.dipoles is None else {"dipoles": frame.dipoles})
    for name, values in (numbers | more).items():
        _check_size(values, name)


def _check_size(values: NDArray[np.float64], name: str) -> None:
    wrong = values[~(np.abs(values) < LARGEST)]  # NaN, too
    if wrong.size:
        raise InputError(f"among the {name} is {wrong[0]:g}: expected finite numbers below {LARGEST:g}")


def _through_boundaries(steps: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shortest of all steps (n_atoms, 3) that end at the same place of the cell."""
    return steps - np.round(steps @ np.linalg.pinv(cell)) @ cell


def _series(times: NDArray[np.float64], moments: NDArray[np.float64], volume: float | None) -> MomentSeries:
    if len(times) < 4:
        raise InputError(f"there are {len(times)} frames; expected at least four")
    _check_size(times, "times")
    _check_size(moments, "moments")
    steps = np.diff(times)
    interval = float(steps.mean())
    if interval <= 1.0 / LARGEST or np.abs(steps - interval).max() > UNEVEN * interval + 1e-9:
        place = int(np.abs(steps - interval).argmax())
        raise InputError(
            f"the frames at {times[place]:.6g} and {times[place + 1]:.6g} ps are {steps[place]:.6g} ps apart, others "
            f"{np.median(steps):.6g} ps: expected frames in even steps of time"
        )
    if volume is None or not 0.0 < volume < LARGEST:
        raise InputError("the volume is not known: name it in Å^3 with --volume")
    return MomentSeries(moments, interval, float(volume))
