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

    def __init__(self, heads: Heads, frames: TrainingFrames, inputs: Tensor, create_graph: bool):
        """Compute the values.

        Parameters
        ----------
        heads : Heads
            Of one member each.
        frames : TrainingFrames
        inputs : Tensor, shape (n_atoms, n_inputs)
            What the networks see: the features of the frames first.
        create_graph : bool
            Whether gradients must be differentiable in the weights.
        """
        self._frames = frames
        self._create_graph = create_graph
        self._gradients: Tensor | None = None
        if len(heads) == 1 and "energy" in heads.heads:  # one kernel for values and gradients
            head = heads["energy"]
            values, self._gradients = head.networks[0].values_and_gradients(inputs, frames.species)
            self.values: Mapping[str, Tensor] = {head.name: values}
            return
        with torch.enable_grad():
            self._inputs = inputs.detach().requires_grad_()  # (n_atoms, n_inputs)
            self.values = {head.name: head(self._inputs, frames.species) for head in heads}

    def pair_gradients(self, weights: Mapping[str, Tensor]) -> Tensor:
        """As in `HeadsOfGeometry`. Energies alone count as they are: their weight is one."""
        gradients = self._gradients
        if gradients is None:
            chosen = [name for name in self.values if name in weights]
            values, of_values = [self.values[name] for name in chosen], [weights[name] for name in chosen]
            (gradients,) = torch.autograd.grad(
                values, self._inputs, of_values, create_graph=self._create_graph, retain_graph=True
            )
        n_features = self._frames.features.shape[1]
        if gradients.shape[1] > n_features:  # a last column belongs to the total charge
            gradients = gradients[:, :n_features]
        return self._frames.derivatives.pair_gradients(self._frames, gradients)
