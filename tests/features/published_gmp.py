"""Comparison with the output of the published featuriser."""

import numpy as np
import torch

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.structure import Batch

FEATURE_TOLERANCE = 1e-10
DERIVATIVE_TOLERANCE = 1e-8


def assert_features(
    features: GaussianMultipoles, batch: Batch, expected: np.ndarray, scale: np.ndarray, name: str
) -> None:
    """Features (n_atoms, n_features) to within a part of their scale (n_features,)."""
    values = features(batch.geometry()).numpy()
    assert (np.abs(values - expected) <= FEATURE_TOLERANCE * scale).all(), name


def assert_derivatives(
    features: GaussianMultipoles,
    batch: Batch,
    expected: np.ndarray,
    scale: np.ndarray,
    compared: np.ndarray,
    name: str,
) -> None:
    """Derivatives (i, j, feature, 3) by the positions of atoms j, where `compared` (i, feature) says so."""
    # Neighbours move with r_p, the centre against it.
    jacobian = features.jacobian(batch.geometry()).transpose(1, 2)  # (n_pairs, n_features, 3)
    total = torch.zeros(batch.n_atoms, batch.n_atoms, *jacobian.shape[1:], dtype=torch.float64)
    total.index_put_((batch.pair_i, batch.pair_j), jacobian, accumulate=True)
    total.index_put_((batch.pair_i, batch.pair_i), -jacobian, accumulate=True)
    errors = np.abs(total.numpy() - expected).max(axis=(1, 3)) / scale  # (i, feature)
    assert (errors[compared] <= DERIVATIVE_TOLERANCE).all(), name
