"""Radial functions against quadrature over space, their derivatives, and the spline against the sum of Gaussians."""

import math

import numpy as np
import pytest
import torch

from mliap_hybrid.features.harmonics import solid_harmonics
from mliap_hybrid.features.radial import (
    GaussianRadial,
    SplinedRadial,
    smooth_cutoff,
    smooth_cutoff_derivative,
)

AMPLITUDES = np.array([[0.8, -0.3, 0.1], [1.5, 0.4, 0.0]])  # e/Å^3
EXPONENTS = np.array([[0.4, 2.0, 6.0], [0.7, 3.0, 1.0]])  # 1/Å^2
ORDERS, WIDTHS, CUTOFF = (-1, 0, 1, 2, 3, 4), (0.3, 0.8), 6.0


def radial(taper_width: float = 2.0) -> GaussianRadial:
    return GaussianRadial(AMPLITUDES, EXPONENTS, ORDERS, WIDTHS, CUTOFF, taper_width)


def distances_and_species(n_points: int = 4001) -> tuple[torch.Tensor, torch.Tensor]:
    r = torch.linspace(0.0, CUTOFF + 0.5, n_points, dtype=torch.float64).expand(2, -1)
    return r, torch.arange(2)[:, None].expand_as(r)


@pytest.mark.parametrize("n", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("s", WIDTHS)
def test_overlap_of_probe_and_density_by_quadrature(n: int, s: float) -> None:
    """M_nm is the integral of (normal deviate of width s) x S_nm(r) x rho(r - R); sums of Gaussians on a fine grid."""
    spacing = 0.18  # Å; exact to rounding for functions this smooth
    axis = np.arange(-33, 34) * spacing
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij")).reshape(3, -1)
    normal = np.exp(-(grid**2).sum(0) / (2 * s**2)) / (s * math.sqrt(2 * math.pi)) ** 3
    measure = spacing**3 * normal
    atom = np.array([0.4, -0.7, 0.5])
    squares = ((grid - atom[:, None]) ** 2).sum(0)
    density = sum(b * np.exp(-beta * squares) for b, beta in zip(AMPLITUDES[0], EXPONENTS[0], strict=True))
    expected = solid_harmonics(torch.from_numpy(grid), n)[n].numpy() @ (measure * density)

    channel = 1 + n * len(WIDTHS) + WIDTHS.index(s)
    distance = torch.tensor([np.linalg.norm(atom)])
    value = radial()(distance, torch.zeros(1, dtype=torch.int64))[0, channel]
    found = value * solid_harmonics(torch.from_numpy(atom)[:, None], n)[n][:, 0]
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-7, atol=1e-8 * abs(expected).max())


def test_order_minus_one_is_the_density() -> None:
    r, species = distances_and_species()
    inside = r[0] < CUTOFF - 2.0
    expected = (AMPLITUDES[:, :, None] * np.exp(-EXPONENTS[:, :, None] * r.numpy()[:, None] ** 2)).sum(1)
    np.testing.assert_allclose(radial()(r, species)[:, inside, 0].numpy(), expected[:, inside], rtol=1e-13)


@pytest.mark.parametrize("taper_width", [0.0, 2.0, 6.0])
def test_taper_is_one_then_zero_and_three_times_differentiable(taper_width: float) -> None:
    r = torch.linspace(0.0, 8.0, 1601, dtype=torch.float64)
    taper = smooth_cutoff(r, CUTOFF, taper_width)
    assert (taper[r <= CUTOFF - taper_width - 1e-9] == 1.0).all()
    assert not taper[r >= CUTOFF].any()
    assert (taper.diff() <= 1e-15).all()
    if taper_width > 0.0:
        r = r.clone().requires_grad_()
        derivative = smooth_cutoff(r, CUTOFF, taper_width)
        scale = 1.0
        for _ in range(3):
            (derivative,) = torch.autograd.grad(derivative.sum(), r, create_graph=True)
            scale *= 10.0 / taper_width
            ends = ((r - CUTOFF).abs() < 1e-9) | ((r - CUTOFF + taper_width).abs() < 1e-9)
            assert derivative[ends].abs().max() < 1e-9 * scale
        (first,) = torch.autograd.grad(smooth_cutoff(r, CUTOFF, taper_width).sum(), r)
        torch.testing.assert_close(smooth_cutoff_derivative(r.detach(), CUTOFF, taper_width), first, rtol=0, atol=1e-12)


@pytest.mark.parametrize("taper_width", [0.0, 2.0])
@pytest.mark.parametrize("form", ["exact", "spline"])
def test_derivative_is_that_of_the_same_function(form: str, taper_width: float) -> None:
    function = radial(taper_width) if form == "exact" else SplinedRadial(radial(taper_width), 2)
    r, species = distances_and_species(1237)
    r = r.clone().requires_grad_()
    values = function(r, species)
    for channel in range(function.n_channels):
        (expected,) = torch.autograd.grad(values[..., channel].sum(), r, retain_graph=True)
        found = function.derivative(r, species)[..., channel]
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("taper_width", [0.0, 2.0])
def test_spline_follows_the_sum_of_gaussians(taper_width: float) -> None:
    exact = radial(taper_width)
    spline = SplinedRadial(exact, 2)
    r, species = distances_and_species(20011)
    for function, reference, tolerance in (
        (spline, exact, 1e-8),
        (spline.derivative, exact.derivative, 1e-5),
    ):
        expected = reference(r, species)
        errors = (function(r, species) - expected).abs().amax(dim=1) / expected.abs().amax(dim=1)
        assert errors[:, 1:].max() < tolerance
    assert not spline(r, species)[:, r[0] >= CUTOFF].any()


def test_spline_derivatives_of_all_orders_by_autograd() -> None:
    spline = SplinedRadial(radial(), 2)
    r = torch.tensor([0.31, 1.7, 4.4, 5.9, 6.2], dtype=torch.float64, requires_grad=True)
    species = torch.tensor([0, 1, 0, 1, 0])
    assert torch.autograd.gradcheck(lambda x: spline(x, species), (r,), eps=1e-7, atol=1e-6)
    assert torch.autograd.gradgradcheck(lambda x: spline(x, species), (r,), eps=1e-7, atol=1e-4)


def test_single_precision() -> None:
    for function in (radial(), SplinedRadial(radial(), 2)):
        r, species = distances_and_species(301)
        expected = function(r, species)
        found = function(r.float(), species)
        assert found.dtype == torch.float32
        assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
