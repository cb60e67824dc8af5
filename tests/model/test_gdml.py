"""GDML models: derivatives by differences, invariances, and the kernel by automatic differentiation."""

import math

import numpy as np
import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.kernel import KernelExpansion
from mliap_hybrid.testing.finite_differences import (
    forces_by_differences,
    relative_difference,
    virial_by_differences,
)
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, ammonia

CELL = torch.tensor([[2.4, 0.0, 0.0], [0.3, 2.5, 0.0], [-0.2, 0.1, 2.6]], dtype=torch.float64)
"""So small that nearest images matter."""


def random_model(with_energies=False, cell=None, n_train=5):
    """NH3, weights that mean nothing."""
    random = torch.Generator().manual_seed(3)
    molecules = ammonia(n_train)
    descriptor = InverseDistances(4, cell)
    values = descriptor.values(descriptor.vectors(molecules.positions))
    weights = torch.randn(values.shape, generator=random, dtype=torch.float64)
    energy_weights = torch.randn(n_train, generator=random, dtype=torch.float64) if with_energies else None
    return GDMLModel(molecules.numbers, 1.3, values, weights, AMMONIA_GROUP, -40.0, energy_weights, cell)


def matern(d, other, sigma):
    """The scalar kernel, as the paper writes it."""
    u = torch.sqrt(((d - other) ** 2).sum() + 1e-300)
    return (1 + math.sqrt(5) * u / sigma + 5 * u**2 / (3 * sigma**2)) * torch.exp(-math.sqrt(5) * u / sigma)


MODELS = pytest.mark.parametrize(
    ("with_energies", "cell"), [(False, None), (True, None), (True, CELL)], ids=["forces", "energies", "cell"]
)


@MODELS
def test_forces_are_differences_of_energies(with_energies, cell):
    model = random_model(with_energies, cell)
    positions = ammonia(1, spread=0.2, seed=9).positions

    def energy(moved, _):
        return float(model.predict(torch.tensor(moved)[None]).energies)

    expected = forces_by_differences(energy, positions[0].numpy(), np.zeros((3, 3)))
    found = model.predict(positions).forces[0]
    assert found.abs().max() > 0.1
    assert relative_difference(found, expected) < 1e-7


@MODELS
def test_virials_are_differences_of_energies(with_energies, cell):
    positions = ammonia(1, spread=0.2, seed=9).positions
    model = random_model(with_energies, cell)

    def energy(moved, moved_cell):
        strained = model if cell is None else GDMLModel.restore(1.3, -40.0, model.arrays() | {"cell": moved_cell})
        return float(strained.predict(torch.tensor(moved)[None]).energies)

    def with_tensor(moved, moved_cell):
        return energy(moved, torch.tensor(moved_cell))

    start = np.zeros((3, 3)) if cell is None else cell.numpy()
    expected = virial_by_differences(with_tensor, positions[0].numpy(), start)
    virial = model.predict(positions).virials[0]
    assert relative_difference(virial, expected) < 1e-7
    torch.testing.assert_close(virial, virial.T)


def test_energy_is_the_expansion_in_derivatives_of_the_scalar_kernel():
    """grad_D' k and k by automatic differentiation, permutations one by one."""
    model = random_model(with_energies=True)
    positions = ammonia(3, spread=0.2, seed=5).positions
    descriptor = InverseDistances(4)
    points = descriptor.values(descriptor.vectors(positions))
    expected = torch.full((3,), model.constant, dtype=torch.float64)
    for n, j, pairs in [
        (n, j, p) for n in range(3) for j in range(5) for p in descriptor.permuted_pairs(AMMONIA_GROUP)
    ]:
        centre = model.descriptors[j][pairs].clone().requires_grad_()
        kernel = matern(points[n], centre, model.sigma)
        (gradient,) = torch.autograd.grad(kernel, centre)
        expected[n] += gradient @ model.weights[j][pairs] + model.energy_weights[j] * kernel.detach()
    torch.testing.assert_close(model.predict(positions).energies, expected, rtol=0, atol=1e-11)


def test_expansion_and_its_gradient_at_a_centre():
    """Where x is 0 and its root has no derivative, E and its gradient are finite and right."""
    random = torch.Generator().manual_seed(0)
    centres = torch.randn(3, 6, generator=random, dtype=torch.float64)
    weights = torch.randn(3, 6, generator=random, dtype=torch.float64)
    _, gradients = KernelExpansion(centres[:1], weights[:1])(centres[:1])
    torch.testing.assert_close(gradients[0], weights[0])


def test_permuted_molecules_have_the_same_energy_and_permuted_forces():
    model = random_model(with_energies=True)
    positions = ammonia(4, spread=0.2, seed=7).positions
    expected = model.predict(positions)
    for permutation in AMMONIA_GROUP:
        found = model.predict(positions[:, permutation])
        torch.testing.assert_close(found.energies, expected.energies, rtol=0, atol=1e-10)
        torch.testing.assert_close(found.forces, expected.forces[:, permutation], rtol=0, atol=1e-10)


