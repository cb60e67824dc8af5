"""Gaunt coefficients against the Wigner 3j symbols, their selection rules, and invariants known in closed form."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from sympy.physics.wigner import wigner_3j

from mliap_hybrid.features.couplings import COUPLINGS, couples, gaunt
from mliap_hybrid.features.harmonics import solid_harmonics


def real_from_complex(n: int) -> np.ndarray:
    """(2n + 1, 2n + 1): real harmonics, m = -n ... n, in terms of complex ones with the Condon-Shortley phase."""
    matrix = np.zeros((2 * n + 1, 2 * n + 1), dtype=complex)
    matrix[n, n] = 1.0
    for m in range(1, n + 1):
        matrix[n + m, [n + m, n - m]] = np.array([(-1) ** m, 1.0]) / math.sqrt(2.0)  # cosine-like
        matrix[n - m, [n + m, n - m]] = np.array([(-1) ** m, -1.0]) / (1j * math.sqrt(2.0))  # sine-like
    return matrix


def harmonics_at(vectors: np.ndarray, n: int) -> np.ndarray:
    """(2n + 1, n_points) at vectors (n_points, 3)."""
    return solid_harmonics(torch.from_numpy(vectors.T.copy()), n)[n].numpy()


def invariant(orders: tuple[int, int, int], vectors: np.ndarray) -> np.ndarray:
    """Coupling (n_points,) of three vectors, (3, n_points, 3)."""
    parts = [harmonics_at(v, n) for n, v in zip(orders, vectors, strict=True)]
    return np.einsum("abc,ap,bp,cp->p", gaunt(*orders), *parts)


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(3, 20, 3))


@pytest.mark.parametrize("orders", [*COUPLINGS, (0, 2, 2), (1, 3, 4), (3, 3, 4), (2, 4, 4), (4, 5, 7)], ids=str)
def test_they_are_the_3j_symbols_in_the_real_basis(orders: tuple[int, int, int]) -> None:
    symbols = np.zeros([2 * n + 1 for n in orders])
    for m in itertools.product(*(range(-n, n + 1) for n in orders)):
        symbols[tuple(n + k for n, k in zip(orders, m, strict=True))] = float(wigner_3j(*orders, *m))
    # Integrals of Y_m1 Y_m2 Y_m3 are the symbols times the one of m = 0 and a positive factor.
    expected = np.einsum("ai,bj,ck,ijk->abc", *(real_from_complex(n) for n in orders), symbols)
    expected *= np.sign(float(wigner_3j(*orders, 0, 0, 0)))
    np.testing.assert_allclose(gaunt(*orders), expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize(("orders", "square"), [((1, 1, 2), 2 / 15), ((1, 2, 3), 3 / 35), ((2, 2, 2), 2 / 35)])
def test_zonal_components(orders: tuple[int, int, int], square: float) -> None:
    assert gaunt(*orders)[orders] == pytest.approx(math.sqrt(square), rel=1e-14)


@pytest.mark.parametrize("orders", list(itertools.product(range(5), repeat=3)), ids=str)
def test_selection_rules(orders: tuple[int, int, int]) -> None:
    n1, n2, n3 = orders
    coefficients = gaunt(*orders)
    assert coefficients.shape == (2 * n1 + 1, 2 * n2 + 1, 2 * n3 + 1)
    allowed = n1 <= n2 + n3 and n2 <= n3 + n1 and n3 <= n1 + n2 and sum(orders) % 2 == 0
    assert couples(*orders) == allowed
    assert (coefficients**2).sum() == pytest.approx(1.0 if allowed else 0.0, abs=1e-14)
    for m in itertools.product(*(range(-n, n + 1) for n in orders)):
        sizes = sorted(abs(k) for k in m)
        odd_sines = sum(k < 0 for k in m) % 2 == 1
        if sizes[2] != sizes[0] + sizes[1] or odd_sines:
            assert coefficients[tuple(n + k for n, k in zip(orders, m, strict=True))] == 0.0


def test_all_couplings_up_to_order_three() -> None:
    ascending = itertools.combinations_with_replacement(range(1, 4), 3)
    assert sorted(COUPLINGS) == [orders for orders in ascending if couples(*orders)]


@pytest.mark.parametrize("orders", COUPLINGS, ids=str)
def test_order_of_the_three_does_not_matter(orders: tuple[int, int, int]) -> None:
    for order in itertools.permutations(range(3)):
        permuted = gaunt(*(orders[k] for k in order))
        np.testing.assert_allclose(permuted, gaunt(*orders).transpose(order), rtol=0, atol=1e-15)


@pytest.mark.parametrize("orders", COUPLINGS, ids=str)
def test_invariance(orders: tuple[int, int, int], vectors: np.ndarray) -> None:
    expected = invariant(orders, vectors)
    for matrix in (Rotation.random(random_state=2).as_matrix(), -np.eye(3)):
        np.testing.assert_allclose(invariant(orders, vectors @ matrix.T), expected, rtol=0, atol=1e-12)


def test_closed_forms(vectors: np.ndarray) -> None:
    """Two vectors and a quadrupole c c: a . (c c - 1/3) . b; three quadrupoles: the trace of their product."""
    a, b, _ = vectors
    quadrupoles = [
        np.einsum("px,py->pxy", v, v) - np.einsum("px,px->p", v, v)[:, None, None] / 3 * np.eye(3) for v in vectors
    ]
    for orders, expected in (
        ((1, 1, 2), np.einsum("px,pxy,py->p", a, quadrupoles[2], b)),
        ((2, 2, 2), np.einsum("pxy,pyz,pzx->p", *quadrupoles)),
    ):
        found = invariant(orders, vectors)
        factor = found[0] / expected[0]
        assert factor > 0
        np.testing.assert_allclose(found, factor * expected, rtol=0, atol=1e-12 * np.abs(found).max())
