"""What a sample of atoms says about features: size, spread, and how much of it other features say, too."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDING = 1e-10
"""A feature whose spread is below this part of its largest value is constant: the rest is rounding."""


@dataclass(frozen=True)
class FeatureStatistics:
    """One number for each feature; of a constant feature the correlation is zero."""

    mean: Tensor
    """(n_features,) float64."""
    spread: Tensor
    """(n_features,) float64: standard deviation."""
    smallest: Tensor
    """(n_features,) float64."""
    largest: Tensor
    """(n_features,) float64."""
    varies: Tensor
    """(n_features,) bool: False where the feature is constant."""
    correlation: Tensor
    """(n_features,) float64: of largest size with any other feature, with its sign."""
    nearest: Tensor
    """(n_features,) int64: the feature that it has this correlation with."""
    variances: Tensor
    """(n_varying,) float64: along the principal axes of the features scaled to unit spread, descending."""

    def n_axes(self, share: float) -> int:
        """Number of principal axes that together hold `share` of the variance."""
        if len(self.variances) == 0:
            return 0
        held = self.variances.cumsum(0) / self.variances.sum()  # (n_varying,)
        return min(int((held < share).sum()) + 1, len(held))


def varying_features(features: Tensor) -> Tensor:
    """(n_features,) bool: which of the features (n_samples, n_features) are not constant but for rounding."""
    return features.std(0, correction=0) > ROUNDING * features.abs().amax(0)


def feature_statistics(features: Tensor) -> FeatureStatistics:
    """Statistics of a sample.

    Parameters
    ----------
    features : Tensor, shape (n_samples, n_features), float64
        At least one sample.

    Returns
    -------
    FeatureStatistics
    """
    mean, spread, varies = features.mean(0), features.std(0, correction=0), varying_features(features)
    scale = torch.where(varies, 1.0 / torch.where(varies, spread, 1.0), 0.0)  # (n_features,)
    scaled = (features - mean) * scale  # (n_samples, n_features): unit spread each
    correlations = scaled.T @ scaled / len(features)  # (n_features, n_features)
    others = correlations.clone().fill_diagonal_(0.0)
    nearest = others.abs().argmax(1)  # (n_features,)
    return FeatureStatistics(
        mean=mean,
        spread=spread,
        smallest=features.amin(0),
        largest=features.amax(0),
        varies=varies,
        correlation=others.gather(1, nearest[:, None])[:, 0],
        nearest=nearest,
        variances=torch.linalg.eigvalsh(correlations[varies][:, varies]).flip(0).clamp_min(0.0),
    )
