"""A run with any of the named sets: it trains, and its checkpoint holds the same model."""

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.sets import FEATURE_SETS, LEARNED_SETS
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference
from mliap_hybrid.testing.labelled import labelled_frames, small_settings

pytestmark = pytest.mark.usefixtures("undrawn_figures")


@pytest.mark.parametrize("name", [*FEATURE_SETS, *LEARNED_SETS, "acsf"])
def test_training_with_a_named_set(tmp_path, name):
    features = {"set": name, "max_order": 3 if name in LEARNED_SETS else 2, "widths": [0.6, 1.0], "cutoff": 4.5}
    settings = small_settings(tmp_path, features=features, optimisation={"epochs": 20})
    evaluations = train(settings, Display())
    assert evaluations["train"].forces.rmse < 0.8 * evaluations["train"].forces.label_rms
    model = load_model(settings.run)
    atoms = labelled_frames(1)[0]
    batch = frame_to_batch(atoms, model.cutoff)

    def energy(positions, cell):
        moved = atoms.copy()
        moved.positions = positions
        return float(predict(model, frame_to_batch(moved, model.cutoff)).energies[0])

    expected = forces_by_differences(energy, atoms.positions, atoms.cell.array)
    assert relative_difference(predict(model, batch).forces, torch.from_numpy(expected)) < 1e-5
