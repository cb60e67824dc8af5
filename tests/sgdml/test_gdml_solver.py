"""Solving the GDML equations: factorisation in place, conjugate gradients, memory."""

import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.sgdml import solver as gdml_solver
from mliap_hybrid.sgdml.cholesky import InPlaceCholesky
from mliap_hybrid.sgdml.kernel_matrix import multiply, training_points
from mliap_hybrid.sgdml.solver import choose_method, memory_needed, solve
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, ammonia


def points_of(n_train, sigma=1.0, with_energies=False):
    return training_points(ammonia(n_train).positions, AMMONIA_GROUP, sigma, with_energies=with_energies)


def random_matrix(size, n_small=0):
    """Symmetric, with `n_small` eigenvalues of -1e-9 and the others of about 1."""
    random = torch.Generator().manual_seed(0)
    axes, _ = torch.linalg.qr(torch.randn(size, size, generator=random, dtype=torch.float64))
    eigenvalues = torch.linspace(0.5, 1.5, size, dtype=torch.float64)
    eigenvalues[:n_small] = -1e-9
    matrix = axes @ torch.diag(eigenvalues) @ axes.T
    return (matrix + matrix.T) / 2.0


@pytest.mark.parametrize("size", [1, 7, 8, 9, 30])
def test_factor_and_solution(monkeypatch, size):
    monkeypatch.setattr("mliap_hybrid.sgdml.cholesky.BLOCK", 8)
    matrix = random_matrix(size)
    work = matrix.triu() + torch.full((size, size), 7.0, dtype=torch.float64).tril(-1)  # nothing below is read
    cholesky = InPlaceCholesky(work)
    assert cholesky.factorise(0.25)
    lower = cholesky.matrix.tril()
    expected = matrix + 0.25 * torch.eye(size, dtype=torch.float64)
    torch.testing.assert_close(lower @ lower.T, expected)
    torch.testing.assert_close(work.triu(1), matrix.triu(1))
    right_side = torch.arange(1.0, size + 1.0, dtype=torch.float64)
    torch.testing.assert_close(cholesky.solve(right_side), torch.linalg.solve(expected, right_side))
    assert torch.equal(right_side, torch.arange(1.0, size + 1.0, dtype=torch.float64))


def test_a_second_try_starts_from_the_same_matrix(monkeypatch):
    monkeypatch.setattr("mliap_hybrid.sgdml.cholesky.BLOCK", 8)
    matrix = random_matrix(30, n_small=5)
    cholesky = InPlaceCholesky(matrix.clone())
    assert not cholesky.factorise(1e-10)
    assert cholesky.factorise(1e-8)
    lower = cholesky.matrix.tril()
    torch.testing.assert_close(lower @ lower.T, matrix + 1e-8 * torch.eye(30, dtype=torch.float64), rtol=0, atol=1e-13)


def test_jitter_ladder(caplog, monkeypatch):
    """A matrix that needs more jitter gets it, and the log says so."""
    points = points_of(4)
    matrix = random_matrix(points.size, n_small=5)
    monkeypatch.setattr(gdml_solver, "assemble", lambda *_: matrix.clone())
    right_side = torch.ones(points.size, dtype=torch.float64)
    found = solve(points, right_side)
    assert found.jitter == 1e-8
    assert "1e-10" in caplog.text
    with pytest.raises(InputError, match="singular even with 1e-10"):
        solve(points, right_side, jitters=(1e-10,))


def labels_of(points, n_train):
    """Right side of the equations of a real training."""
    molecules = ammonia(n_train)
    rows = (points.directions.mT @ molecules.forces.flatten(1)[:, :, None])[..., 0]
    if points.with_energies:
        rows = torch.cat([rows, (molecules.energies - molecules.energies.mean())[:, None]], dim=1)
    return rows.flatten()


