"""Whitening: what it does to a sample, and that it disappears into the first layer."""

import pytest
import torch

from mliap_hybrid.model.whitening import Whitening


@pytest.fixture
def sample() -> torch.Tensor:
    """(500, 7): correlated features of very different sizes, the last one constant."""
    random = torch.Generator().manual_seed(0)
    independent = torch.randn(500, 6, dtype=torch.float64, generator=random)
    mixing = torch.randn(6, 6, dtype=torch.float64, generator=random)
    sizes = torch.tensor([1e-4, 1e-2, 1.0, 3.0, 1e2, 1e4], dtype=torch.float64)
    return torch.cat([(independent @ mixing + 2.0) * sizes, torch.full((500, 1), 0.3, dtype=torch.float64)], dim=1)


def test_weak_damping_gives_unit_covariance(sample: torch.Tensor) -> None:
    whitened = Whitening.fit(sample, damping=1e-12)(sample)
    assert whitened.shape == (500, 6)
    covariance = whitened.T @ whitened / 500
    torch.testing.assert_close(covariance, torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-6)
    torch.testing.assert_close(whitened.mean(0), torch.zeros(6, dtype=torch.float64), rtol=0, atol=1e-10)


def test_damping_keeps_small_axes_small(sample: torch.Tensor) -> None:
    damping = 0.1
    variances = Whitening.fit(sample, damping)(sample).square().mean(0)
    # lambda / (lambda + damping lambda_max): falls from 1 / (1 + damping) along the axes.
    assert float(variances[0]) == pytest.approx(1.0 / (1.0 + damping), rel=1e-10)
    assert (variances.diff() < 0).all()
    assert float(variances[-1]) < 0.5


def test_units_of_a_feature_do_not_matter(sample: torch.Tensor) -> None:
    scaled = sample * torch.logspace(-3, 3, 7, dtype=torch.float64)
    a, b = Whitening.fit(sample, 1e-2)(sample), Whitening.fit(scaled, 1e-2)(scaled)
    torch.testing.assert_close(a @ a.T, b @ b.T, rtol=1e-8, atol=1e-8)  # the same up to signs of axes


def test_constant_features_do_no_harm(sample: torch.Tensor) -> None:
    whitening = Whitening.fit(sample, 1e-3)
    assert torch.isfinite(whitening.matrix).all()
    assert not whitening.matrix[-1].any()
    moved = sample.clone()
    moved[:, -1] += 1e-9  # rounding noise of a constant must not be blown up
    assert torch.equal(whitening(moved), whitening(sample))


def test_folds_into_the_first_layer(sample: torch.Tensor) -> None:
    whitening = Whitening.fit(sample, 1e-3)
    random = torch.Generator().manual_seed(1)
    first = torch.nn.Linear(6, 5, dtype=torch.float64)
    rest = torch.nn.Sequential(torch.nn.SiLU(), torch.nn.Linear(5, 1, dtype=torch.float64))
    for parameter in (*first.parameters(), *rest.parameters()):
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64, generator=random)
    folded = torch.nn.Linear(7, 5, dtype=torch.float64)
    weight, bias = whitening.fold_into(first.weight.detach(), first.bias.detach())
    folded.weight.data, folded.bias.data = weight, bias
    torch.testing.assert_close(rest(folded(sample)), rest(first(whitening(sample))), rtol=1e-11, atol=1e-11)


def test_rejects_what_it_cannot_fit(sample: torch.Tensor) -> None:
    with pytest.raises(ValueError, match="n_samples"):
        Whitening.fit(sample[:0], 1e-3)
    with pytest.raises(ValueError, match="positive damping"):
        Whitening.fit(sample, 0.0)
