"""Invariants of a channel: how many there are, that they are invariant, complete, and what the compiled code knows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mliap_hybrid.features.channel_invariants import BODY_ORDERS, MAX_ORDER, N_COMPONENTS, QUARTETS, ChannelInvariants
from mliap_hybrid.features.couplings import COUPLINGS, gaunt
from mliap_hybrid.features.harmonics import solid_harmonics
from mliap_hybrid.kernels.channel_code import exact, headers

ORDERS = (1, 2, 3)


def channels(n: int, seed: int = 0) -> torch.Tensor:
    """(1, N_COMPONENTS, n): random ones."""
    return torch.randn(1, N_COMPONENTS, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def of_points(points: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """(1, N_COMPONENTS, n_channels): multipoles of points (n_points, 3) with weights (n_points, n_channels)."""
    harmonics = torch.cat(solid_harmonics(points.T, MAX_ORDER), dim=0)  # (N_COMPONENTS, n_points)
    return (harmonics @ weights)[None]


@pytest.mark.parametrize("body_order", BODY_ORDERS)
def test_they_do_not_change_when_points_turn_or_are_reflected(body_order):
    random = np.random.default_rng(1)
    points, weights = torch.from_numpy(random.normal(size=(7, 3))), torch.from_numpy(random.normal(size=(7, 4)))
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    invariants = ChannelInvariants(body_order)
    expected = invariants(of_points(points, weights))
    for matrix in (turn * np.linalg.det(turn), -np.eye(3)):
        found = invariants(of_points(points @ torch.from_numpy(matrix).T, weights))
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("body_order", "n"), [(3, 4), (4, 8), (5, 17)])
def test_number_labels_and_powers(body_order, n):
    """Each is homogeneous in A, of the power that its body order says; higher body orders add to lower ones."""
    invariants, a = ChannelInvariants(body_order), channels(6)
    values = invariants(a)[0]
    assert invariants.n == len(invariants.labels) == len(set(invariants.labels)) == len(values) == n
    powers = [1] + [2] * 3 + [3] * 4 + [4] * 9
    ratios = invariants(2.0 * a)[0] / values
    torch.testing.assert_close(ratios, torch.tensor([2.0**p for p in powers[:n]]).double()[:, None].expand(n, 6))
    torch.testing.assert_close(values, ChannelInvariants(5)(a)[0, :n], rtol=0, atol=0)


def molien(degree: int) -> int:
    """How many invariants of O(3) the symmetric products of the orders 1 to 3 have, by averages of their characters."""
    nodes, weights = np.polynomial.legendre.leggauss(200)
    angles, weights = 0.5 * np.pi * (nodes + 1.0), 0.5 * np.pi * weights
    measure = weights * (1.0 - np.cos(angles)) / np.pi

    def power(k: int, improper: bool) -> np.ndarray:
        """Character of the k-th power of a rotation by the angle, or of one with a reflection through the origin."""
        signs = {n: (-1) ** (n * k) if improper else 1 for n in ORDERS}
        return sum(signs[n] * sum(np.cos(m * k * angles) for m in range(-n, n + 1)) for n in ORDERS)

    total = 0.0
    for improper in (False, True):
        p = [power(k, improper) for k in range(1, 5)]
        symmetric = {
            2: (p[0] ** 2 + p[1]) / 2,
            3: (p[0] ** 3 + 3 * p[0] * p[1] + 2 * p[2]) / 6,
            4: (p[0] ** 4 + 6 * p[0] ** 2 * p[1] + 3 * p[1] ** 2 + 8 * p[0] * p[2] + 6 * p[3]) / 24,
        }
        total += 0.5 * float((measure * symmetric[degree]).sum())
    assert abs(total - round(total)) < 1e-6
    return round(total)


def test_none_is_missing_and_none_is_a_sum_of_others():
    """Together with the products of two squares, those of four factors span all that there are."""
    assert [molien(degree) for degree in (2, 3, 4)] == [len(ORDERS), len(COUPLINGS), 15]
    values = ChannelInvariants(5)(channels(200))[0]  # (17, 200)
    squares, quartets = values[1:4], values[8:]
    of_squares = torch.stack([squares[a] * squares[b] for a in range(3) for b in range(a, 3)])
    all_of_four = torch.cat([quartets, of_squares])
    all_of_four = all_of_four / all_of_four.norm(dim=1, keepdim=True)
    sizes = torch.linalg.svdvals(all_of_four)
    assert len(QUARTETS) + 6 == len(sizes) == 15
    assert sizes[-1] > 1e-4


def test_triples_are_integrals_over_the_sphere():
    """A_c . (A_a A_b)_c is the integral of a product of three functions on the sphere."""
    nodes, node_weights = np.polynomial.legendre.leggauss(8)
    angles = 2.0 * np.pi * np.arange(16) / 16
    z, phi = (grid.ravel() for grid in np.meshgrid(nodes, angles, indexing="ij"))
    points = np.stack([np.sqrt(1 - z**2) * np.cos(phi), np.sqrt(1 - z**2) * np.sin(phi), z])
    weights = torch.from_numpy(np.repeat(node_weights, 16) * 2.0 * np.pi / 16)
    harmonics = solid_harmonics(torch.from_numpy(points), MAX_ORDER)
    a = channels(5)
    functions = [a[0, n * n : (n + 1) ** 2].T @ harmonics[n] for n in range(MAX_ORDER + 1)]  # (5, n_points)
    values = ChannelInvariants(4)(a)[0]
    for place, (n1, n2, n3) in enumerate(COUPLINGS, start=4):
        integral = (functions[n1] * functions[n2] * functions[n3]) @ weights
        three = [harmonics[n].numpy() for n in (n1, n2, n3)]
        size = np.linalg.norm(np.einsum("ap,bp,cp,p->abc", *three, weights.numpy()))
        sign = np.sign((gaunt(n1, n2, n3) * np.einsum("ap,bp,cp,p->abc", *three, weights.numpy())).sum())
        torch.testing.assert_close(values[place], sign * integral / size, rtol=1e-10, atol=1e-10)


def test_coefficients_are_roots_of_fractions():
    """So that the compiled code does not depend on the rounding of the machine that wrote it."""
    values = gaunt(1, 2, 3)
    for value in values[values != 0.0].tolist():
        assert exact(value) == pytest.approx(value, rel=0, abs=1e-14)
        assert exact(value * (1.0 + 3e-16)) == exact(value)
    with pytest.raises(ValueError, match="root of a fraction"):
        exact(0.123456789)


def test_compiled_code_is_what_the_generator_writes():
    for header, text in headers().items():
        assert header.read_text() == text, "run python -m mliap_hybrid.kernels.channel_code and compile again"
