"""The loss: weighted mean squared errors of energies, forces and virials."""

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


def squared_errors(prediction: Prediction, frames: PreparedFrames) -> SquaredErrors:
    """Mean squared errors, energies and virials per atom."""
    n_atoms = frames.atoms_per_frame  # (n_frames,)
    energy = ((prediction.energies - frames.energies) / n_atoms).square().mean()
    forces = virial = None
    if frames.forces is not None:
        forces = (prediction.forces - frames.forces).square().mean()
    if frames.virials is not None:
        virial = ((prediction.virials - frames.virials) / n_atoms[:, None, None]).square().mean()
    return SquaredErrors(energy, forces, virial)


def total_loss(errors: SquaredErrors, weights: LossSettings) -> Tensor:
    """The weighted sum that is minimised."""
    loss = weights.energy * ENERGY_SCALE * errors.energy
    if errors.forces is not None:
        loss = loss + weights.forces * errors.forces
    if errors.virial is not None:
        loss = loss + weights.virial * VIRIAL_SCALE * errors.virial
    return loss


class RunningErrors:
    """Mean of the squared errors of several batches, each counted by its size."""

    def __init__(self) -> None:
        self._sums = {"energy": 0.0, "forces": 0.0, "virial": 0.0}
        self._sizes = {"energy": 0, "forces": 0, "virial": 0}

    def add(self, errors: SquaredErrors, frames: PreparedFrames) -> None:
        """Count the errors of one batch."""
        sizes = {"energy": frames.n_frames, "forces": len(frames.features), "virial": frames.n_frames}
        for name, size in sizes.items():
            value = getattr(errors, name)
            if value is not None:
                self._sums[name] += value.item() * size
                self._sizes[name] += size

    def mean(self) -> SquaredErrors:
        """The mean over all that was added."""
        energy, forces, virial = (
            torch.tensor(self._sums[name] / size) if size else None for name, size in self._sizes.items()
        )
        if energy is None:
            raise ValueError("expected at least one batch, got none")
        return SquaredErrors(energy, forces, virial)
