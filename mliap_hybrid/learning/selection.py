"""Which of many structures to label: those that are farthest from each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.evaluator import Evaluator

MOST_COMPARED = 400
"""Structures of which the rest is chosen; of more, the evenly spaced ones."""


def select(frames: Sequence[Atoms], distances: np.ndarray, n_selected: int, evaluator: Evaluator) -> list[int]:
    """Farthest-point selection, the first one being that with the largest distance to the training set.

    Parameters
    ----------
    frames : sequence of Atoms
    distances : array, shape (n_frames,)
        To the training set.
    n_selected : int
        Most that are wanted.
    evaluator : Evaluator
        Of a model that knows distances.

    Returns
    -------
    list of int
        Places in `frames`, ascending.
    """
    considered = np.unique(np.linspace(0, len(frames) - 1, min(len(frames), MOST_COMPARED)).round().astype(int))
    places = torch.stack([place_of(frames[k], evaluator) for k in considered]).numpy()  # (n_considered, n_values)
    chosen = [int(np.argmax(distances[considered]))]
    nearest = np.linalg.norm(places - places[chosen[0]], axis=1)
    while len(chosen) < min(n_selected, len(considered)) and nearest.max() > 0.0:
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return sorted(int(considered[k]) for k in chosen)


def place_of(frame: Atoms, evaluator: Evaluator) -> torch.Tensor:
    """Where a structure lies in the space of the distance: mean over the atoms of each element (n_values,)."""
    model = evaluator.model
    assert model.distance is not None
    batch = frame_to_batch(frame, model.cutoff)
    geometry = batch.geometry()
    hidden, species = evaluator.hidden_values(geometry), model.species(batch.numbers)
    means = []
    for e in range(len(model.elements)):
        of_element = hidden[species == e] @ model.distance.map[e].T  # (n_of_element, n_hidden)
        means.append(of_element.mean(0) if len(of_element) else hidden.new_zeros(hidden.shape[1]))
    return torch.cat(means)
