"""What the heads of a training say of frames with cached features: `HeadsOfGeometry`, differentiable in the weights.

Features x are constants, and so is dx/dr_p (feature_derivatives.py): with g_i = sum over heads of (dE/da_i) da_i/dx_i,

    dE/dr_p = g_i(p) . dx_i/dr_p.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.model.heads import Heads


class CachedHeads:
    """The heads of a training on frames."""

    def __init__(self, heads: Heads, frames: TrainingFrames, inputs: Tensor):
        """Compute the values.

        Parameters
        ----------
        heads : Heads
            Of one member each.
        frames : TrainingFrames
        inputs : Tensor, shape (n_atoms, n_inputs)
            What the networks see: the features of the frames first.
        """
        self._frames = frames
        each = {head.name: head.networks[0].values_and_gradients(inputs, frames.species) for head in heads}
        self.values: Mapping[str, Tensor] = {name: values for name, (values, _) in each.items()}
        self._gradients = {name: gradients for name, (_, gradients) in each.items()}

    def pair_gradients(self, weights: Mapping[str, Tensor]) -> Tensor:
        """As in `HeadsOfGeometry`. Energies alone count as they are: their weight is one."""
        if list(self.values) == ["energy"]:
            gradients = self._gradients["energy"]  # (n_atoms, n_inputs)
        else:
            chosen = [name for name in self.values if name in weights]
            if not chosen:
                return torch.zeros_like(self._frames.pair_vectors, dtype=self._frames.features.dtype)
            weighted = [weights[name][:, None] * self._gradients[name] for name in chosen]
            gradients = sum(weighted[1:], weighted[0])
        n_features = self._frames.features.shape[1]
        if gradients.shape[1] > n_features:  # a last column belongs to the total charge
            gradients = gradients[:, :n_features]
        return self._frames.derivatives.pair_gradients(self._frames, gradients)
