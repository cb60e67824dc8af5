"""Direct forces: symmetries they must have, the conservation they lack, and when they are the conservative ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.acsf import default_symmetry_functions
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.direct_forces import DirectNetwork, ForceNetwork
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.closed_loop import loop_work
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference
from mliap_hybrid.testing.models import ION_CHARGES, charge_predicting_model, direct_force_model, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt


def crystal() -> Atoms:
    """Triclinic, some atoms near enough for the repulsion."""
    return random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=6, closest=2.0)


def with_head(model: HybridModel, network: AtomicNetwork | DirectNetwork) -> HybridModel:
    """The model with another network for the energy."""
    return HybridModel(
        model.features, model.all_terms, model.all_parameters, [Head("energy", [network])], model.whitening
    ).double()


def quadratic_networks(matrix: torch.Tensor) -> tuple[AtomicNetwork, ForceNetwork]:
    """The energy w . x + x . A x / 2 with an A for all elements, and its gradient as direct forces."""
    n = len(matrix)
    linear = torch.randn((2, n), generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    class Quadratic(AtomicNetwork):
        def forward(self, features, species):
            return (linear[species] * features).sum(1) + 0.5 * torch.einsum("if,fg,ig->i", features, matrix, features)

        def values_and_gradients(self, features, species):
            values = self(features := features.requires_grad_(), species)
            return values, torch.autograd.grad(values.sum(), features)[0]

    forces = ForceNetwork(n, (), 2).double()
    forces.layers[0].weight.data = matrix
    forces.layers[0].bias.data.zero_()
    forces.offset.data = linear
    return Quadratic(n, (), 2).double(), forces


@pytest.mark.parametrize("order", ["linear", "quadratic"])
@pytest.mark.parametrize("charges", [None, ION_CHARGES], ids=["short-range", "charged"])
def test_gradient_of_an_energy_gives_the_conservative_forces(order, charges):
    model, batch = sodium_chloride_model(charges), frame_to_batch(crystal(), 4.5)
    assert model.whitening is not None
    n = model.whitening.matrix.shape[1]
    matrix = torch.zeros((n, n), dtype=torch.float64)
    if order == "quadratic":
        random = torch.randn((n, n), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        matrix = 0.3 * (random + random.T)
    energy, gradient = quadratic_networks(matrix)
    models = with_head(model, DirectNetwork(energy, gradient)), with_head(model, energy)
    assert [of_kind.is_conservative for of_kind in models] == [False, True]
    direct, conservative = (predict(of_kind, batch) for of_kind in models)
    for name in ("energies", "forces", "virials"):
        torch.testing.assert_close(getattr(direct, name), getattr(conservative, name), rtol=1e-10, atol=1e-10)


def test_forces_turn_with_the_atoms_and_sum_to_zero():
    model, atoms = direct_force_model(), crystal()
    reference = predict(model, frame_to_batch(atoms, model.cutoff))
    assert reference.forces.abs().max() > 0.1
    assert reference.forces.sum(0).abs().max() < 1e-10

    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]  # a rotation with a reflection or without
    turned = Atoms(atoms.numbers, atoms.positions @ turn.T, cell=atoms.cell.array @ turn.T, pbc=True)
    found = predict(model, frame_to_batch(turned, model.cutoff))
    assert float(found.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-10)
    assert relative_difference(found.forces, reference.forces.numpy() @ turn.T) < 1e-9
    assert relative_difference(found.virials[0], turn @ reference.virials[0].numpy() @ turn.T) < 1e-9

    shifted = atoms.copy()
    shifted.positions += [0.3, -1.7, 9.1]
    assert relative_difference(predict(model, frame_to_batch(shifted, 4.5)).forces, reference.forces) < 1e-9

    order = np.random.default_rng(1).permutation(len(atoms))
    found = predict(model, frame_to_batch(atoms[order], model.cutoff))
    assert relative_difference(found.forces, reference.forces[torch.from_numpy(order)]) < 1e-9

    doubled = predict(model, frame_to_batch(atoms.repeat((1, 2, 1)), model.cutoff))
    assert relative_difference(doubled.forces, torch.cat([reference.forces] * 2)) < 1e-9
    assert relative_difference(doubled.virials[0], 2 * reference.virials[0]) < 1e-9


def test_fixed_terms_stay_conservative():
    """Without feature gradients, repulsion and charges are left, and their forces are differences of their energy."""
    model, atoms = direct_force_model(), crystal()
    (network,) = model.heads["energy"].networks
    for parameter in network.force_network.parameters():
        parameter.data.zero_()
    batch = frame_to_batch(atoms, model.cutoff)
    explicit = HybridModel(
        model.features,
        [term for term in model.all_terms if term.kind != "network"],
        [parameter for parameter in model.all_parameters if parameter.name != "energy"],
    )

    def energy(positions, cell):
        moved = frame_to_batch(Atoms(atoms.numbers, positions, cell=cell, pbc=True), model.cutoff)
        return float(predict(explicit, moved).energies[0])

    expected = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    assert relative_difference(predict(model, batch).forces, expected) < 1e-6


@pytest.mark.parametrize("structures", [[crystal()], [rock_salt(1), Atoms("Cl", positions=[[1, 2, 3]]), crystal()]])
@pytest.mark.parametrize("charges", [None, ION_CHARGES], ids=["short-range", "charged"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 3e-4)])
def test_kernels_give_what_the_definition_says(structures, charges, dtype, tolerance):
    model = direct_force_model(charges)
    batch = join_batches([frame_to_batch(atoms, model.cutoff) for atoms in structures])
    evaluator, expected = Evaluator(model, dtype), predict_by_definition(model, batch)
    assert evaluator.backend.fuses_heads
    found = [evaluator.predict(batch)]
    if dtype == torch.float64:
        evaluator.by_torch = True
        found += [evaluator.predict(batch), predict(model, batch)]
    for prediction in found:
        for name in ("energies", "forces", "virials"):
            a, b = getattr(prediction, name), getattr(expected, name)
            assert a.dtype == torch.float64
            assert not a.requires_grad
            assert (a - b).abs().max() < tolerance * max(1.0, float(b.abs().max())), name


def test_symmetry_functions_and_no_repulsion():
    features = default_symmetry_functions((11, 17), 4.5)
    network = AtomicNetwork(features.n_features, (4,), 2).double()
    force_network = ForceNetwork(features.n_features, (4,), 2).double()
    head = Head("energy", [DirectNetwork(network, force_network)])
    model = standard_model(features, dict.fromkeys((11, 17), -1.0), head).double()
    batch = frame_to_batch(crystal(), model.cutoff)
    found, expected = Evaluator(model).predict(batch), predict_by_definition(model, batch)
    torch.testing.assert_close(found.forces, expected.forces, rtol=0, atol=1e-11)
    assert expected.forces.abs().max() > 1e-6
    alone = predict(model, frame_to_batch(Atoms("Na", positions=[[0, 0, 0]]), model.cutoff))
    assert not alone.forces.any()


def test_work_round_a_loop_shows_what_is_not_conserved():
    """Zero for the conservative model; for the direct one it grows with the area, its force with the size."""
    atoms = random_structure(5, ["Na", "Cl"], None, seed=3, closest=2.0)
    random = np.random.default_rng(0)
    corners = [torch.from_numpy(random.normal(size=(5, 3))) for _ in range(3)]

    def force_of(model, size):
        def forces(positions):
            moved = Atoms(atoms.numbers, positions.numpy())
            return predict(model, frame_to_batch(moved, model.cutoff)).forces

        start = torch.from_numpy(atoms.positions)
        return loop_work(forces, [start + size * corner for corner in corners]).force

    assert force_of(sodium_chloride_model(None), 0.02) < 1e-8
    small, large = (force_of(direct_force_model(None), size) for size in (0.002, 0.004))
    assert small > 1e-5
    assert large / small == pytest.approx(2.0, rel=0.05)


def test_work_round_a_loop_in_a_field_with_a_known_curl():
    """F = (-y, x, 0) has curl 2 z: its work round a loop in the plane is twice the area."""

    def forces(positions):
        return torch.stack([-positions[:, 1], positions[:, 0], torch.zeros(len(positions))], dim=1)

    corners = [torch.tensor([[x, y, 0.0]]) for x, y in ((0.0, 0.0), (3.0, 0.0), (0.0, 4.0))]
    result = loop_work(forces, corners)
    assert result.work == pytest.approx(12.0)
    assert result.perimeter == pytest.approx(12.0)
    assert result.force == pytest.approx(1.0)


def test_plain_data_and_folding_make_the_same_model():
    model, batch = direct_force_model(), frame_to_batch(rock_salt(1), 4.5)
    expected = predict(model, batch)
    description, tensors = describe(model)
    again = build(type(description).model_validate_json(description.model_dump_json()), tensors)
    assert torch.equal(predict(again, batch).forces, expected.forces)
    assert not again.is_conservative
    for folded in (fold_whitening_into_networks(model), fold_whitening_into_networks(direct_force_model(hidden=()))):
        assert folded.whitening is None
        assert not folded.is_conservative
    found = predict(fold_whitening_into_networks(model), batch)
    torch.testing.assert_close(found.energies, expected.energies, rtol=0, atol=1e-9)
    assert relative_difference(found.forces, expected.forces) < 1e-9
    linear = direct_force_model(hidden=())
    assert (
        relative_difference(predict(fold_whitening_into_networks(linear), batch).forces, predict(linear, batch).forces)
        < 1e-9
    )


def test_forces_start_small():
    """A tenth of a layer as it is usually made, and nothing of the elements."""
    torch.manual_seed(0)
    network = ForceNetwork(50, (64, 64), 3)
    outputs = network(torch.randn(200, 50), torch.zeros(200, dtype=torch.int64))
    assert outputs.square().mean().sqrt() < 0.03
    assert not network.offset.any()


@pytest.mark.parametrize("on_kernels", [True, False])
def test_predicted_charges_beside_direct_forces(on_kernels):
    """Charges follow their surroundings as they do in a conservative model; a training file does not ask for both."""
    model, direct = charge_predicting_model(), direct_force_model()
    model.heads.heads["energy"] = direct.heads["energy"]
    batch = join_batches([frame_to_batch(atoms, model.cutoff) for atoms in (crystal(), rock_salt(1))])
    evaluator = Evaluator(model)
    if not on_kernels:
        evaluator.by_torch = True
    found, expected = evaluator.predict(batch), predict_by_definition(model, batch)
    for name in ("energies", "forces", "virials", "charges"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-11, atol=1e-11)
    description, tensors = describe(model)
    again = predict(build(description, tensors), batch)
    torch.testing.assert_close(again.forces, expected.forces, rtol=1e-11, atol=1e-11)
