"""Committees: the mean of models, on every path, and how far they are apart."""

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.member_models import committee_model, member_models
from mliap_hybrid.model.spread import committee_spread
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.models import charge_predicting_model, direct_force_model, sodium_chloride_model
from mliap_hybrid.testing.structures import rock_salt

MODELS = [sodium_chloride_model(seed=seed) for seed in (0, 1, 2)]

BATCH = join_batches([frame_to_batch(rock_salt(1, rattle=0.2, seed=seed), 4.5) for seed in (0, 1)])


def test_energies_and_forces_are_the_means_of_the_members():
    found = predict(committee_model(MODELS), BATCH)
    members = [predict(model, BATCH) for model in MODELS]
    for name in ("energies", "forces", "virials"):
        mean = torch.stack([getattr(member, name) for member in members]).mean(0)
        assert torch.allclose(getattr(found, name), mean, rtol=1e-12, atol=1e-12), name


@pytest.mark.parametrize("folded", [False, True])
def test_evaluator_and_automatic_differentiation_agree(folded):
    committee = committee_model(MODELS)
    evaluator = Evaluator(fold_whitening_into_networks(committee) if folded else committee)
    assert evaluator.backend.fuses_heads
    found, expected = evaluator.predict(BATCH), predict_by_definition(committee, BATCH)
    assert torch.allclose(found.energies, expected.energies, rtol=1e-12)
    assert torch.allclose(found.forces, expected.forces, atol=1e-11)
    evaluator.by_torch = True
    assert torch.allclose(evaluator.predict(BATCH).forces, expected.forces, atol=1e-11)


def test_description_and_back():
    committee = committee_model(MODELS)
    description, tensors = describe(committee)
    assert description.head("energy").n_members == 3
    assert "mean of 3 networks on" in description.titles()[1]
    assert torch.equal(predict(build(description, tensors), BATCH).forces, predict(committee, BATCH).forces)
    for member, model in zip(member_models(committee), MODELS, strict=True):
        assert torch.equal(predict(member, BATCH).energies, predict(model, BATCH).energies)


@pytest.mark.parametrize("native", [True, False])
def test_spread_is_that_of_the_members(native):
    evaluator = Evaluator(committee_model(MODELS))
    if not native:
        evaluator.by_torch = True
    found = committee_spread(evaluator, BATCH)
    members = [predict(model, BATCH) for model in MODELS]
    energies = torch.stack([member.energies for member in members])  # (3, 2)
    assert torch.allclose(found.energies, ((energies - energies.mean(0)) ** 2).mean(0).sqrt(), rtol=1e-10)
    forces = torch.stack([member.forces for member in members])  # (3, n_atoms, 3)
    vectors = forces - forces.mean(0)
    assert torch.allclose(found.forces, (vectors**2).sum(2).mean(0).sqrt(), rtol=1e-10)


def test_members_that_agree_have_no_spread():
    spread = committee_spread(Evaluator(committee_model(MODELS[:1] * 2)), BATCH)
    assert spread.energies.abs().max() < 1e-12
    assert spread.forces.abs().max() < 1e-12


def test_unlike_networks_are_refused():
    with pytest.raises(ValueError, match="all alike, got 2 of 2 kinds"):
        Head("energy", [AtomicNetwork(3, (4,), 2), AtomicNetwork(3, (5,), 2)])
    with pytest.raises(ValueError, match="got 0 of 0 kinds"):
        Head("energy", [])
    for make in (charge_predicting_model, direct_force_model):
        with pytest.raises(ValueError, match="without direct forces and predicted parameters"):
            committee_model([make(seed=seed) for seed in (0, 1)])


def test_a_single_network_is_no_committee():
    assert member_models(MODELS[0]) == [MODELS[0]]
    (head,) = committee_model(MODELS[:1]).heads
    inputs, species = torch.randn(5, MODELS[0].whitening.matrix.shape[1]).double(), torch.tensor([0, 1, 1, 0, 1])
    assert torch.equal(head(inputs, species), MODELS[0].heads["energy"].networks[0](inputs, species))
