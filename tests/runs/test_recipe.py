"""What a training file leaves open is chosen from the frames, what it says is left alone, and a run can go on."""

import logging

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from mliap_hybrid.config import parse_training_file, read_training_file
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.sets import LEARNED_SETS
from mliap_hybrid.fitting.checkpoint import load_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.runs.complete_settings import complete_settings
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.recipe import (
    EPOCHS,
    ORDER_OF_ONE_ELEMENT,
    STEPS,
    STEPS_OF_LEARNED_SETS,
    complete,
    typical_distance,
    typical_force,
)
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import small_settings, write_labelled_frames

pytestmark = pytest.mark.usefixtures("undrawn_figures")


def frames_of(atoms, n_frames, force=1.0, cutoff=6.0):
    """Displaced copies whose force components are normal with this root mean square."""
    random = np.random.default_rng(0)
    batches = []
    for _ in range(n_frames):
        moved = atoms.copy()
        moved.positions += random.normal(0.0, 0.02, moved.positions.shape)
        forces = torch.from_numpy(random.normal(0.0, force, moved.positions.shape))
        batches.append(frame_to_batch(moved, cutoff).with_labels(forces=forces))
    return batches


def settings_of(**sections):
    return parse_training_file({"data": {"files": ["none"]}} | sections, "test")


@pytest.mark.parametrize(
    ("n_frames", "batch_size", "epochs"), [(3, 1, 400), (10, 1, 350), (100, 4, 140), (950, 38, 140), (6400, 64, 70)]
)
def test_few_and_many_frames_get_their_steps(n_frames, batch_size, epochs):
    training = frames_of(molecule("H2O"), 1) * n_frames
    found = complete(settings_of(features={"set": "gmp-2c3"}), training).settings.optimisation
    assert (found.batch_size, found.epochs) == (batch_size, epochs)


def test_trained_networks_start_slowly(tmp_path):
    training = frames_of(molecule("H2O"), 5)
    assert complete(settings_of(init_from=tmp_path), training).settings.optimisation.learning_rate == 5e-4
    assert complete(settings_of(), training).settings.optimisation.learning_rate == 4e-3
    said = settings_of(init_from=tmp_path, optimisation={"learning_rate": 2e-3})
    assert complete(said, training).settings.optimisation.learning_rate == 2e-3


def test_many_frames_end():
    training = frames_of(molecule("H2O"), 1) * 200_000
    found = complete(settings_of(features={"set": "gmp-2c3"}), training).settings.optimisation
    assert (found.batch_size, found.epochs) == (64, 20)


def test_epochs_follow_a_batch_size_that_is_said():
    training = frames_of(molecule("H2O"), 1) * 100
    found = complete(settings_of(optimisation={"batch_size": 100}), training).settings.optimisation
    assert (found.batch_size, found.epochs) == (100, 400)


def test_force_transition_is_a_fraction_of_the_forces():
    training = frames_of(molecule("CH3CH2OH"), 50, force=2.0)
    assert typical_force(training) == pytest.approx(2.0, rel=0.1)
    training[0].forces[0] = 1e4  # one atom that is far off
    assert typical_force(training) == pytest.approx(2.0, rel=0.1)
    recipe = complete(settings_of(), training)
    assert recipe.settings.loss.force_transition == pytest.approx(0.1, rel=0.1)


def test_without_forces_there_is_nothing_to_go_by():
    batch = frame_to_batch(molecule("H2O"), 6.0)
    assert typical_force([batch]) is None
    assert complete(settings_of(), [batch]).settings.loss.force_transition is None


@pytest.mark.parametrize(
    ("atoms", "distance", "features"),
    [
        (molecule("CH3CH2OH"), 1.1, "learned"),
        (bulk("Si", cubic=True), 2.35, "gmp-2c3"),
        (bulk("NaCl", "rocksalt", a=5.64, cubic=True), 2.8, "learned"),
    ],
)
def test_widths_follow_the_distances(atoms, distance, features):
    training = frames_of(atoms, 5)
    assert typical_distance(training) == pytest.approx(distance, rel=0.05)
    found = complete(settings_of(), training).settings.features
    assert found.set == features
    assert found.widths[0] == pytest.approx(0.25 * distance, rel=0.06)
    assert found.widths[-1] == 2.0
    assert len(found.widths) == (6 if features == "learned" else 4)
    ratios = np.divide(found.widths[1:], found.widths[:-1])
    np.testing.assert_allclose(ratios, ratios.mean(), rtol=0.05)


@pytest.mark.parametrize(
    "said",
    [
        {"features": {"max_order": 2}},
        {"features": {"selection": "fps", "n_selected": 20}},
        {"features": {"widths": [0.5, 1.0]}},
        {"network": {"forces": "direct"}},
        {"optimisation": {"optimiser": "lm"}},
    ],
    ids=str,
)
def test_fixed_products_where_others_are_not_possible(said):
    assert complete(settings_of(**said), frames_of(molecule("H2O"), 5)).settings.features.set == "gmp-3c3w"


