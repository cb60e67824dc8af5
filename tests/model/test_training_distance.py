"""Distances to the training set: against plain numpy, symmetries, the fit, and files."""

import numpy as np
import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.distance_fit import RIDGE, fit_training_distance
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.member_models import committee_model, member_models
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.structure import Batch
from mliap_hybrid.testing.gdml_molecules import molecule_model
from mliap_hybrid.testing.known_distances import with_distance
from mliap_hybrid.testing.models import (
    charge_predicting_model,
    contracted_model,
    direct_force_model,
    sodium_chloride_model,
)
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt

MODELS = {
    "features": lambda: sodium_chloride_model(None),
    "contractions": contracted_model,
    "charges": lambda: charge_predicting_model(total_charge_input=True),
    "direct forces": lambda: direct_force_model(None),
}
ATOMS = random_structure(9, ["Na", "Cl"], TRICLINIC_CELL, seed=4)


def crystals(n, cutoff, errors=None):
    """Rock salt, with labels of forces that are off by so much for each element."""
    batches = []
    for seed in range(n):
        batch = frame_to_batch(rock_salt(1, rattle=0.2, seed=seed), cutoff)
        if errors is not None:
            model, sizes = errors
            away = torch.tensor([[sizes[z], 0.0, 0.0] for z in batch.numbers.tolist()]).double()
            batch = Batch(**{**vars(batch), "labels": {"forces": predict(model, batch).forces + away}})
        batches.append(batch)
    return batches


def own_distances(model, batches, of):
    """Mahalanobis distance of hidden values to those of the frames, element by element, squared."""
    evaluator = Evaluator(model, by_torch=True)

    def hidden(batch):
        return evaluator.hidden_values(batch.geometry()).numpy(), batch.numbers.numpy()

    known, numbers = (np.concatenate(parts) for parts in zip(*map(hidden, batches), strict=True))
    values, asked = hidden(of)
    squares = np.zeros(len(asked))
    for z in np.unique(asked):
        centred = known[numbers == z] - known[numbers == z].mean(0)
        covariance = centred.T @ centred / len(centred)
        covariance += RIDGE * np.linalg.eigvalsh(covariance).max() * np.eye(len(covariance))
        away = values[asked == z] - known[numbers == z].mean(0)
        squares[asked == z] = np.einsum("ni,ij,nj->n", away, np.linalg.inv(covariance), away)
    return squares


@pytest.mark.parametrize("name", MODELS)
def test_equals_the_plain_formula(name):
    """Own distances and shares of neighbours up to one factor, which makes the root mean square of the frames 1."""
    model = MODELS[name]()
    frames, batch = crystals(6, model.cutoff), frame_to_batch(ATOMS, model.cutoff)
    model.distance = fit_training_distance(model, frames, [])
    raw = {
        z: np.concatenate([own_distances(model, frames, f)[f.numbers.numpy() == z] for f in frames]) for z in (11, 17)
    }
    size = {z: values.mean() for z, values in raw.items()}

    def plain(of):
        squares = own_distances(model, frames, of) / np.array([size[z] for z in of.numbers.tolist()])
        total = squares.copy()
        for i, j, vector in zip(of.pair_i.tolist(), of.pair_j.tolist(), of.pair_vectors().numpy(), strict=True):
            total[i] += 0.2 * (1.0 - vector @ vector / model.cutoff**2) ** 3 * squares[j]
        return np.sqrt(total)

    unit = np.sqrt(np.mean(np.concatenate([plain(frame) for frame in frames]) ** 2))
    found = Evaluator(model).training_distances(batch.geometry()).numpy()
    np.testing.assert_allclose(found, plain(batch) / unit, rtol=1e-6)
    folded = fold_whitening_into_networks(model)
    np.testing.assert_allclose(Evaluator(folded).training_distances(batch.geometry()).numpy(), found, rtol=1e-7)


def test_turned_moved_and_renumbered_atoms_are_as_far():
    model = with_distance(sodium_chloride_model(None))
    evaluator, cutoff = Evaluator(model), model.cutoff

    def distances(atoms):
        return evaluator.training_distances(frame_to_batch(atoms, cutoff).geometry()).numpy()

    expected = distances(ATOMS)
    turned = ATOMS.copy()
    turned.rotate(37.0, (1.0, 2.0, -1.0), rotate_cell=True)
    turned.positions += 3.0
    order = np.random.default_rng(0).permutation(len(ATOMS))
    np.testing.assert_allclose(distances(turned), expected, rtol=1e-7)
    np.testing.assert_allclose(distances(ATOMS[order]), expected[order], rtol=1e-7)
    np.testing.assert_allclose(distances(ATOMS.repeat((2, 1, 1)))[: len(ATOMS)], expected, rtol=1e-7)


