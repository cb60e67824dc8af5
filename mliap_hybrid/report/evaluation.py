"""Errors of a model on labelled structures, from the full model in float64."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from mliap_hybrid.model.dipoles import dipole_moments
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.report.force_angles import mean_force_angle
from mliap_hybrid.structure import Batch

QUANTITIES = ("energy", "forces", "virial", "charges", "dipole", "born_charges")
"""What is compared: fields of `Evaluation`."""


@dataclass(frozen=True)
class Parity:
    """Labels beside predictions of one quantity, flat."""

    labels: np.ndarray
    """(n_values,)."""
    predictions: np.ndarray
    """(n_values,)."""

    @property
    def rmse(self) -> float:
        """Root mean squared error."""
        return float(np.sqrt(np.mean((self.predictions - self.labels) ** 2)))

    @property
    def mae(self) -> float:
        """Mean absolute error."""
        return float(np.mean(np.abs(self.predictions - self.labels)))

    @property
    def label_rms(self) -> float:
        """Root mean square of the labels."""
        return float(np.sqrt(np.mean(self.labels**2)))


@dataclass(frozen=True)
class ComparedFrame:
    """One structure: what its labels say and what the model says, in the units of `Evaluation`."""

    numbers: np.ndarray
    """(n_atoms,): atomic numbers."""
    labels: Mapping[str, np.ndarray]
    """Quantity -> label, where the structure has it; with atoms, if the quantity is of atoms, as the first axis."""
    predictions: Mapping[str, np.ndarray]
    """The same of the model."""
    source: str = ""
    """File and frame."""
    config_type: str | None = None
    """Kind of the structure; None where kinds were not asked for."""


@dataclass(frozen=True)
class Evaluation:
    """Parity of all quantities on a set of frames; None where no frame has the label."""

    n_frames: int
    energy: Parity | None
    """eV/atom, without the element energies E0."""
    forces: Parity | None
    """eV/Å, components."""
    virial: Parity | None
    """eV/atom, nine components."""
    charges: Parity | None = None
    """e."""
    dipole: Parity | None = None
    """e Å, components."""
    born_charges: Parity | None = None
    """e, nine components."""
    frames: Sequence[ComparedFrame] = ()
    """Where the values come from."""

    @property
    def force_angle(self) -> float | None:
        """Mean angle between predicted and reference forces, degrees, as `mean_force_angle` defines it."""
        if self.forces is None:
            return None
        return mean_force_angle(self.forces.labels.reshape(-1, 3), self.forces.predictions.reshape(-1, 3))


def evaluate(model: HybridModel, batches: Iterable[Batch]) -> Evaluation:
    """Compare a model with the labels of structures.

    Parameters
    ----------
    model : HybridModel
    batches : iterable of Batch
        One structure each, not empty; each is compared where it has labels.

    Returns
    -------
    Evaluation
    """
    evaluator = Evaluator(model)
    return evaluation_of([_compared_frame(evaluator, batch) for batch in batches])


def evaluation_of(frames: Sequence[ComparedFrame]) -> Evaluation:
    """The errors of some frames together; at least one."""
    if not frames:
        raise ValueError("expected at least one frame, got none")
    return Evaluation(len(frames), frames=frames, **{name: _parity(frames, name) for name in QUANTITIES})


def _compared_frame(evaluator: Evaluator, batch: Batch) -> ComparedFrame:
    labels, predictions = {}, {}
    for name, label, value in _compared(evaluator, batch):
        if label is not None and value is not None:
            labels[name], predictions[name] = label.numpy(), value.detach().numpy()
    return ComparedFrame(
        numbers=batch.numbers.numpy(),
        labels=labels,
        predictions=predictions,
        source=batch.sources[0] if batch.sources else "",
        config_type=batch.config_types[0] if batch.config_types else None,
    )


def _compared(evaluator: Evaluator, batch: Batch) -> Iterator[tuple[str, Tensor | None, Tensor | None]]:
    """Name, label and prediction of each quantity of a structure, in the units of `Evaluation`."""
    prediction, n_atoms = evaluator.predict(batch), batch.n_atoms
    baseline = sum(evaluator.model.table("baseline")[z] for z in batch.numbers.tolist())
    if batch.energies is not None:
        yield "energy", (batch.energies - baseline) / n_atoms, (prediction.energies - baseline) / n_atoms
    yield "forces", batch.forces, prediction.forces
    if batch.virials is not None:
        yield "virial", batch.virials / n_atoms, prediction.virials / n_atoms
    if prediction.charges is None:
        return
    yield "charges", batch.charges, prediction.charges
    moments = dipole_moments(prediction.charges, batch.positions, batch.structure_of_atom, batch.n_structures)
    yield "dipole", batch.dipoles, moments
    if batch.born_charges is not None and isinstance(evaluator.model.parameter("charge"), PredictedParameter):
        yield "born_charges", batch.born_charges, evaluator.born_charges(batch)


def _parity(frames: Sequence[ComparedFrame], name: str) -> Parity | None:
    labels = [frame.labels[name].ravel() for frame in frames if name in frame.labels]
    predictions = [frame.predictions[name].ravel() for frame in frames if name in frame.labels]
    return Parity(np.concatenate(labels), np.concatenate(predictions)) if labels else None
