"""Third-order features: the sum that they are, every derivative against autograd, and what they are for."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from mliap_hybrid.features.couplings import COUPLINGS
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.triples import MomentTriples, couplings_up_to, joined_probes
from mliap_hybrid.structure import Geometry

N_CHANNELS, N_WIDTHS = 2, 2
N_PROBES = N_CHANNELS * N_WIDTHS


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def moments() -> dict[int, Tensor]:
    return {n: random(3, 2 * n + 1, N_PROBES, seed=n) for n in (0, 1, 2, 3)}


@pytest.fixture(scope="module", params=["diagonal", "channels", "widths"])
def triples(request: pytest.FixtureRequest) -> MomentTriples:
    norms = {n: 0.5 + random(N_PROBES, seed=10 + n).abs() for n in (0, 1, 2, 3)}
    probes = [joined_probes(request.param, coupling, N_CHANNELS, N_WIDTHS) for coupling in COUPLINGS]
    return MomentTriples(norms, COUPLINGS, probes)


def test_the_sum_written_out(triples: MomentTriples, moments: dict[int, Tensor]) -> None:
    """From the sparse entries, one by one, as a kernel reads them."""
    expected, feature = torch.zeros(3, triples.n_features, dtype=torch.float64), 0
    for (n1, n2, n3), probes, (places, values) in zip(triples.couplings, triples.probes, triples.entries, strict=True):
        for a, b, c in probes.tolist():
            for (m1, m2, m3), value in zip(places.tolist(), values.tolist(), strict=True):
                product = moments[n1][:, m1, a] * moments[n2][:, m2, b] * moments[n3][:, m3, c]
                expected[:, feature] += triples.scales[feature] * value * product
            feature += 1
    assert feature == triples.n_features
    torch.testing.assert_close(triples(moments), expected, rtol=1e-12, atol=1e-12)


def test_norms_scale_like_the_moments(moments: dict[int, Tensor]) -> None:
    """A feature with the norms N of moments M is that with norms 1 of moments sqrt(N) M."""
    norms = {n: 0.5 + random(N_PROBES, seed=10 + n).abs() for n in moments}
    probes = [joined_probes("channels", coupling, N_CHANNELS, N_WIDTHS) for coupling in COUPLINGS]
    normed = MomentTriples(norms, COUPLINGS, probes)
    plain = MomentTriples({n: torch.ones_like(norm) for n, norm in norms.items()}, COUPLINGS, probes)
    scaled = {n: moment * norms[n].sqrt() for n, moment in moments.items()}
    torch.testing.assert_close(normed(moments), plain(scaled), rtol=1e-12, atol=1e-12)


def test_adjoint_equals_autograd(triples: MomentTriples, moments: dict[int, Tensor]) -> None:
    leaves = {n: moment.clone().requires_grad_() for n, moment in moments.items()}
    weights = random(3, triples.n_features, seed=20)
    found = triples.adjoint(moments, weights)
    assert found.keys() == triples.orders == {1, 2, 3}
    (triples(leaves) * weights).sum().backward()
    for n, gradient in found.items():
        torch.testing.assert_close(gradient, leaves[n].grad, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_derivative_equals_autograd(triples: MomentTriples, moments: dict[int, Tensor], n: int) -> None:
    changes, angles = random(3, 5, N_PROBES, seed=30), random(3, 2 * n + 1, 2 * 5, seed=31)
    found = triples.derivative(triples.partials(moments), n, changes, angles)
    assert found.shape == (3, 10, triples.n_features)
    for k in range(10):
        change = angles[:, :, k, None] * changes[:, k % 5, None]  # (n_centres, 2n + 1, n_probes)

        def shifted(x: Tensor, change: Tensor = change) -> Tensor:
            return triples(moments | {n: moments[n] + x * change})

        expected = torch.autograd.functional.jacobian(shifted, torch.zeros((), dtype=torch.float64))
        torch.testing.assert_close(found[:, k], expected, rtol=1e-11, atol=1e-11)


def test_twice_differentiable(triples: MomentTriples, moments: dict[int, Tensor]) -> None:
    leaves = tuple(moments[n][:1].clone().requires_grad_() for n in (1, 2, 3))

    def features(*values: Tensor) -> Tensor:
        return triples(dict(zip((1, 2, 3), values, strict=True)))

    assert torch.autograd.gradcheck(features, leaves)
    assert torch.autograd.gradgradcheck(features, leaves)


def test_no_centres(triples: MomentTriples, moments: dict[int, Tensor]) -> None:
    empty = {n: moment[:0] for n, moment in moments.items()}
    assert triples(empty).shape == (0, triples.n_features)
    assert triples.adjoint(empty, torch.zeros(0, triples.n_features, dtype=torch.float64))[2].shape == (0, 5, N_PROBES)


# Which probes are joined


@pytest.mark.parametrize("coupling", COUPLINGS, ids=str)
def test_every_triple_once_up_to_exchange_of_equal_orders(coupling: tuple[int, int, int]) -> None:
    found = [tuple(triple) for triple in joined_probes("channels", coupling, 3, 2).tolist()]
    assert len(set(found)) == len(found)
    groups = set()
    for triple in itertools.product(range(6), repeat=3):
        if len({probe % 2 for probe in triple}) == 1:  # of one width
            groups.add(tuple(sorted(zip(coupling, triple, strict=True))))
    assert {tuple(sorted(zip(coupling, triple, strict=True))) for triple in found} == groups
    assert len(found) == len(groups)


def test_numbers_of_triples() -> None:
    assert [len(joined_probes("channels", coupling, 2, 4)) for coupling in COUPLINGS] == [24, 32, 16, 24]
    # Each channel: 4 of one width, and for each of 3 pairs of widths as many as there are ways to mix the two.
    assert [len(joined_probes("widths", coupling, 2, 4)) for coupling in COUPLINGS] == [32, 44, 20, 32]
    for coupling in COUPLINGS:
        assert joined_probes("diagonal", coupling, 2, 4).tolist() == [[a, a, a] for a in range(8)]
        assert joined_probes("none", coupling, 2, 4).shape == (0, 3)
        # With one channel the two rules are one.
        assert torch.equal(joined_probes("channels", coupling, 1, 3), joined_probes("diagonal", coupling, 1, 3))


def test_features_that_are_equal_were_left_out(moments: dict[int, Tensor]) -> None:
    ones = {n: torch.ones(N_PROBES, dtype=torch.float64) for n in moments}
    probes = [joined_probes("channels", coupling, N_CHANNELS, N_WIDTHS) for coupling in COUPLINGS]
    values = MomentTriples(ones, COUPLINGS, probes)(moments)  # (3, n_features)
    differences = (values[:, :, None] - values[:, None]).abs().amax(0) + torch.eye(values.shape[1])
    assert differences.min() > 1e-8


def test_couplings_of_some_orders() -> None:
    assert couplings_up_to((-1, 0, 1, 2)) == [(1, 1, 2), (2, 2, 2)]
    assert couplings_up_to((0, 1)) == []
    assert couplings_up_to(range(6)) == list(COUPLINGS)


# What they are for


def test_they_tell_apart_what_products_of_two_confuse() -> None:
    """Four neighbours on a regular octagon: two ways with the same distances between them, which are not congruent."""
    features = GaussianMultipoles((0, 1, 2, 3), (0.5, 1.0), 5.0, (8,), products="all", third_order="diagonal")
    values = []
    for corners in ([0, 1, 3, 4], [0, 1, 2, 5]):
        angles = 2 * np.pi * np.array(corners) / 8
        vectors = 1.5 * np.stack([np.cos(angles), np.sin(angles), np.zeros(4)], axis=1)
        oxygen = torch.tensor([8, 8, 8, 8])
        pairs = Geometry(oxygen[:1], oxygen, torch.zeros(4, dtype=torch.int64), torch.from_numpy(vectors))
        values.append(features(pairs)[0])
    difference = (values[0] - values[1]).abs() / (values[0].abs() + values[1].abs()).clamp_min(1e-12)
    assert difference[: features.triple_block.start].max() < 1e-12
    assert difference[features.triple_block].max() > 0.1
