"""The distance to the training set of a trained model: fitted to training atoms, brought to scale by validation atoms.

Its equation is in model/training_distance.py. Of each element, the inverse covariance of the hidden values of training
atoms; its size by the force errors of that element, since an atom of hydrogen may be far away and still have a small
error. Where there are no validation frames, training frames stand for them; without force labels all elements count
alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.training_distance import (
    LARGE_ERROR,
    DistanceDescription,
    TrainingDistance,
    own_squares,
    with_neighbours,
)
from mliap_hybrid.structure import Batch, in_groups, join_batches

RIDGE = 1e-5
"""Added to the variances, relative to the largest: directions without variance in the training do not count more."""

LEAST_SPREAD = 1e-3
"""Largest variance that an element is taken to have at least, relative to that of all atoms."""

NOISE = 1e-9
"""Squares of own distances that are rounding: usual ones are of the size of the number of hidden values."""

MOST_ATOMS = 100_000
"""Training atoms that are looked at; of more, frames are left out evenly."""

FALSE_ALARMS = 0.05
"""Share of the validation atoms with small errors that are beyond `caution`."""

REACH = 3.0
"""`outside` is so many times the distance that one in a thousand validation atoms is beyond.

Runs look at many atoms many times: twice that distance is met once in some picoseconds where nothing is new.
"""


@dataclass(frozen=True)
class HeldFrame:
    """A frame that brings distances to scale."""

    species: Tensor
    """(n_atoms,)."""
    squares: Tensor
    """(n_atoms,): own distances, squared."""
    parts: Tensor
    """(n_atoms, n_elements): what the own distances of each element give to the distances, squared."""
    errors: Tensor
    """(n_atoms,), eV/Å: length of the difference of the forces; NaN without a label."""


def fit_training_distance(
    model: HybridModel, training: Sequence[Batch], validation: Sequence[Batch]
) -> TrainingDistance | None:
    """Fit the distance of a model.

    Parameters
    ----------
    model : HybridModel
    training, validation : sequence of Batch
        One labelled structure each; validation may be empty.

    Returns
    -------
    TrainingDistance or None
        None for models without an energy network that has hidden layers, and where all atoms are alike.
    """
    first = next(iter(model.heads), None)
    if first is None or first.name != "energy" or not first.hidden:
        return None
    evaluator, n_elements = Evaluator(model), len(model.elements)
    stride = max(1, -(-sum(batch.n_atoms for batch in training) // MOST_ATOMS))
    seen = training[::stride]
    joined = map(join_batches, in_groups(seen))
    hidden = torch.cat([evaluator.hidden_values(batch.geometry()) for batch in joined])  # (n_atoms, n_hidden)
    species = torch.cat([model.species(batch.numbers) for batch in seen])  # (n_atoms,)
    least = LEAST_SPREAD * hidden.var(0, correction=0).max()
    of_elements = [_whitening_map(hidden[species == e], least) for e in range(n_elements)]
    maps, shifts = (torch.stack(parts) for parts in zip(*of_elements, strict=True))
    frames = [_held_frame(evaluator, batch, maps, shifts) for batch in validation or seen]
    if float(torch.cat([frame.squares for frame in frames]).median()) < NOISE:
        return None
    scales = _scales(frames, n_elements)  # (n_elements,)
    distances = torch.cat([(frame.parts @ scales**2).sqrt() for frame in frames])
    unit = distances.square().mean().sqrt()
    scales, errors = scales / unit, torch.cat([frame.errors for frame in frames])
    return TrainingDistance(
        scales[:, None, None] * maps, scales[:, None] * shifts, _description(distances / unit, errors)
    )


def _held_frame(evaluator: Evaluator, batch: Batch, maps: Tensor, shifts: Tensor) -> HeldFrame:
    """A frame with the own distances by the maps of its elements."""
    model, label = evaluator.model, batch.labels.get("forces")
    geometry, species = batch.geometry(), model.species(batch.numbers)
    errors = torch.full((batch.n_atoms,), torch.nan, dtype=torch.float64)
    if label is not None:
        errors = (evaluator.predict(batch).forces - label).norm(dim=1)
    squares = own_squares(evaluator.hidden_values(geometry), species, maps, shifts)
    of_elements = squares[:, None] * torch.nn.functional.one_hot(species, len(maps))  # (n_atoms, n_elements)
    return HeldFrame(species, squares, with_neighbours(of_elements, model.seen(geometry), model.cutoff), errors)


def _whitening_map(hidden: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """A (n_hidden, n_hidden) and b (n_hidden,) of an element, from hidden values (n_samples, n_hidden)."""
    mean = hidden.mean(0) if len(hidden) else hidden.new_zeros(hidden.shape[1])
    centred = hidden - mean
    variances, axes = torch.linalg.eigh(centred.T @ centred / max(1, len(hidden)))  # ascending
    ridge = (RIDGE * torch.maximum(variances[-1], least)).clamp(min=torch.finfo(torch.float32).tiny)
    matrix = axes.T / (variances.clamp(min=0.0) + ridge).sqrt()[:, None]
    return matrix, -matrix @ mean


def _scales(frames: Sequence[HeldFrame], n_elements: int) -> Tensor:
    """What brings own distances of each element to the size of its force errors (n_elements,)."""
    species, squares, errors = (
        torch.cat([getattr(frame, name) for frame in frames]) for name in ("species", "squares", "errors")
    )
    is_labelled = ~errors.isnan()
    of_all = errors[is_labelled].square().mean() if is_labelled.any() else errors.new_tensor(1.0)
    scales = torch.ones(n_elements, dtype=torch.float64)
    for e in range(n_elements):
        is_of = species == e if (species == e).any() else torch.ones_like(is_labelled)
        of_element = errors[is_of & is_labelled]
        error, size = of_element.square().mean() if len(of_element) else of_all, squares[is_of].mean()
        if size > 0.0 and error > 0.0:
            scales[e] = (error / size).sqrt()
    return scales


def _description(distances: Tensor, errors: Tensor) -> DistanceDescription:
    """The numbers beside the tensors, from distances and force errors of held atoms (n_atoms,)."""
    labelled = errors[~errors.isnan()]
    rms = float(labelled.square().mean().sqrt()) if len(labelled) else 0.0
    is_small = ~(errors > LARGE_ERROR * rms) if rms > 0.0 else torch.ones_like(errors, dtype=torch.bool)
    return DistanceDescription(
        outside=REACH * float(np.quantile(distances.numpy(), 0.999)),
        caution=float(np.quantile(distances[is_small].numpy(), 1.0 - FALSE_ALARMS)),
        force_error=rms or None,
        n_atoms=len(distances),
    )
