"""Angles between predicted and reference forces: whether atoms are pushed the right way, however hard."""

from __future__ import annotations

import numpy as np


def force_angles(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """Angle of each predicted force to its reference.

    Parameters
    ----------
    labels, predictions : array, shape (n_atoms, 3), eV/Å

    Returns
    -------
    array, shape (n_atoms,), degrees
        atan2(|F x F'|, F . F'), which is exact for small angles too; 90 where one of the two is zero, since no
        direction is as good as any.
    """
    across = np.linalg.norm(np.cross(labels, predictions), axis=1)  # (n_atoms,)
    along = np.einsum("ix,ix->i", labels, predictions)  # (n_atoms,)
    angles = np.degrees(np.arctan2(across, along))
    return np.where((across == 0) & (along == 0), 90.0, angles)


def mean_force_angle(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Mean of the angles, each atom with the length of its reference force as weight.

    The direction of a force that is nearly zero is noise; the weight spares a threshold for it.

    Parameters
    ----------
    labels, predictions : array, shape (n_atoms, 3), eV/Å

    Returns
    -------
    float, degrees
        sum_i |F_i| angle_i / sum_i |F_i|; NaN where all reference forces are zero.
    """
    lengths = np.linalg.norm(labels, axis=1)  # (n_atoms,)
    total = lengths.sum()
    return float(lengths @ force_angles(labels, predictions) / total) if total > 0 else float("nan")
