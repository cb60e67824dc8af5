"""Errors of a model on labelled structures, from the full model in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

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
    pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {"energy": [], "forces": [], "virial": []}
    evaluator = Evaluator(model)
    for batch in batches:
        prediction = evaluator.predict(batch)
        baseline = model.baseline[batch.numbers].sum()
        for name, label, value in (
            ("energy", batch.energies, prediction.energies),
            ("forces", batch.forces, prediction.forces),
            ("virial", batch.virials, prediction.virials),
        ):
            if label is not None:
                shift, scale = (baseline, batch.n_atoms) if name == "energy" else (0.0, 1)
                scale = batch.n_atoms if name == "virial" else scale
                pairs[name].append((((label - shift) / scale).numpy(), ((value - shift) / scale).numpy()))
    parities = {name: _parity(values) for name, values in pairs.items()}
    energy = parities["energy"]
    if energy is None:
        raise ValueError("expected structures with energies, got none")
    return Evaluation(len(pairs["energy"]), energy, parities["forces"], parities["virial"])


def _parity(pairs: list[tuple[np.ndarray, np.ndarray]]) -> Parity | None:
    if not pairs:
        return None
    labels, predictions = (np.concatenate([array.ravel() for array in arrays]) for arrays in zip(*pairs, strict=True))
    return Parity(labels, predictions)
