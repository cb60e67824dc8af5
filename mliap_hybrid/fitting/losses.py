"""The loss: weighted mean squared errors of energies, forces and virials, and of predicted charges and what they do.

Large force errors may count linearly.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.prepared import PreparedFrames
from mliap_hybrid.models.derivatives import Prediction
from mliap_hybrid.models.dipoles import dipole_moments

ENERGY_SCALE = 1000.0
"""Brings (eV/atom)^2 to the size of (eV/Å)^2 at usual errors; part of the definition of `loss.energy`."""

VIRIAL_SCALE = 10.0
"""The same for `loss.virial`."""

CHARGE_SCALE = 100.0
"""Brings e^2 to the size of (eV/Å)^2 at usual errors; part of the definition of `loss.charges`."""

DIPOLE_SCALE = 10.0
"""The same for (e Å)^2 and `loss.dipole`."""


OF_FRAMES = ("energy", "virial", "dipole")
"""Errors of which each frame has one; of the others each atom has."""


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
    charges: Tensor | None = None
    """e^2."""
    dipole: Tensor | None = None
    """(e Å)^2, over components."""
    born_charges: Tensor | None = None
    """e^2, over the nine components."""


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
    return SquaredErrors(energy, forces, virial, penalty, **_charge_errors(prediction, frames))


def _charge_errors(prediction: Prediction, frames: PreparedFrames) -> dict[str, Tensor]:
    """Mean squared errors of predicted charges, dipole moments and Born charges, by name, where there are labels."""
    labels, charges = frames.predicted, prediction.charges
    if labels is None or charges is None:
        return {}
    errors = {}
    if labels.charges is not None:
        errors["charges"] = (charges - labels.charges).square().mean()
    if labels.dipoles is not None:
        moments = dipole_moments(charges, labels.positions, frames.frame_of_atom, frames.n_frames)  # (n_frames, 3)
        errors["dipole"] = (moments - labels.dipoles).square().mean()
    if labels.born_charges is not None and prediction.born_charges is not None:
        errors["born_charges"] = (prediction.born_charges - labels.born_charges).square().mean()
    return errors


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
    if errors.charges is not None:
        loss = loss + weights.charges * CHARGE_SCALE * errors.charges
    if errors.dipole is not None:
        loss = loss + weights.dipole * DIPOLE_SCALE * errors.dipole
    if errors.born_charges is not None:
        loss = loss + weights.born_charges * errors.born_charges
    return loss


class RunningErrors:
    """Mean of the squared errors of several batches, each counted by its size."""

    def __init__(self) -> None:
        self._sums = {f.name: 0.0 for f in fields(SquaredErrors)}
        self._sizes = dict.fromkeys(self._sums, 0)

    def add(self, errors: SquaredErrors, frames: PreparedFrames) -> None:
        """Count the errors of one batch."""
        for name in self._sums:
            size = frames.n_frames if name in OF_FRAMES else len(frames.features)
            value = getattr(errors, name)
            if value is not None:
                self._sums[name] += value.item() * size
                self._sizes[name] += size

    def mean(self) -> SquaredErrors:
        """The mean over all that was added."""
        if not self._sizes["energy"]:
            raise ValueError("expected at least one batch, got none")
        means = {name: self._sums[name] / size for name, size in self._sizes.items() if size}
        present = {name: torch.tensor(means[name]) if name in means else None for name in self._sizes}
        return SquaredErrors(**present)  # type: ignore[arg-type]  # the energy is there