def test_other_permutations_change_the_energy():
    model = random_model()
    positions = ammonia(4, spread=0.2, seed=7).positions
    swapped = model.predict(positions[:, [1, 0, 2, 3]])
    assert (swapped.energies - model.predict(positions).energies).abs().max() > 1e-3


def test_moved_turned_and_reflected_molecules():
    model = random_model(with_energies=True)
    positions = ammonia(4, spread=0.2, seed=7).positions
    random = torch.Generator().manual_seed(0)
    axes, _ = torch.linalg.qr(torch.randn(3, 3, generator=random, dtype=torch.float64))
    before = model.predict(positions)
    for turn in (axes, -axes):
        after = model.predict(positions @ turn.T + torch.tensor([10.0, -20.0, 30.0]))
        torch.testing.assert_close(after.energies, before.energies, rtol=0, atol=1e-10)
        torch.testing.assert_close(after.forces, before.forces @ turn.T, rtol=0, atol=1e-10)
    torch.testing.assert_close(before.forces.sum(1), torch.zeros(4, 3, dtype=torch.float64), rtol=0, atol=1e-12)
    torque = torch.linalg.cross(positions, before.forces).sum(1)
    torch.testing.assert_close(torque, torch.zeros(4, 3, dtype=torch.float64), rtol=0, atol=1e-12)


def test_lattice_translations_of_single_atoms_change_nothing():
    model = random_model(cell=CELL)
    positions = ammonia(2, seed=1).positions
    shifts = torch.tensor([[0, 0, 0], [1, 0, -2], [0, 3, 0], [-1, 1, 1]], dtype=torch.float64) @ CELL
    moved = model.predict(positions + shifts)
    torch.testing.assert_close(moved.energies, model.predict(positions).energies, rtol=0, atol=1e-10)
    assert (model.predict(positions).energies - random_model().predict(positions).energies).abs().max() > 1e-3


def test_pair_forces_lie_along_the_pairs_and_add_up():
    """What an MD program needs: central forces of pairs of atoms, whose sums are the forces on atoms."""
    model = random_model()
    positions = ammonia(3, seed=2).positions
    _, gradients, vectors = model.pair_gradients(positions)
    across = torch.linalg.cross(gradients, vectors)
    torch.testing.assert_close(across, torch.zeros_like(across), rtol=0, atol=1e-12)
    forces = torch.zeros_like(positions)
    forces.index_add_(1, model.descriptor.pair_i, gradients)
    forces.index_add_(1, model.descriptor.pair_j, -gradients)
    torch.testing.assert_close(model.predict(positions).forces, forces)


def test_many_at_once_are_the_same_as_one_by_one(monkeypatch):
    monkeypatch.setattr("mliap_hybrid.model.molecules.kernel.CHUNK", 100)  # three geometries at a time
    monkeypatch.setattr("mliap_hybrid.model.molecules.gdml.BATCH", 7)
    model = random_model(with_energies=True)
    positions = ammonia(20, seed=2).positions
    together = model.predict(positions)
    alone = [model.predict(one[None]) for one in positions]
    torch.testing.assert_close(together.energies, torch.cat([one.energies for one in alone]), rtol=0, atol=1e-11)
    torch.testing.assert_close(together.forces, torch.cat([one.forces for one in alone]), rtol=0, atol=1e-11)
    assert model.predict(positions[:0]).forces.shape == (0, 4, 3)


def test_arrays_hold_all_of_the_model():
    model = random_model(with_energies=True, cell=CELL)
    copy = GDMLModel.restore(model.sigma, model.constant, model.arrays())
    positions = ammonia(3).positions
    assert torch.equal(copy.predict(positions).energies, model.predict(positions).energies)
    higher = model.with_constant(model.constant + 2.0).predict(positions).energies
    torch.testing.assert_close(higher, model.predict(positions).energies + 2.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": torch.zeros(5, 5)}, "'weights' has shape"),
        ({"energy_weights": torch.zeros(4)}, "'energy_weights' has shape"),
        ({"permutations": AMMONIA_GROUP[1:]}, "identity"),
        ({"permutations": torch.tensor([[0, 1, 2, 3], [0, 1, 1, 3]])}, "each atom once"),
        ({"descriptors": torch.zeros(0, 6), "weights": torch.zeros(0, 6)}, "training geometry"),
    ],
)
def test_arrays_that_are_no_model(changes, message):
    with pytest.raises(InputError, match=message):
        GDMLModel.restore(1.0, 0.0, random_model().arrays() | changes)


@pytest.mark.parametrize("shape", [(4, 3), (2, 5, 3), (1, 4, 2)])
def test_other_molecules_are_refused(shape):
    with pytest.raises(InputError, match="molecule of 4 atoms"):
        random_model().predict(torch.zeros(shape, dtype=torch.float64))
