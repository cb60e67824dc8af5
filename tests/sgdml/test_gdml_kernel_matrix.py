"""The GDML matrix against derivatives of the scalar kernel, and its product without the matrix."""

import math

import pytest
import torch

from mliap_hybrid.model.molecules.descriptor import InverseDistances
from mliap_hybrid.sgdml.kernel_matrix import assemble, covariances, multiply, training_points
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, ammonia

SIGMA = 1.1
CELL = torch.tensor([[2.4, 0.0, 0.0], [0.3, 2.5, 0.0], [-0.2, 0.1, 2.6]], dtype=torch.float64)


def points_of(n_train=4, with_energies=False, cell=None):
    return training_points(ammonia(n_train).positions, AMMONIA_GROUP, SIGMA, cell, with_energies)


def whole(points):
    """The full matrix: `assemble` fills the upper triangle."""
    upper = assemble(points).triu()
    return upper + upper.triu(1).T


def symmetric_kernel(positions, other, cell=None):
    """sum_q k(D(r), P_q D(r')) of two flattened geometries, as the paper writes it."""
    descriptor = InverseDistances(4, cell)
    first = descriptor.values(descriptor.vectors(positions.view(1, 4, 3)))[0]
    second = descriptor.values(descriptor.vectors(other.view(1, 4, 3)))[0]
    total = torch.zeros((), dtype=torch.float64)
    for pairs in descriptor.permuted_pairs(AMMONIA_GROUP):
        u = torch.sqrt(((first - second[pairs]) ** 2).sum() + 1e-24)
        total = total + (1 + math.sqrt(5) * u / SIGMA + 5 * u**2 / (3 * SIGMA**2)) * torch.exp(
            -math.sqrt(5) * u / SIGMA
        )
    return total


@pytest.mark.parametrize("cell", [None, CELL], ids=["molecule", "cell"])
def test_covariances_are_derivatives_of_the_scalar_kernel(cell):
    """cov(F, F') = d2k/dr dr', cov(F, E') = -dk/dr, cov(E, F') = -dk/dr', cov(E, E') = k."""
    molecules = ammonia(4).positions
    molecules[3] = molecules[0] + 1e-3 * molecules[1]  # nearly the same: the root in k has no derivative at zero
    points = training_points(molecules, AMMONIA_GROUP, SIGMA, cell, with_energies=True)
    positions = molecules.flatten(1)
    for i, j in ((0, 1), (2, 0), (3, 0)):
        both = (positions[i], positions[j])
        hessian = torch.autograd.functional.hessian(lambda a, b: symmetric_kernel(a, b, cell), both)
        gradients = torch.autograd.functional.jacobian(lambda a, b: symmetric_kernel(a, b, cell), both)
        found = covariances(points, j)[i]
        v_i, v_j = points.directions[i], points.directions[j]
        tolerance = {"rtol": 0, "atol": 1e-10}
        torch.testing.assert_close(found[:-1, :-1], v_i.T @ hessian[0][1] @ v_j, **tolerance)
        torch.testing.assert_close(found[:-1, -1], -(v_i.T @ gradients[0]), **tolerance)
        torch.testing.assert_close(found[-1, :-1], -(gradients[1] @ v_j), **tolerance)
        torch.testing.assert_close(found[-1, -1], symmetric_kernel(*both, cell), **tolerance)


@pytest.mark.parametrize("with_energies", [False, True])
def test_matrix_is_symmetric_and_positive_definite(with_energies):
    points = points_of(6, with_energies)
    blocks = torch.stack([covariances(points, j) for j in range(6)], dim=2)  # (i, row, j, column)
    full = blocks.reshape(points.size, points.size)
    torch.testing.assert_close(full, full.T, rtol=0, atol=1e-12)
    torch.testing.assert_close(full, whole(points), rtol=0, atol=1e-12)
    eigenvalues = torch.linalg.eigvalsh(full)
    assert eigenvalues[0] > 1e-9 * eigenvalues[-1]


def test_a_permuted_molecule_has_the_covariances_of_the_molecule():
    """The kernel is symmetric in both arguments, though permutations act on one."""
    molecules = ammonia(2)
    moved = molecules.positions.clone()
    moved[1] = moved[1, AMMONIA_GROUP[3]]
    before = training_points(molecules.positions, AMMONIA_GROUP, SIGMA)
    after = training_points(moved, AMMONIA_GROUP, SIGMA)
    in_space = [p.directions[0] @ covariances(p, 1)[0] @ p.directions[1].T for p in (before, after)]
    order = (3 * AMMONIA_GROUP[3][:, None] + torch.arange(3)).flatten()
    torch.testing.assert_close(in_space[1], in_space[0][:, order], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("cell", "n_rigid"), [(None, 6), (CELL, 3)])
def test_internal_directions_hold_all_that_changes_the_descriptor(cell, n_rigid):
    positions = ammonia(3).positions
    # Ammonia has as many pairs as internal directions; in a cell they do not suffice for 9 directions.
    points = training_points(positions, AMMONIA_GROUP, SIGMA, cell)
    assert points.n_internal == min(6, 12 - n_rigid)
    descriptor = InverseDistances(4, cell)
    vectors = descriptor.vectors(positions)
    jacobians = descriptor.jacobians(vectors, descriptor.values(vectors))
    v = points.directions
    torch.testing.assert_close(v.mT @ v, torch.eye(points.n_internal, dtype=torch.float64).expand(3, -1, -1))
    torch.testing.assert_close(jacobians @ v @ v.mT, jacobians, rtol=0, atol=1e-12)


def test_two_atoms_have_one_internal_direction():
    positions = torch.tensor([[[0.0, 0.0, 0.0], [0.3, 0.4, 1.2]]], dtype=torch.float64)
    points = training_points(positions, torch.tensor([[0, 1], [1, 0]]), SIGMA)
    assert points.n_internal == 1
    assert torch.isfinite(assemble(points)).all()


@pytest.mark.parametrize("with_energies", [False, True])
def test_product_without_the_matrix(with_energies):
    points = points_of(5, with_energies)
    vector = torch.randn(points.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    torch.testing.assert_close(multiply(points, vector), whole(points) @ vector, rtol=0, atol=1e-11)


@pytest.mark.parametrize("with_energies", [False, True])
def test_some_columns(with_energies):
    points = points_of(3, with_energies)
    for columns in ([1, 4], [points.n_rows - 1], list(range(points.n_rows))):
        some = covariances(points, 2, columns=torch.tensor(columns))
        torch.testing.assert_close(some, covariances(points, 2)[:, :, columns], rtol=0, atol=1e-13)
