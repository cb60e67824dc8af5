"""Energy and gradient of all local terms for one set of environments: the work of one step of a run.

The same numbers as `models.derivatives.predict` gives by automatic differentiation, on the direct path: features,
network forward and backward, then the features' own transposed Jacobian. Nothing larger than the pairs' moments is
kept for the backward pass.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.structure import Environments


class Evaluator:
    """Local energies and pair gradients of a model, long-range correction of the pair style included."""

    def __init__(self, model: HybridModel):
        self.model = model.requires_grad_(False)

    def __call__(self, environments: Environments) -> tuple[Tensor, Tensor]:
        """Evaluate the model.

        Parameters
        ----------
        environments : Environments

        Returns
        -------
        energies : Tensor, shape (n_centres,), eV
        pair_gradients : Tensor, shape (n_pairs, 3), eV/Å
            dE/dr_p of the sum of the energies, r_p = r_j - r_i.
        """
        features, state = self.model.features.forward_with_state(environments)  # (n_centres, n_features)
        network_energies, feature_gradients = self._network(features, environments.centre_numbers)
        gradients = self.model.features.gradient(environments, feature_gradients, state)  # (n_pairs, 3)
        pair_energies, pair_gradients = self._explicit_terms(environments)
        return network_energies + pair_energies, gradients + pair_gradients

    def _network(self, features: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Network energies (n_centres,) and their gradient with respect to the features (n_centres, n_features)."""
        with torch.enable_grad():
            features = features.detach().requires_grad_()
            energies = self.model.network_energies(features, numbers)
            (gradients,) = torch.autograd.grad(energies.sum(), features)
        return energies.detach(), gradients

    def _explicit_terms(self, environments: Environments) -> tuple[Tensor, Tensor]:
        """E0, repulsion and smearing correction (n_centres,), and their gradient (n_pairs, 3)."""
        with torch.enable_grad():
            vectors = environments.pair_vectors.detach().requires_grad_()
            environments = replace(environments, pair_vectors=vectors)
            energies = self.model.pair_energies(environments) + self.model.smearing_correction(environments)
            if not energies.requires_grad:
                return energies, torch.zeros_like(vectors)
            (gradients,) = torch.autograd.grad(energies.sum(), vectors)
        return energies.detach(), gradients
