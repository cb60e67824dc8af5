"""Training frames whose energies are distributed as those of all frames.

The energies are put into bins of the width of Freedman and Diaconis, 2 IQR n^(-1/3) for n frames to draw (Z.
Wahrscheinlichkeitstheorie verw. Gebiete 57, 453 (1981)); every bin that is not empty gives at least one frame, and as
many as its share.
"""

from __future__ import annotations

import numpy as np


def stratified_sample(
    energies: np.ndarray, n_frames: int, random: np.random.Generator, excluded: np.ndarray | None = None
) -> np.ndarray:
    """Draw frames.

    Parameters
    ----------
    energies : array, shape (n_all,)
    n_frames : int
        How many to draw; at most as many as are not excluded.
    random : numpy Generator
    excluded : array, shape (n_excluded,), int, optional
        Frames that must not be drawn.

    Returns
    -------
    array, shape (n_frames,), int64
        Ascending.
    """
    candidates = np.setdiff1d(np.arange(len(energies)), [] if excluded is None else excluded)
    if n_frames >= len(candidates):
        return candidates
    bins = _bins(energies[candidates], n_frames)  # (n_candidates,)
    _, bins, counts = np.unique(bins, return_inverse=True, return_counts=True)
    shares = counts * n_frames / counts.sum()  # (n_bins,)
    quotas = np.maximum(np.floor(shares), 1).astype(int)  # (n_bins,)
    while quotas.sum() < n_frames:
        quotas[np.argmax(np.where(quotas < counts, shares - quotas, -np.inf))] += 1
    while quotas.sum() > n_frames:
        quotas[np.argmax(np.where(quotas > 1, quotas - shares, -np.inf))] -= 1
    drawn = [random.choice(candidates[bins == b], quota, replace=False) for b, quota in enumerate(quotas)]
    return np.sort(np.concatenate(drawn))


def _bins(energies: np.ndarray, n_frames: int) -> np.ndarray:
    """Bin of each energy; at most half as many bins as frames to draw."""
    lower, quarter, three_quarters, upper = np.percentile(energies, [0, 25, 75, 100])
    width = 2.0 * (three_quarters - quarter) * n_frames ** (-1.0 / 3.0)
    n_bins = int(np.ceil((upper - lower) / width)) if width > 0 else 1
    n_bins = max(1, min(n_bins, n_frames // 2))
    return np.digitize(energies, np.linspace(lower, upper, n_bins, endpoint=False))