@pytest.mark.parametrize("with_energies", [False, True])
def test_both_ways_solve_the_equations(with_energies):
    points = points_of(30, with_energies=with_energies)
    right_side = labels_of(points, 30)
    exact = solve(points, right_side, "cholesky", jitters=(1e-6,))
    steps = solve(points, right_side, "conjugate-gradients", jitters=(1e-6,))
    assert (exact.method, exact.n_steps, steps.method) == ("cholesky", None, "conjugate-gradients")
    for found, tolerance in ((exact, 1e-9), (steps, 1.01e-4)):
        residual = multiply(points, found.coefficients) + 1e-6 * found.coefficients - right_side
        assert residual.norm() < tolerance * right_side.norm()


def test_the_preconditioner_saves_steps(monkeypatch):
    points = points_of(60)
    right_side = labels_of(points, 60)
    needed = {}
    for share in (1e-9, 0.1, 0.5):
        monkeypatch.setattr("mliap_hybrid.sgdml.conjugate_gradient.SHARE", share)
        needed[share] = solve(points, right_side, "conjugate-gradients").n_steps
    assert needed[0.5] < needed[0.1] / 2 < needed[1e-9] / 4


def test_conjugate_gradients_that_do_not_converge(monkeypatch):
    monkeypatch.setattr("mliap_hybrid.sgdml.conjugate_gradient.MAX_STEPS", 2)
    points = points_of(20)
    with pytest.raises(InputError, match="did not converge"):
        solve(points, torch.ones(points.size, dtype=torch.float64), "conjugate-gradients")


def test_memory_decides():
    points = points_of(60)
    exact, steps = (memory_needed(points, method) for method in ("cholesky", "conjugate-gradients"))
    plenty = 10 * max(exact, steps)
    assert choose_method(points, "auto", plenty) == "cholesky"
    assert choose_method(points, "auto", None) == "cholesky"
    assert choose_method(points, "conjugate-gradients", plenty) == "conjugate-gradients"
    with pytest.raises(InputError, match=r"60 molecules by cholesky needs .* GB .* use fewer training frames$"):
        choose_method(points, "cholesky", steps // 2)
    with pytest.raises(InputError, match="use fewer"):
        choose_method(points, "auto", 1000)


def test_large_systems_go_to_conjugate_gradients(monkeypatch):
    """The numbers of a thousand and of five thousand ethanol molecules, without their matrix."""
    monkeypatch.setattr(gdml_solver, "memory_needed", lambda points, method: _MEMORY[method])
    monkeypatch.setattr(gdml_solver, "LARGEST_CHOLESKY", 100)
    points = points_of(60)
    assert choose_method(points, "auto", 100 * 10**9) == "conjugate-gradients"
    with pytest.raises(InputError, match=r'88.2 GB of memory, and 10.0 GB .* or solver "conjugate-gradients"'):
        choose_method(points, "cholesky", 10 * 10**9)


_MEMORY = {"cholesky": 88_200_000_000, "conjugate-gradients": 2_000_000_000}


def test_nothing_is_allocated_before_the_refusal(monkeypatch):
    monkeypatch.setattr(gdml_solver, "available_memory", lambda: 1000)
    monkeypatch.setattr(gdml_solver, "assemble", lambda *_: pytest.fail("the matrix was made"))
    points = points_of(10)
    with pytest.raises(InputError, match="memory"):
        solve(points, torch.ones(points.size, dtype=torch.float64))


@pytest.mark.parametrize("method", ["cholesky", "conjugate-gradients"])
def test_copies_of_frames_are_no_obstacle(method):
    """Rows of the matrix that are the same: the jitter makes it definite."""
    positions = ammonia(10).positions
    points = training_points(torch.cat([positions, positions]), AMMONIA_GROUP, 50.0)
    right_side = labels_of(points_of(10), 10).repeat(2)
    found = solve(points, right_side, method, jitters=(1e-8, 1e-6))
    twice = found.coefficients.view(2, -1)
    assert torch.isfinite(twice).all()
    residual = multiply(points, found.coefficients) + found.jitter * found.coefficients - right_side
    assert residual.norm() < 1e-3 * right_side.norm()
