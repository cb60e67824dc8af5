"""Fewer features that say nearly as much as all of them, found from the features of a sample of atoms.

Both methods look at the columns x_f of a sample, each centred and of unit length, so that c_fg = x_f . x_g is the
correlation of two features and units do not matter. They are those of Imbalzano et al., J. Chem. Phys. 148, 241730
(2018), in terms of correlations, and always select the same features from the same sample.

Farthest-point sampling adds the feature that makes the largest angle with its nearest selected one; the sign of a
feature plays no part, since it means nothing to a network.

CUR adds the feature of the largest weight in the principal axis of what the selected ones leave unexplained (its
leverage score for the truncated singular value decomposition of rank one), and then removes from all columns their
part along it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError, did_you_mean
from mliap_hybrid.features.statistics import varying_features

METHODS = ("fps", "cur")

INDEPENDENT = 1e-12
"""Least part of a feature's variance that the selected ones must leave unexplained for it to be worth adding."""


def select_features(features: Tensor, n_selected: int, method: str) -> Tensor:
    """Columns of the features to keep.

    Parameters
    ----------
    features : Tensor, shape (n_samples, n_features), float64
        Features of a sample of atoms.
    n_selected : int
    method : {"fps", "cur"}

    Returns
    -------
    Tensor, shape (n_selected,), int64
        In the order in which they were added. Constant features are never among them.

    Raises
    ------
    InputError
        If the method is not known, or there are fewer features to choose from.
    """
    if method not in METHODS:
        raise InputError(f"unknown selection of features '{method}': {did_you_mean(method, METHODS)}")
    n_features = features.shape[1]
    if not 1 <= n_selected <= n_features:
        raise InputError(f"cannot select {n_selected} of {n_features} features: choose a number from 1 to {n_features}")
    varying = torch.nonzero(varying_features(features))[:, 0]  # (n_varying,)
    centred = features[:, varying] - features[:, varying].mean(0)
    columns = centred / centred.norm(dim=0)  # (n_samples, n_varying)
    correlations = columns.T @ columns  # (n_varying, n_varying)
    chosen = _farthest_points(correlations, n_selected) if method == "fps" else _cur(correlations, n_selected)
    if len(chosen) < n_selected:
        raise InputError(
            f"cannot select {n_selected} features: in these data {n_features - len(varying)} of the {n_features} are "
            f"constant, and all others follow from {len(chosen)} of them; choose at most {len(chosen)}"
        )
    return varying[torch.tensor(chosen, dtype=torch.int64)]


def _farthest_points(correlations: Tensor, n_selected: int) -> list[int]:
    """Start from the feature that is most alike all others."""
    squared_cosines = correlations.square()  # (n_features, n_features)
    squared_sines = torch.ones(len(correlations), dtype=correlations.dtype)  # to the nearest selected one
    candidate = int(squared_cosines.sum(1).argmax()) if len(correlations) else 0
    chosen: list[int] = []
    while len(chosen) < n_selected and len(correlations) and squared_sines[candidate] > INDEPENDENT:
        chosen.append(candidate)
        squared_sines = torch.minimum(squared_sines, 1.0 - squared_cosines[candidate])
        squared_sines[chosen] = 0.0
        candidate = int(squared_sines.argmax())
    return chosen


def _cur(correlations: Tensor, n_selected: int) -> list[int]:
    """Greedy CUR; the correlations of the columns without their selected parts are all that it needs."""
    remaining = correlations.clone()  # (n_features, n_features)
    chosen: list[int] = []
    while len(chosen) < n_selected and len(remaining):
        axis = torch.linalg.eigh(remaining)[1][:, -1]  # (n_features,): right singular vector of the columns
        leverage = torch.where(remaining.diagonal() > INDEPENDENT, axis.square(), -1.0)  # (n_features,)
        candidate = int(leverage.argmax())
        if leverage[candidate] < 0.0:
            break
        chosen.append(candidate)
        along = remaining[candidate] / remaining[candidate, candidate].sqrt()  # (n_features,)
        remaining = remaining - along[:, None] * along[None, :]
    return chosen
