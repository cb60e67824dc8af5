"""The loss: weighted mean squared errors of energies, forces and virials, and of predicted charges and what they do.

Each is over the frames that have the label. Large errors of energies and forces may count linearly.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.label_masks import labelled_errors
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.model.dipoles import dipole_moments
from mliap_hybrid.prediction import Prediction

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
    """Mean squared errors over the frames of a set that have the label; None where none has."""

    energy: Tensor | None
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
    energy_penalty: Tensor | None = None
    """(eV/atom)^2: what stands for `energy` in the loss."""


def squared_errors(
    prediction: Prediction,
    frames: TrainingFrames,
    force_transition: float | None = None,
    energy_transition: float | None = None,
) -> SquaredErrors:
    """Mean squared errors, energies and virials per atom.

    Parameters
    ----------
    prediction : Prediction
    frames : TrainingFrames
        With the labels.
    force_transition : float, optional, eV/Å
        As in `LossSettings`.
    energy_transition : float, optional, eV/atom
        As in `LossSettings`.
    """
    n_atoms, atoms = frames.atoms_per_frame, frames.frame_of_atom
    per_atom = _per_atom(frames.energies, n_atoms)
    of_energies = labelled_errors(prediction.energies / n_atoms, per_atom, frames.has_energy)  # (n_labelled,)
    of_forces = labelled_errors(prediction.forces, frames.forces, frames.has_forces, atoms)  # (n_labelled, 3)
    per_atom = _per_atom(frames.virials, n_atoms)
    of_virials = labelled_errors(prediction.virials / n_atoms[:, None, None], per_atom, frames.has_virial)
    return SquaredErrors(
        energy=_mean_square(of_energies),
        forces=_mean_square(of_forces),
        virial=_mean_square(of_virials),
        force_penalty=_mean_square(of_forces, force_transition),
        energy_penalty=_mean_square(of_energies, energy_transition),
        **_charge_errors(prediction, frames),
    )


def _per_atom(label: Tensor | None, n_atoms: Tensor) -> Tensor | None:
    """A label of frames (n_frames, ...) divided by their numbers of atoms (n_frames,)."""
    return None if label is None else label / n_atoms.view(-1, *[1] * (label.ndim - 1))


def _mean_square(errors: Tensor | None, transition: float | None = None) -> Tensor | None:
    """Mean of the squares, or of the pseudo-Huber form; None where there is no error."""
    if errors is None:
        return None
    squares = errors.square()
    return (squares if transition is None else pseudo_huber(squares, transition)).mean()


def _charge_errors(prediction: Prediction, frames: TrainingFrames) -> dict[str, Tensor | None]:
    """Mean squared errors of predicted charges, dipole moments and Born charges, by name."""
    labels, charges = frames.predicted, prediction.charges
    if labels is None or charges is None:
        return {}
    atoms, of_dipoles, of_born_charges = frames.frame_of_atom, None, None
    of_charges = labelled_errors(charges, labels.charges, labels.has_charges, atoms)
    if labels.dipoles is not None:
        moments = dipole_moments(charges, labels.positions, atoms, frames.n_frames)  # (n_frames, 3)
        of_dipoles = labelled_errors(moments, labels.dipoles, labels.has_dipole)
    if prediction.born_charges is not None:
        born_charges, mask = labels.born_charges, labels.has_born_charges
        of_born_charges = labelled_errors(prediction.born_charges, born_charges, mask, atoms)
    errors = {"charges": of_charges, "dipole": of_dipoles, "born_charges": of_born_charges}
    return {name: _mean_square(value) for name, value in errors.items()}


def pseudo_huber(squares: Tensor, transition: float) -> Tensor:
    """2 c^2 (sqrt(1 + d^2 / c^2) - 1) of squared errors d^2: d^2 where d << c, 2 c |d| where d >> c."""
    # The same without the cancellation at small errors.
    return 2.0 * squares / (torch.sqrt(1.0 + squares / transition**2) + 1.0)


def total_loss(errors: SquaredErrors, weights: LossSettings) -> Tensor:
    """The weighted sum that is minimised; what has no label adds nothing."""
    loss = torch.zeros(())
    if errors.energy_penalty is not None:
        loss = loss + weights.energy * ENERGY_SCALE * errors.energy_penalty
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


def label_counts(frames: TrainingFrames) -> dict[str, int]:
    """How many frames, or atoms, each error of `SquaredErrors` is the mean over; 0 without labels."""
    charges, n_atoms = frames.predicted, len(frames.features)
    labels = {
        "energy": (frames.energies, frames.has_energy),
        "forces": (frames.forces, frames.has_forces),
        "virial": (frames.virials, frames.has_virial),
    }
    if charges is not None:
        labels |= {
            "charges": (charges.charges, charges.has_charges),
            "dipole": (charges.dipoles, charges.has_dipole),
            "born_charges": (charges.born_charges, charges.has_born_charges),
        }
    counts = dict.fromkeys((f.name for f in fields(SquaredErrors)), 0)
    for name, (label, mask) in labels.items():
        if label is not None:
            n_rows = frames.n_frames if name in OF_FRAMES else n_atoms
            rows = mask if mask is None or name in OF_FRAMES else mask[frames.frame_of_atom]  # (n_rows,)
            counts[name] = n_rows if rows is None else int(rows.sum())
    return counts | {"energy_penalty": counts["energy"], "force_penalty": counts["forces"]}


class RunningErrors:
    """Mean of the squared errors of several batches, each counted by how many frames or atoms have the label."""

    def __init__(self) -> None:
        self._sums = {f.name: 0.0 for f in fields(SquaredErrors)}
        self._sizes = dict.fromkeys(self._sums, 0)

    def add(self, errors: SquaredErrors, frames: TrainingFrames) -> None:
        """Count the errors of one batch."""
        for name, size in label_counts(frames).items():
            value = getattr(errors, name)
            if value is not None:
                self._sums[name] += value.item() * size
                self._sizes[name] += size

    def totals(self) -> Tensor:
        """All that `mean` depends on, float64: the totals of several processes may be added up."""
        return torch.tensor([*self._sums.values(), *self._sizes.values()], dtype=torch.float64)

    @classmethod
    def of_totals(cls, totals: Tensor) -> RunningErrors:
        """The errors that have these totals."""
        errors = cls()
        sums, sizes = totals.view(2, -1).tolist()
        errors._sums = dict(zip(errors._sums, sums, strict=True))
        errors._sizes = {name: int(size) for name, size in zip(errors._sizes, sizes, strict=True)}
        return errors

    def mean(self) -> SquaredErrors:
        """The mean over all that was added."""
        if not any(self._sizes.values()):
            raise ValueError("expected at least one batch with a label, got none")
        means = {name: self._sums[name] / size for name, size in self._sizes.items() if size}
        present = {name: torch.tensor(means[name]) if name in means else None for name in self._sizes}
        return SquaredErrors(**present)
