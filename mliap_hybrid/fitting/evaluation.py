"""Errors of a model on labelled structures, from the full model in float64."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from mliap_hybrid.models.dipoles import dipole_moments
from mliap_hybrid.models.evaluator import Evaluator
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.structure import Batch


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
class Evaluation:
    """Parity of all quantities on a set of frames; None where there is no label."""

    n_frames: int
    energy: Parity
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


def evaluate(model: HybridModel, batches: Iterable[Batch]) -> Evaluation:
    """Compare a model with the labels of structures.

    Parameters
    ----------
    model : HybridModel
    batches : iterable of Batch
        One structure each, all with the same labels, the energy at least; not empty.

    Returns
    -------
    Evaluation
    """
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {f.name: [] for f in fields(Evaluation)[1:]}
    evaluator = Evaluator(model)
    for batch in batches:
        for name, label, value in _compared(evaluator, batch):
            if label is not None and value is not None:
                pairs[name].append((label.numpy(), value.detach().numpy()))
    parities = {name: _parity(values) for name, values in pairs.items()}
    energy = parities.pop("energy")
    if energy is None:
        raise ValueError("expected structures with energies, got none")
    return Evaluation(len(pairs["energy"]), energy, **parities)


def _compared(evaluator: Evaluator, batch: Batch) -> Iterator[tuple[str, Tensor | None, Tensor | None]]:
    """Name, label and prediction of each quantity of a structure, in the units of `Evaluation`."""
    prediction, n_atoms = evaluator.predict(batch), batch.n_atoms
    baseline = evaluator.model.baseline[batch.numbers].sum()
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
    if batch.born_charges is not None and evaluator.model.charge_model is not None:
        yield "born_charges", batch.born_charges, evaluator.born_charges(batch)


def _parity(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Parity | None:
    if not pairs:
        return None
    labels, predictions = (np.concatenate([array.ravel() for array in arrays]) for arrays in zip(*pairs, strict=True))
    return Parity(labels, predictions)
