"""The loss: weighted mean squared errors of energies, forces and virials; large force errors may count linearly."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.prepared import PreparedFrames
from mliap_hybrid.models.derivatives import Prediction

ENERGY_SCALE = 1000.0
"""Brings (eV/atom)^2 to the size of (eV/Å)^2 at usual errors; part of the definition of `loss.energy`."""

VIRIAL_SCALE = 10.0
"""The same for `loss.virial`."""


@dataclass(frozen=True)
class SquaredErrors:
    """Mean squared errors over a set of frames; None where there is no label."""

    energy: Tensor
    """(eV/atom)^2."""
    forces: Tensor | None
    """(eV/Å)^2, over components."""
    virial: Tensor | None
    """(eV/atom)^2, over the nine components."""
    force_penalty: Tensor | None = None
    """(eV/Å)^2: what stands for `forces` in the loss."""


def squared_errors(
    prediction: Prediction, frames: PreparedFrames, force_transition: float | None = None
) -> SquaredErrors:
    """Mean squared errors, energies and virials per atom.

    Parameters
    ----------
    prediction : Prediction
    frames : PreparedFrames
        With the labels.
    force_transition : float, optional, eV/Å
        As in `LossSettings`.
    """
    n_atoms = frames.atoms_per_frame  # (n_frames,)
    energy = ((prediction.energies - frames.energies) / n_atoms).square().mean()
    forces = penalty = virial = None
    if frames.forces is not None:
        squares = (prediction.forces - frames.forces).square()  # (n_atoms, 3)
        forces = squares.mean()
        penalty = forces if force_transition is None else pseudo_huber(squares, force_transition).mean()
    if frames.virials is not None:
        virial = ((prediction.virials - frames.virials) / n_atoms[:, None, None]).square().mean()
    return SquaredErrors(energy, forces, virial, penalty)


def pseudo_huber(squares: Tensor, transition: float) -> Tensor:
    """2 c^2 (sqrt(1 + d^2 / c^2) - 1) of squared errors d^2: d^2 where d << c, 2 c |d| where d >> c."""
    # The same without the cancellation at small errors.
    return 2.0 * squares / (torch.sqrt(1.0 + squares / transition**2) + 1.0)


def total_loss(errors: SquaredErrors, weights: LossSettings) -> Tensor:
    """The weighted sum that is minimised."""
    loss = weights.energy * ENERGY_SCALE * errors.energy
    if errors.force_penalty is not None:
        loss = loss + weights.forces * errors.force_penalty
    if errors.virial is not None:
        loss = loss + weights.virial * VIRIAL_SCALE * errors.virial
    return loss


class RunningErrors:
    """Mean of the squared errors of several batches, each counted by its size."""

    def __init__(self) -> None:
        self._sums = {"energy": 0.0, "forces": 0.0, "virial": 0.0, "force_penalty": 0.0}
        self._sizes = dict.fromkeys(self._sums, 0)

    def add(self, errors: SquaredErrors, frames: PreparedFrames) -> None:
        """Count the errors of one batch."""
        n_frames, n_atoms = frames.n_frames, len(frames.features)
        sizes = {"energy": n_frames, "forces": n_atoms, "virial": n_frames, "force_penalty": n_atoms}
        for name, size in sizes.items():
            value = getattr(errors, name)
            if value is not None:
                self._sums[name] += value.item() * size
                self._sizes[name] += size

    def mean(self) -> SquaredErrors:
        """The mean over all that was added."""
        energy, forces, virial, force_penalty = (
            torch.tensor(self._sums[name] / size) if size else None for name, size in self._sizes.items()
        )
        if energy is None:
            raise ValueError("expected at least one batch, got none")
        return SquaredErrors(energy, forces, virial, force_penalty)
