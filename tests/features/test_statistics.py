"""Statistics of features, on samples whose numbers are known."""

import math

import pytest
import torch

from mliap_hybrid.features.statistics import feature_statistics, varying_features


@pytest.fixture
def sample():
    """(8, 4): a ramp, its reverse in other units, something uncorrelated with both, a constant."""
    ramp = torch.arange(8, dtype=torch.float64)
    even = torch.tensor([1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0], dtype=torch.float64)
    return torch.stack([ramp, 5.0 - 100.0 * ramp, even, torch.full_like(ramp, 0.1)], dim=1)


def test_numbers_of_each_feature(sample):
    statistics = feature_statistics(sample)
    assert statistics.mean.tolist() == pytest.approx([3.5, -345.0, 0.0, 0.1])
    assert statistics.spread.tolist() == pytest.approx([math.sqrt(5.25), 100 * math.sqrt(5.25), 1.0, 0.0], abs=1e-15)
    assert statistics.smallest.tolist() == pytest.approx([0.0, -695.0, -1.0, 0.1])
    assert statistics.largest.tolist() == pytest.approx([7.0, 5.0, 1.0, 0.1])
    assert statistics.varies.tolist() == [True, True, True, False]


def test_correlations_have_their_sign_and_partner(sample):
    statistics = feature_statistics(sample)
    assert statistics.correlation.tolist() == pytest.approx([-1.0, -1.0, 0.0, 0.0], abs=1e-12)
    assert statistics.nearest[:2].tolist() == [1, 0]


def test_principal_axes(sample):
    statistics = feature_statistics(sample)
    assert statistics.variances.tolist() == pytest.approx([2.0, 1.0, 0.0], abs=1e-12)
    assert [statistics.n_axes(share) for share in (0.5, 0.66, 0.67, 0.99)] == [1, 1, 2, 2]


def test_constants_only_and_a_single_atom():
    for sample in (torch.ones(5, 2, dtype=torch.float64), torch.tensor([[3.0, 0.0]], dtype=torch.float64)):
        statistics = feature_statistics(sample)
        assert not statistics.varies.any()
        assert statistics.n_axes(0.99) == 0
        assert torch.isfinite(statistics.correlation).all()


def test_rounding_of_a_constant_is_not_a_change(sample):
    sample[0, 3] += 1e-13
    assert varying_features(sample).tolist() == [True, True, True, False]
