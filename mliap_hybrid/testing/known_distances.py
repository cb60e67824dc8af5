"""Models of the tests that know their distance to a training set, which is a few shaken crystals."""

from __future__ import annotations

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.distance_fit import fit_training_distance
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.testing.structures import rock_salt


def with_distance(model: HybridModel) -> HybridModel:
    """The same model of Na and Cl, which then knows the distance to rock salt."""
    frames = [frame_to_batch(rock_salt(1, rattle=0.25, seed=seed), model.cutoff) for seed in range(24)]
    model.distance = fit_training_distance(model, frames[:20], frames[20:])
    assert model.distance is not None
    return model
