"""Learned contractions in models: invariance, derivatives, folding, files, and their start."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.model.contracted_network import ContractedNetwork
from mliap_hybrid.model.contraction import Contraction, ContractionShape, scaling_of_moments
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.member_models import committee_model
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.model_files.model_description import ModelDescription
from mliap_hybrid.model_files.model_file import read_model, restore_model
from mliap_hybrid.model_files.summary import summary
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference
from mliap_hybrid.testing.models import BASELINE, CHLORINE, SODIUM, contracted_model, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt

MODELS = {
    "bare": lambda: contracted_model(whitened=False),
    "whitened": contracted_model,
    "charges": lambda: contracted_model(predicts_charges=True),
    "total charge": lambda: contracted_model(predicts_charges=True, total_charge_input=True),
    "committee": lambda: committee_model([contracted_model(seed=seed) for seed in range(2)]),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]()


def some_batch():
    """A crystal, a cell of other shape, and a molecule."""
    cell = random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=1)
    molecule = random_structure(5, ["Na", "Cl", "Cl"], None, seed=2)
    return join_batches([frame_to_batch(atoms, 4.5) for atoms in (rock_salt(1, rattle=0.2), cell, molecule)])


def differences(one, other):
    """Of energies, forces, virials and charges, relative."""
    names = ("energies", "forces", "virials", "charges")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    return [relative_difference(a, b) for a, b in pairs if b is not None]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)], ids=str)
def test_kernels_give_what_torch_gives(model, dtype, tolerance):
    batch = some_batch()
    assert max(differences(Evaluator(model, dtype).predict(batch), predict(model, batch))) < tolerance


def test_forces_by_finite_differences(model):
    atoms = rock_salt(1, rattle=0.3)
    evaluator = Evaluator(model)

    def energy(positions, cell):
        moved = Atoms(atoms.numbers, positions, cell=cell, pbc=True)
        return float(evaluator.predict(frame_to_batch(moved, model.cutoff)).energies)

    expected = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=3e-5)
    found = evaluator.predict(frame_to_batch(atoms, model.cutoff)).forces
    assert relative_difference(found, torch.from_numpy(expected)) < 1e-6


def test_exported_function_is_invariant(model, tmp_path):
    """When structures turn, are reflected or their atoms change places: through the file, as runs have it."""
    path = tmp_path / "model.pt"
    export_model(model, path)
    evaluator = Evaluator(restore_model(*read_model(path), str(path)))
    random = np.random.default_rng(0)
    for seed in range(3):
        atoms = random_structure(9, ["Na", "Cl"], TRICLINIC_CELL, seed=seed)
        expected = evaluator.predict(frame_to_batch(atoms, model.cutoff))
        size = expected.energies.abs().max() + 1.0
        turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
        for matrix in (turn * np.linalg.det(turn), -turn):
            cell, order = atoms.cell.array @ matrix.T, random.permutation(len(atoms))
            turned = Atoms(atoms.numbers, atoms.positions @ matrix.T, cell=cell, pbc=True)[order]
            found = evaluator.predict(frame_to_batch(turned, model.cutoff))
            assert (found.energies - expected.energies).abs().max() < 1e-12 * size
            forces = expected.forces[torch.from_numpy(order)] @ torch.from_numpy(matrix).T
            assert relative_difference(found.forces, forces) < 1e-10


def test_folded_and_read_again(model):
    """Scaling and whitening folded, taken apart and put together: the same numbers."""
    batch = some_batch()
    expected = predict(model, batch)
    assert max(differences(predict(fold_whitening_into_networks(model), batch), expected)) < 1e-10
    again = build(*describe(model))
    assert max(differences(predict(again, batch), expected)) == 0.0
    assert max(differences(predict(build(*describe(fold_whitening_into_networks(model))), batch), expected)) < 1e-10


def test_descriptions_that_would_not_be_invariant_are_refused():
    """A network on bare moments, a contraction of features that are none, and a whitening that mixes moments."""
    description, tensors = describe(contracted_model())
    content = description.model_dump()
    content["heads"][0]["contraction"] = None
    with pytest.raises(ValueError, match="expected networks on contractions"):
        ModelDescription.model_validate(content)
    content = describe(sodium_chloride_model())[0].model_dump()
    content["heads"][0]["contraction"] = {"n_channels": 2, "body_order": 4, "whitened": False}
    with pytest.raises(ValueError, match="expected networks on contractions"):
        ModelDescription.model_validate(content)
    content = description.model_dump()
    content["heads"][0]["direct_hidden"] = [3]
    with pytest.raises(ValueError, match="no direct forces"):
        ModelDescription.model_validate(content)
    tensors["whitening.matrix"] = torch.ones_like(tensors["whitening.matrix"])
    with pytest.raises(InputError, match="mixes moments"):
        build(description, tensors)


def test_what_info_says():
    rows = summary(contracted_model())
    assert rows["contraction"].startswith("64 moments, 3 channels, 51 invariants")
    assert rows["network"].startswith("51-8-8-1")
    assert "learned contractions of moments" in rows["energy"]


def test_second_derivatives_on_a_path():
    """Of the energies of atoms, by differences."""
    network = contracted_model().heads["energy"].networks[0]
    random = torch.Generator().manual_seed(0)
    x, first, second = 0.3 * torch.randn(3, 6, 64, generator=random, dtype=torch.float64)
    species, step = torch.tensor([0, 1, 0, 1, 1, 0]), 1e-3

    def energies(t):
        return network(x + t * first + 0.5 * t * t * second, species)

    with torch.no_grad():
        by_differences = (energies(step) - 2.0 * energies(0.0) + energies(-step)) / step**2
    assert relative_difference(network.curvatures(x, species, first, second).detach(), by_differences) < 1e-5


class TestScaling:
    def test_moments_get_unit_spread_and_turn_as_before(self):
        features = NeighbourMoments((0.4, 0.8), 4.5, (SODIUM, CHLORINE))
        geometry = frame_to_batch(rock_salt(2, rattle=0.3), 4.5).geometry()
        moments = features(geometry)
        scaling = scaling_of_moments(moments, features.n_channels)
        scaled = scaling(moments).unflatten(1, (16, -1))
        assert scaling.diagonal is not None
        assert not scaling.mean[4:].any()
        assert scaled[:, 0].mean(0).abs().max() < 1e-10
        torch.testing.assert_close(scaled[:, 0].std(0, correction=0), torch.ones(4).double())
        for n in (1, 2, 3):
            of_order = scaled[:, n * n : (n + 1) ** 2]
            torch.testing.assert_close(of_order.square().mean((0, 1)), torch.ones(4).double())
            ratio = of_order / moments.unflatten(1, (16, -1))[:, n * n : (n + 1) ** 2]
            torch.testing.assert_close(ratio, ratio[:1, :1].expand_as(ratio))

    def test_what_never_varies_becomes_zero(self):
        moments = torch.randn(20, 16 * 2, dtype=torch.float64)
        moments[:, 1::2] = 0.0
        scaled = scaling_of_moments(moments, 2)(moments)
        assert scaled.isfinite().all()
        assert not scaled[:, 1::2].any()

    def test_another_map_cannot_be_folded(self):
        contraction = Contraction(32, ContractionShape(2, 3), 2)
        for matrix, mean in ((torch.ones(32, 32), torch.zeros(32)), (torch.eye(32), torch.ones(32))):
            with pytest.raises(ValueError, match="scaling of the moments"):
                contraction.with_folded_scaling(Whitening(mean, matrix))


class TestStart:
    def make(self):
        torch.manual_seed(0)
        contraction = Contraction(16 * 6, ContractionShape(4, 4), 2).double()
        moments = torch.randn(300, 16 * 6, dtype=torch.float64)
        contraction.initialise(moments, torch.arange(300) % 2, 3, 1e-3)
        return contraction, moments

    def test_a_channel_stands_for_one_width(self):
        """Of all elements; the same for all centres."""
        weights = self.make()[0].weights  # (2, 4, 4, 6)
        assert torch.equal(weights[0], weights[1])
        sizes = weights.abs().mean((0, 1)).view(4, 2, 3)  # (n_channels, elements, widths)
        for k in range(4):
            others = [s for s in range(3) if s != k % 3]
            assert sizes[k, :, k % 3].min() > 2.0 * sizes[k][:, others].max() or sizes[k, :, k % 3].max() > 0.3

    def test_invariants_are_whitened(self):
        contraction, moments = self.make()
        invariants = contraction(moments, torch.arange(300) % 2)
        assert invariants.mean(0).abs().max() < 1e-10
        covariance = invariants.T @ invariants / 300
        assert (covariance - torch.diag(covariance.diagonal())).abs().max() < 1e-8
        assert covariance.diagonal().max() <= 1.0

    def test_the_same_seed_gives_the_same(self):
        one, other = self.make()[0], self.make()[0]
        assert all(
            torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
        )


def test_weights_of_an_element_are_those_of_its_centres():
    """Others change nothing."""
    network = contracted_model().heads["energy"].networks[0]
    assert isinstance(network, ContractedNetwork)
    x = torch.randn(4, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    species = torch.tensor([0, 1, 0, 1])
    before = network(x, species).detach()
    with torch.no_grad():
        network.contraction.weights[0] *= 1.1
        network.contraction.own[0] += 0.1
    after = network(x, species).detach()
    assert torch.equal(before[1::2], after[1::2])
    assert not torch.isclose(before[::2], after[::2]).any()
    assert set(BASELINE) == {SODIUM, CHLORINE}
