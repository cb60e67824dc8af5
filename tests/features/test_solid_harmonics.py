"""Solid harmonics against the addition theorem, Laplace's equation, and autograd."""

import math

import numpy as np
import pytest
import torch
from scipy.special import eval_legendre

from mliap_hybrid.features.harmonics import MAX_ORDER, solid_harmonic_gradients, solid_harmonics

ORDERS = range(MAX_ORDER + 1)


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    """(3, n_points): the poles, the equator's special points, and random ones."""
    special = torch.cat([torch.eye(3), -torch.eye(3)], dim=1)
    return torch.cat([special, torch.randn(3, 40, generator=torch.Generator().manual_seed(0))], dim=1).double()


@pytest.mark.parametrize("n", ORDERS)
def test_addition_theorem(points: torch.Tensor, n: int) -> None:
    others = points.flip(1)
    a, b = solid_harmonics(points, n)[n], solid_harmonics(others, n)[n]
    lengths = points.norm(dim=0) * others.norm(dim=0)
    cosines = (points * others).sum(0) / lengths
    expected = (2 * n + 1) / (4 * math.pi) * torch.from_numpy(eval_legendre(n, cosines.numpy())) * lengths**n
    torch.testing.assert_close((a * b).sum(0), expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("n", ORDERS)
def test_each_component_has_unit_norm_on_the_sphere(n: int) -> None:
    # Exact quadrature: Gauss-Legendre in cos(theta), equal steps in phi.
    nodes, weights = torch.from_numpy(np.stack(np.polynomial.legendre.leggauss(n + 1)))
    phi = torch.arange(2 * n + 1, dtype=torch.float64) * 2 * math.pi / (2 * n + 1)
    z = nodes[:, None].expand(-1, len(phi)).flatten()
    flat_phi = phi.repeat(len(nodes))
    sine = (1 - z * z).sqrt()
    harmonics = solid_harmonics(torch.stack([sine * flat_phi.cos(), sine * flat_phi.sin(), z]), n)[n]
    measure = weights[:, None].expand(-1, len(phi)).flatten() * 2 * math.pi / (2 * n + 1)
    overlaps = (harmonics * measure) @ harmonics.T
    torch.testing.assert_close(overlaps, torch.eye(2 * n + 1, dtype=torch.float64), rtol=0, atol=1e-13)


@pytest.mark.parametrize("n", ORDERS[2:])
def test_laplacian_vanishes(points: torch.Tensor, n: int) -> None:
    vectors = points.clone().requires_grad_()
    for component in solid_harmonics(vectors, n)[n]:
        laplacian, largest = torch.zeros(points.shape[1], dtype=torch.float64), 0.0
        (gradient,) = torch.autograd.grad(component.sum(), vectors, create_graph=True)
        for axis in range(3):
            (second,) = torch.autograd.grad(gradient[axis].sum(), vectors, retain_graph=True, materialize_grads=True)
            laplacian += second[axis]
            largest = max(largest, float(second.abs().max()))
        assert laplacian.abs().max() <= 1e-13 * largest


def test_gradients_equal_autograd(points: torch.Tensor) -> None:
    vectors = points.clone().requires_grad_()
    harmonics = solid_harmonics(vectors, MAX_ORDER)
    gradients = solid_harmonic_gradients([h.detach() for h in harmonics])
    for n in ORDERS[1:]:
        for m in range(2 * n + 1):
            (expected,) = torch.autograd.grad(harmonics[n][m].sum(), vectors, retain_graph=True)
            torch.testing.assert_close(
                gradients[n][:, m], expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max())
            )
    assert gradients[0].shape == (3, 1, points.shape[1])
    assert not gradients[0].any()


def test_finite_at_the_origin_and_in_single_precision() -> None:
    vectors = torch.zeros(3, 1, requires_grad=True)
    harmonics = solid_harmonics(vectors, 3)
    assert harmonics[3].dtype == torch.float32
    (gradient,) = torch.autograd.grad(sum(h.sum() for h in harmonics), vectors)
    assert torch.isfinite(gradient).all()
