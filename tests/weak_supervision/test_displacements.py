"""Displacements: their size, their direction, and that a seed gives the same ones."""

import math

import numpy as np
import pytest
import torch

from mliap_hybrid.weak_supervision.displacements import (
    adversarial_displacements,
    displaced_atoms,
    displacements_of_length,
    random_displacements,
    thermal_displacements,
)


def test_random_displacements_are_uniform_and_unbiased():
    d = random_displacements(4000, 0.02, np.random.default_rng(0))
    assert d.shape == (4000, 3)
    assert d.abs().max() <= 0.02
    assert d.abs().max() > 0.0199
    assert d.mean(0).abs().max() < 5 * 0.02 / math.sqrt(3 * 4000)
    assert d.square().mean().item() == pytest.approx(0.02**2 / 3, rel=0.05)


def test_a_seed_gives_the_same_displacements():
    first, again, other = (random_displacements(5, 0.1, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_displacements_of_one_length():
    d = displacements_of_length(50, 0.05, np.random.default_rng(1))
    torch.testing.assert_close(d.norm(dim=1), torch.full((50,), 0.05, dtype=torch.float64))


def test_adversarial_displacements_go_against_the_error_of_the_force():
    errors = torch.tensor([[3.0, 0.0, 4.0], [0.0, 0.0, 0.0], [0.0, -1e-8, 0.0]], dtype=torch.float64)
    expected = math.sqrt(3.0) * 0.01 * torch.tensor([[-0.6, 0.0, -0.8], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).double()
    torch.testing.assert_close(adversarial_displacements(errors, 0.01), expected, rtol=1e-6, atol=0)


def test_adversarial_displacements_carry_no_gradient():
    assert not adversarial_displacements(torch.ones(2, 3, requires_grad=True), 0.1).requires_grad


def test_a_fraction_of_the_atoms_moves():
    moved = displaced_atoms(10_000, 0.3, np.random.default_rng(0))
    assert moved.float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert displaced_atoms(100, 1.0, np.random.default_rng(0)).all()


def test_thermal_displacements_are_as_far_as_springs_let_them():
    """Two springs, one a hundred times stiffer: a tenth as far. One is too soft to be moved, and rigid motions are."""
    modes, _ = torch.linalg.qr(torch.randn(6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    stiffness = torch.tensor([0.0, 0.0, 0.0, 0.5, 2.0, 200.0], dtype=torch.float64)
    hessian = modes @ torch.diag(stiffness) @ modes.T
    random = np.random.default_rng(0)
    displacements = torch.stack([thermal_displacements(hessian, 0.05, random).flatten() for _ in range(4000)])
    amplitudes = displacements @ modes  # (n, 6)
    assert amplitudes[:, :4].abs().max() < 1e-12
    # A ratio of two normal numbers has the median 1; the common length cancels.
    assert (amplitudes[:, 5] / amplitudes[:, 4]).abs().median().item() == pytest.approx(0.1, rel=0.1)
    torch.testing.assert_close(
        displacements.square().mean(1).sqrt(), torch.full((4000,), 0.05 / 3**0.5, dtype=torch.float64)
    )
    assert amplitudes.mean(0).abs().max() < 3e-3


def test_thermal_displacements_of_what_no_spring_holds_are_zero():
    assert thermal_displacements(torch.zeros(6, 6, dtype=torch.float64), 0.1, np.random.default_rng(0)).abs().max() == 0
