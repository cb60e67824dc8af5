"""Damped PCA whitening: a fixed linear map that gives the network inputs of like size and without correlation."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor

from mliap_hybrid.features.statistics import varying_features


class Whitening(torch.nn.Module):
    """Features F (n, n_features) -> (F - mean) @ matrix (n, n_kept).

    The matrix projects on the principal axes of a sample and divides by sqrt(lambda + damping lambda_max), lambda the
    variance along an axis. Full whitening would blow up the axes of least variance, which hold noise; the damping
    keeps them small. Being linear, the map can be folded into the first layer of a network.
    """

    def __init__(self, mean: Tensor, matrix: Tensor):
        """Take a map that is known.

        Parameters
        ----------
        mean : Tensor, shape (n_features,)
        matrix : Tensor, shape (n_features, n_kept)
        """
        super().__init__()
        self.mean: Tensor
        self.matrix: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("matrix", matrix)

    @cached_property
    def diagonal(self) -> Tensor | None:
        """(n_features,) of a matrix that is diagonal; None for another one."""
        if self.matrix.shape[0] != self.matrix.shape[1]:
            return None
        diagonal = self.matrix.diagonal()
        return diagonal.clone() if torch.equal(torch.diag(diagonal), self.matrix) else None

    @classmethod
    def fit(cls, features: Tensor, damping: float, columns: Tensor | None = None) -> Whitening:
        """Whitening of a sample.

        Parameters
        ----------
        features : Tensor, shape (n_samples, n_features), float64
        damping : float
            Relative to the largest variance of the features scaled to unit variance.
        columns : Tensor, shape (n_selected,), int64, optional
            The features to look at; all by default. The map does not depend on the others.

        Returns
        -------
        Whitening
            Constant features are dropped; so are axes whose variance is rounding noise.

        Raises
        ------
        ValueError
            If there are no samples or the damping is not positive.
        """
        if features.ndim != 2 or len(features) == 0:
            raise ValueError(f"expected features of shape (n_samples, n_features), got {tuple(features.shape)}")
        if not damping > 0.0:
            raise ValueError(f"expected a positive damping, got {damping}")
        mean = features.mean(0)  # (n_features,)
        centred = features - mean  # (n_samples, n_features)
        spread = centred.square().mean(0).sqrt()  # (n_features,)
        varies = varying_features(features)  # (n_features,)
        if columns is not None:
            varies &= torch.zeros_like(varies).index_fill(0, columns, True)
        scale = torch.where(varies, 1.0 / spread.clamp(min=torch.finfo(spread.dtype).tiny), 0.0)  # (n_features,)
        scaled = centred * scale  # (n_samples, n_features): unit variance each
        covariance = scaled.T @ scaled / len(features)  # (n_features, n_features)
        variances, axes = torch.linalg.eigh(covariance)  # ascending
        kept = variances > 1e-14 * variances[-1]  # (n_features,)
        variances, axes = variances[kept].flip(0), axes[:, kept].flip(1)
        matrix = scale[:, None] * axes / (variances + damping * variances[0]).sqrt()  # (n_features, n_kept)
        return cls(mean, matrix)

    def forward(self, features: Tensor) -> Tensor:
        """Whitened features (n, n_kept) of features (n, n_features), in their precision."""
        return (features - self.mean.to(features.dtype)) @ self.matrix.to(features.dtype)

    def fold_into(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """First layer on bare features that equals the given one on whitened features.

        Parameters
        ----------
        weight : Tensor, shape (n_outputs, n_kept + n_others)
            Columns of inputs that are no features come last; they stay as they are.
        bias : Tensor, shape (n_outputs,)

        Returns
        -------
        weight : Tensor, shape (n_outputs, n_features + n_others)
        bias : Tensor, shape (n_outputs,)
        """
        n_kept = self.matrix.shape[1]
        folded = weight[:, :n_kept] @ self.matrix.T.to(weight.dtype)  # (n_outputs, n_features)
        return torch.cat([folded, weight[:, n_kept:]], dim=1), bias - folded @ self.mean.to(weight.dtype)
