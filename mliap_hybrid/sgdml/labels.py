"""Do energies and forces belong together? Signs, scales, and the constant of integration.

A model of the forces gives energies up to a constant, E_c, the mean of E_label - E_model. Its energies then tell on the
labels: the straight line through E_label over E_model has slope +1. The slope is -1 where energies or forces have the
wrong sign, another number where their units differ, and there is no line where they belong to other geometries.
Which of the two has the wrong sign is seen from the bonds: a stretched bond pulls its atoms together.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from ase.data import covalent_radii
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.sgdml.molecules import BOND, Molecules

logger = logging.getLogger(__name__)

GOOD_CORRELATION, GOOD_SLOPE = 0.95, 0.1
"""Correlation, and difference of the slope from 1, beyond which the labels are suspicious."""

LEAST_CORRELATION, LARGEST_FACTOR = 0.6, 1.7
"""Correlation, and factor between slope and 1, beyond which the labels are refused."""


@dataclass(frozen=True)
class LabelFit:
    """How the energy labels lie over the model's energies."""

    constant: float
    """E_c in eV: mean of label - model."""
    slope: float
    """Of the straight line through label over model."""
    correlation: float
    """Of label and model."""


def fit_labels(predicted: Tensor, labels: Tensor) -> LabelFit:
    """Constant of integration, slope and correlation.

    Parameters
    ----------
    predicted, labels : Tensor, shape (n_frames,), eV

    Returns
    -------
    LabelFit
    """
    x, y = predicted - predicted.mean(), labels - labels.mean()  # (n_frames,) each
    tiny = torch.finfo(torch.float64).tiny
    slope = (x @ y) / (x @ x).clamp(min=tiny)
    correlation = (x @ y) / (x.norm() * y.norm()).clamp(min=tiny)
    return LabelFit(float((labels - predicted).mean()), float(slope), float(correlation))


def check_labels(fit: LabelFit, n_train: int) -> None:
    """Refuse energies and forces that cannot belong together; say where they hardly do.

    Raises
    ------
    InputError
        If the slope is negative or far from 1, or there is no correlation.
    """
    found = (
        f"the energies follow those of a model of the forces with slope {fit.slope:.2f} and correlation "
        f"{fit.correlation:.2f} ({n_train} frames), expected 1 and 1"
    )
    if fit.slope < 0:
        raise InputError(
            f"{found}: the energies have the wrong sign, or the forces do (forces are -dE/dr, not gradients). With few "
            "frames more of them may be what is missing"
        )
    if fit.correlation < LEAST_CORRELATION:
        raise InputError(
            f"{found}: energies and forces seem to belong to different geometries or methods, or the frames are too few"
        )
    if not 1.0 / LARGEST_FACTOR < fit.slope < LARGEST_FACTOR:
        raise InputError(
            f"{found}: energies, forces and positions seem to have units that do not fit together (data.units), or the "
            "frames are too few"
        )
    if fit.correlation < GOOD_CORRELATION or abs(fit.slope - 1.0) > GOOD_SLOPE:
        logger.warning("Suspicious labels, or too few frames: %s.", found)


def check_force_sign(molecules: Molecules) -> None:
    """Refuse gradients given as forces: the bonds of the molecule must resist being stretched.

    Raises
    ------
    InputError
        If, over the frames, longer bonds push their atoms further apart.
    """
    mean = bond_response(molecules)
    if mean > 0.3:
        raise InputError(
            "the forces seem to be gradients: stretched bonds push their atoms apart (correlation of length and "
            f"outward force {mean:+.2f}, expected about -0.8); multiply the forces by -1"
        )


def bond_response(molecules: Molecules) -> float:
    """Correlation of a bond's length with the force that stretches it, mean over bonds: about -0.8; 0 without bonds."""
    descriptor = InverseDistances(len(molecules.numbers), molecules.cell)
    vectors = descriptor.vectors(molecules.positions)  # (n_frames, n_pairs, 3)
    lengths = vectors.norm(dim=2)  # (n_frames, n_pairs)
    radii = torch.tensor(covalent_radii)[molecules.numbers]  # (n_atoms,)
    bonded = lengths[0] < BOND * (radii[descriptor.pair_i] + radii[descriptor.pair_j])  # (n_pairs,)
    pull = molecules.forces[:, descriptor.pair_j] - molecules.forces[:, descriptor.pair_i]  # (n_frames, n_pairs, 3)
    outward = (pull * vectors).sum(2) / lengths  # (n_frames, n_pairs)
    x, y = (values[:, bonded] - values[:, bonded].mean(0) for values in (lengths, outward))
    spread = x.norm(dim=0) * y.norm(dim=0)  # (n_bonds,)
    varies = spread > 0
    if not varies.any():
        return 0.0
    return float(((x * y).sum(0)[varies] / spread[varies]).mean())