@pytest.mark.parametrize("name", LEARNED_SETS)
def test_a_learned_set_brings_its_sizes(name):
    """And nearly three times the steps, as far as the most epochs let it; what the file says of them stays."""
    named, training = LEARNED_SETS[name], frames_of(molecule("CH3CH2OH"), 100)
    found = complete(settings_of(features={"set": name}), training).settings
    assert len(found.features.widths) == named.n_widths
    assert (found.network.n_channels, found.network.body_order) == (named.n_channels, named.body_order)
    assert found.network.hidden == list(named.hidden)
    fixed = complete(settings_of(features={"set": "gmp-3c3w"}), training).settings
    assert found.optimisation.epochs == EPOCHS[1] == round(STEPS_OF_LEARNED_SETS / STEPS * fixed.optimisation.epochs)
    said = complete(settings_of(features={"set": name}, network={"n_channels": 5, "hidden": [7]}), training).settings
    assert (said.network.n_channels, said.network.hidden) == (5, [7])


@pytest.mark.parametrize(
    ("atoms", "said", "features", "highest"),
    [
        (bulk("Si", cubic=True), {}, "gmp-2c3", ORDER_OF_ONE_ELEMENT),
        (bulk("Si", cubic=True), {"set": "gmp-2c3"}, "gmp-2c3", 3),
        (bulk("Si", cubic=True), {"max_order": 3}, "gmp-2c3", 3),
        (bulk("Si", cubic=True), {"max_order": 1}, "gmp-2c", 1),
        (bulk("NaCl", "rocksalt", a=5.64, cubic=True), {}, "learned", 3),
    ],
    ids=["Si", "set said", "order said", "low order said", "two elements"],
)
def test_one_element_has_higher_orders(atoms, said, features, highest):
    """No others: learned sets and named ones have their own, and what the file says stays."""
    found = complete(settings_of(features=said), frames_of(atoms, 5)).settings.features
    assert (found.set, found.max_order) == (features, highest)


def test_widths_reach_as_far_as_the_cutoff_asks():
    found = complete(settings_of(features={"cutoff": 4.5}), frames_of(bulk("Si", cubic=True), 2, cutoff=4.5))
    assert found.settings.features.widths[-1] == 1.5


def test_atoms_without_neighbours_keep_the_usual_widths():
    single = [frame_to_batch(Atoms("Ar", cell=[40.0] * 3, pbc=True), 6.0)]
    assert complete(settings_of(), single).settings.features.widths == settings_of().features.widths


def test_what_the_file_says_stays():
    said = {
        "features": {"set": "gmp-2c", "widths": [0.3, 0.9]},
        "loss": {"force_transition": None},
        "optimisation": {"batch_size": 4, "epochs": 7},
    }
    settings = settings_of(**said)
    recipe = complete(settings, frames_of(molecule("H2O"), 30))
    assert recipe.settings == settings
    assert recipe.reasons == []


def test_levenberg_marquardt_has_a_decay_of_its_own():
    training = frames_of(molecule("H2O"), 30)
    assert complete(settings_of(optimisation={"optimiser": "lm"}), training).settings.optimisation.weight_decay == 1e-4
    said = settings_of(optimisation={"optimiser": "lm", "weight_decay": 0.5})
    assert complete(said, training).settings.optimisation.weight_decay == 0.5


def open_charges(folder):
    """Settings of ions that say nothing of charges."""
    write_labelled_frames(folder / "data.extxyz", 30)
    settings = small_settings(
        folder, features={"set": "gmp-classic"}, repulsion={"kind": "none"}, optimisation={"epochs": 2}
    )
    content = settings.model_dump(exclude_unset=True)
    del content["electrostatics"]["charges"]
    return parse_training_file(content, "test")


def test_ions_get_charges_and_a_run_goes_on_with_them(tmp_path, caplog):
    """The labels are a Coulomb energy of charges and short-ranged forces."""
    settings = open_charges(tmp_path)
    with caplog.at_level(logging.INFO, logger="mliap_hybrid"):
        train(settings, Display(), last_epoch=1)
    assert read_training_file(RunFolder(settings.run).config).electrostatics.charges == "fitted"
    assert "electrostatics.charges fitted (a short training with fitted charges has a validation loss -" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="mliap_hybrid"):
        evaluations = train(settings, Display(), resume=True)
    assert evaluations is not None
    assert "leaves open" not in caplog.text
    assert load_model(settings.run).table("charge")[11] > 0.0


def test_nothing_is_tried_for_molecules_and_one_element(tmp_path):
    for atoms in (molecule("H2O"), bulk("Si", cubic=True)):
        batches = frames_of(atoms, 4)
        assert complete_settings(settings_of(), batches[:3], batches[3:], Display()).electrostatics.charges == "none"
