"""Energy and gradient of all local terms for one set of environments: the work of one step of a run.

The same numbers as `models.derivatives.predict` gives by automatic differentiation. On a processor the native kernels
do features, network and gradient in one pass; where they do not reach (a GPU, features that they do not know) torch
takes the direct path: features, network forward and backward, then the features' own transposed Jacobian.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.kernels.plan import is_supported
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.models.native import native_network
from mliap_hybrid.structure import Environments


class Evaluator:
    """Local energies and pair gradients of a model, long-range correction of the pair style included."""

    def __init__(self, model: HybridModel, dtype: torch.dtype = torch.float64):
        """Set up the fastest path for a model.

        Parameters
        ----------
        model : HybridModel
        dtype : {torch.float64, torch.float32}
            Precision of the native kernels; sums and explicit terms are float64 at either.
        """
        self.model = model.requires_grad_(False)
        self.native = native_network(model, dtype) if is_supported(model.features) else None

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
        energies, gradients = self._network(environments)
        pair_energies, pair_gradients = self._explicit_terms(environments)
        return energies + pair_energies, gradients + pair_gradients

    def _network(self, environments: Environments) -> tuple[Tensor, Tensor]:
        """Network energies (n_centres,) and their gradient (n_pairs, 3)."""
        if self.native is not None and environments.pair_vectors.device.type == "cpu":
            self.native.n_threads = torch.get_num_threads()
            return self.native.energies(environments)
        features, state = self.model.features.forward_with_state(environments)  # (n_centres, n_features)
        with torch.enable_grad():
            features = features.detach().requires_grad_()
            energies = self.model.network_energies(features, environments.centre_numbers)
            (feature_gradients,) = torch.autograd.grad(energies.sum(), features)  # (n_centres, n_features)
        return energies.detach(), self.model.features.gradient(environments, feature_gradients, state)

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
