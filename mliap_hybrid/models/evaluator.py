"""Energies and gradients of a trained model, as fast as they can be had: in runs, in ASE and in error tables.

The same numbers as `derivatives.predict` gives by automatic differentiation. On a processor the native kernels do
features, network and gradient in one pass; where they do not reach (a GPU, features that they do not know) torch takes
the direct path: features, network forward and backward, then the features' own transposed Jacobian.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.models.derivatives import Prediction, add_long_range, assemble
from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.models.native import has_native_network, native_network
from mliap_hybrid.structure import Batch, Environments


class Evaluator:
    """A model that is no longer trained: weights that change later are not seen."""

    def __init__(self, model: HybridModel, dtype: torch.dtype = torch.float64):
        """Set up the fastest path for a model.

        Parameters
        ----------
        model : HybridModel
        dtype : {torch.float64, torch.float32}
            Precision of the native kernels; sums and explicit terms are float64 at either.
        """
        self.model = model
        self.native = native_network(model, dtype) if has_native_network(model) else None

    def predict(self, batch: Batch) -> Prediction:
        """Energies, forces and virials of whole structures, with the long-range term.

        Parameters
        ----------
        batch : Batch
            With all pairs up to the model's cutoff.

        Returns
        -------
        Prediction

        Raises
        ------
        InputError
            If an atom's element is not one of the model's.
        """
        self.model.check_elements(batch.numbers)
        vectors = batch.pair_vectors()  # (n_pairs, 3)
        energies, gradients = self.local_terms(batch.environments(vectors))
        return add_long_range(self.model, batch, assemble(batch, energies, gradients, vectors))

    def local_terms(self, environments: Environments, *, smearing_correction: bool = False) -> tuple[Tensor, Tensor]:
        """Energies of the centres without the long-range term, and their gradient.

        Parameters
        ----------
        environments : Environments
        smearing_correction : bool
            Add what the pair style adds to LAMMPS' point-charge energy.

        Returns
        -------
        energies : Tensor, shape (n_centres,), eV
        pair_gradients : Tensor, shape (n_pairs, 3), eV/Å
            g_p = dE/dr_p of the sum of the energies, r_p = r_j - r_i.
        """
        energies, gradients = self._network(environments)
        explicit_energies, explicit_gradients = self._explicit_terms(environments, smearing_correction)
        return energies + explicit_energies, gradients + explicit_gradients

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

    def _explicit_terms(self, environments: Environments, smearing_correction: bool) -> tuple[Tensor, Tensor]:
        """Element and pair energies (n_centres,), and their gradient (n_pairs, 3): (dE/dr) r_p / r."""
        model, vectors = self.model, environments.pair_vectors.detach()
        distances = torch.linalg.vector_norm(vectors, dim=1)  # (n_pairs,)
        energies = model.element_energies(environments.centre_numbers)  # (n_centres,)
        with torch.enable_grad():
            distances = distances.requires_grad_()
            pair_energies = model.pair_energies(environments, distances)  # (n_pairs,)
            if smearing_correction and model.is_charged:
                self_energies, of_pairs = model.smearing_correction(environments, distances)
                energies, pair_energies = energies + self_energies, pair_energies + of_pairs
            if not pair_energies.requires_grad:
                return energies, torch.zeros_like(vectors)
            (slopes,) = torch.autograd.grad(pair_energies.sum(), distances)  # (n_pairs,) eV/Å
        energies = energies.index_add(0, environments.pair_i, pair_energies.detach())
        return energies, (slopes / distances.detach())[:, None] * vectors