def test_scale_and_thresholds():
    """Validation atoms have a root mean square of 1; what is pushed together is far outside."""
    model = sodium_chloride_model(None)
    validation = crystals(30, model.cutoff)[20:]
    model.distance = fit_training_distance(model, crystals(20, model.cutoff), validation)
    evaluator, limits = Evaluator(model), model.distance.description
    found = torch.cat([evaluator.training_distances(batch.geometry()) for batch in validation])
    assert float(found.square().mean().sqrt()) == pytest.approx(1.0)
    assert float((found > limits.caution).double().mean()) == pytest.approx(0.05, abs=0.01)
    assert limits.outside == pytest.approx(2.0 * np.quantile(found.numpy(), 0.999))
    assert (limits.force_error, limits.n_atoms) == (None, len(found))
    pressed = rock_salt(1, rattle=0.2, seed=40)
    pressed.set_cell(pressed.cell * 0.8, scale_atoms=True)
    away = evaluator.training_distances(frame_to_batch(pressed, model.cutoff).geometry())
    assert float(away.min()) > limits.outside


def test_elements_count_by_their_force_errors():
    model = sodium_chloride_model(None)
    sizes = {11: 0.1, 17: 0.4}
    plain = fit_training_distance(model, crystals(12, model.cutoff), [])
    labelled = fit_training_distance(model, crystals(12, model.cutoff, (model, sizes)), [])
    ratios = (labelled.map.flatten(1).norm(dim=1) / plain.map.flatten(1).norm(dim=1)).numpy()
    assert ratios[1] / ratios[0] == pytest.approx(4.0, rel=1e-6)
    rms = np.sqrt((0.1**2 + 0.4**2) / 2)
    assert labelled.description.force_error == pytest.approx(rms)


@pytest.mark.parametrize("name", MODELS)
def test_description_and_back(name):
    model = with_distance(MODELS[name]())
    description, tensors = describe(model)
    again = build(description, tensors)
    geometry = frame_to_batch(ATOMS, model.cutoff).geometry()
    expected = Evaluator(model).training_distances(geometry)
    assert torch.equal(Evaluator(again).training_distances(geometry), expected)
    with pytest.raises(InputError, match=r"distance.map.*shape \(1, 8, 8\), expected \(2, 8, 8\)"):
        build(description, tensors | {"distance.map": tensors["distance.map"][:1]})
    with pytest.raises(InputError, match=r"'distance.shift' of the model is missing"):
        build(description, {key: value for key, value in tensors.items() if key != "distance.shift"})


def test_few_atoms_make_no_numbers_that_are_none():
    """One crystal without disorder has no distance; one atom of an element has no covariance, and others count."""
    model = sodium_chloride_model(None)
    perfect = frame_to_batch(rock_salt(1, rattle=0.0), model.cutoff)
    assert fit_training_distance(model, [perfect, perfect], []) is None
    lone = rock_salt(1, rattle=0.2)[[0, 1, 3, 5, 7]]
    lone.numbers[:] = [11, 17, 17, 17, 17]
    model.distance = fit_training_distance(model, [frame_to_batch(lone, model.cutoff)], [])
    found = Evaluator(model).training_distances(frame_to_batch(ATOMS, model.cutoff).geometry())
    assert bool(torch.isfinite(found).all())


def test_models_that_know_none():
    """Committees know that of their first member; models without networks have none, and say so."""
    first, second = (with_distance(sodium_chloride_model(None, seed=seed)) for seed in (0, 1))
    committee = committee_model([first, second])
    assert committee.distance is first.distance
    assert [member.distance for member in member_models(committee)] == [first.distance, None]
    molecules = molecule_model({1: 0.2, 7: -0.6})
    assert fit_training_distance(molecules, [], []) is None
    with pytest.raises(InputError, match="knows no distance to its training set"):
        Evaluator(sodium_chloride_model()).training_distances(frame_to_batch(ATOMS, 4.5).geometry())
