"""Errors of a model on labelled structures, from the full model in float64."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.quantities import QUANTITIES
from mliap_hybrid.report.force_angles import mean_force_angle
from mliap_hybrid.structure import Batch, in_groups, join_batches


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

    @property
    def angle(self) -> float:
        """Of vectors: mean angle between prediction and label, degrees, as `mean_force_angle` defines it."""
        return mean_force_angle(self.labels.reshape(-1, 3), self.predictions.reshape(-1, 3))


@dataclass(frozen=True)
class ComparedFrame:
    """One structure: what its labels say and what the model says, in the units of the errors."""

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
    distances: np.ndarray | None = None
    """(n_atoms,): to the training set; None where the model does not know it."""


@dataclass(frozen=True)
class Evaluation:
    """How far a model is from the labels of a set of frames."""

    n_frames: int
    parities: Mapping[str, Parity]
    """Quantity -> all its values, for each atom where the table of quantities says so, and without the baseline; those
    that some frame has a label of and the model gives."""
    frames: Sequence[ComparedFrame] = ()
    """Where the values come from."""

    @property
    def energy(self) -> Parity | None:
        """eV/atom, without the element energies E0."""
        return self.parities.get("energy")

    @property
    def forces(self) -> Parity | None:
        """eV/Å, components."""
        return self.parities.get("forces")


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
    frames = []
    for group in in_groups(batches):
        for batch, distances in zip(group, _distances(evaluator, group), strict=True):
            frames.append(_compared_frame(evaluator, batch, distances))
    return evaluation_of(frames)


def evaluation_of(frames: Sequence[ComparedFrame]) -> Evaluation:
    """The errors of some frames together; at least one."""
    if not frames:
        raise ValueError("expected at least one frame, got none")
    parities = {name: parity for name in QUANTITIES if (parity := parity_of(frames, name)) is not None}
    return Evaluation(len(frames), parities, frames)


def parity_of(frames: Sequence[ComparedFrame], name: str, number: int | None = None) -> Parity | None:
    """Values of a quantity of some frames, or of their atoms of one element; None where none has a label.

    Parameters
    ----------
    frames : sequence of ComparedFrame
    name : str
        Of the quantity.
    number : int, optional
        Atomic number, for quantities of atoms.
    """
    labels, predictions = [], []
    for frame in (frame for frame in frames if name in frame.labels):
        rows = slice(None) if number is None else frame.numbers == number
        labels.append(frame.labels[name][rows].ravel())
        predictions.append(frame.predictions[name][rows].ravel())
    return Parity(np.concatenate(labels), np.concatenate(predictions)) if any(map(len, labels)) else None


def _distances(evaluator: Evaluator, batches: Sequence[Batch]) -> Sequence[np.ndarray | None]:
    """To the training set, of the atoms of each structure."""
    if evaluator.model.distance is None:
        return [None] * len(batches)
    distances = evaluator.training_distances(join_batches(batches).geometry())
    return [of_one.numpy() for of_one in distances.split([batch.n_atoms for batch in batches])]


def _compared_frame(evaluator: Evaluator, batch: Batch, distances: np.ndarray | None) -> ComparedFrame:
    labels, predictions = {}, {}
    prediction = evaluator.predict(batch, batch.labels)
    baseline = sum(evaluator.model.table("baseline")[z] for z in batch.numbers.tolist())
    for name, quantity in QUANTITIES.items():
        label, value = batch.labels.get(name), prediction.values_of(quantity)
        if label is None or value is None:
            continue
        if quantity.has_baseline:
            label, value = label - baseline, value - baseline
        if quantity.per_atom:
            label, value = label / batch.n_atoms, value / batch.n_atoms
        labels[name], predictions[name] = label.numpy(), value.detach().numpy()
    return ComparedFrame(
        numbers=batch.numbers.numpy(),
        labels=labels,
        predictions=predictions,
        source=batch.sources[0] if batch.sources else "",
        config_type=batch.config_types[0] if batch.config_types else None,
        distances=distances,
    )
