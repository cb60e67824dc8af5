"""From moments to rotation-invariant features: which products of moments of one order are taken.

`diagonal` is the paper's power spectrum, N_a sum_m M_am^2 for each probe a (a density channel and a width). `all` takes
sqrt(N_a N_b) sum_m M_am M_bm for every pair a <= b, which tells how the multipoles of two widths or two channels lie to
each other; at n = 0, where a moment is a number, the moments themselves stand for their products.
"""

from __future__ import annotations

import torch
from torch import Tensor


class MomentProducts(torch.nn.Module):
    """Features of one order n from its moments, and the derivatives of that map."""

    first: Tensor
    second: Tensor
    scale: Tensor

    def __init__(self, norms: Tensor, linear: bool, all_pairs: bool):
        """Choose the products.

        Parameters
        ----------
        norms : Tensor, shape (n_probes,)
            Normalisation N_a of the square of each probe's moment.
        linear : bool
            Take the moments themselves (they must have one component).
        all_pairs : bool
            Take the products of all pairs of probes, not only the squares.
        """
        super().__init__()
        n_probes = len(norms)
        probes = torch.arange(n_probes)
        pairs = torch.triu_indices(n_probes, n_probes) if all_pairs and not linear else torch.stack([probes, probes])
        self.linear = linear
        self.n_features = pairs.shape[1]
        scale = (norms[pairs[0]] if linear else norms[pairs[0]] * norms[pairs[1]]).sqrt()
        self.register_buffer("first", pairs[0], persistent=False)  # (n_features,) probe a
        self.register_buffer("second", pairs[1], persistent=False)  # (n_features,) probe b
        self.register_buffer("scale", scale, persistent=False)  # (n_features,)

    def forward(self, moments: Tensor) -> Tensor:
        """Features (n_centres, n_features) of moments (n_centres, 2n + 1, n_probes)."""
        scale = self.scale.to(moments.dtype)
        if self.linear:
            return moments[:, 0] * scale
        return (moments[..., self.first] * moments[..., self.second]).sum(1) * scale

    def adjoint(self, moments: Tensor, weights: Tensor) -> Tensor:
        """dE/dM (n_centres, 2n + 1, n_probes) from dE/dF, `weights` (n_centres, n_features)."""
        weights = weights * self.scale.to(moments.dtype)
        if self.linear:
            return weights[:, None]
        n_probes = moments.shape[2]
        matrix = moments.new_zeros((len(moments), n_probes * n_probes))
        matrix[:, self.first * n_probes + self.second] = weights
        matrix = matrix.view(-1, n_probes, n_probes)
        return torch.bmm(moments, matrix + matrix.transpose(1, 2))

    def derivative(self, moments: Tensor, changes: Tensor, angles: Tensor) -> Tensor:
        """Change of the features when each moment of probe a changes by `changes_a` times `angles`.

        Parameters
        ----------
        moments : Tensor, shape (n_centres, 2n + 1, n_probes)
        changes : Tensor, shape (n_centres, n_slots, n_probes)
            Radial factor of the change, for each neighbour.
        angles : Tensor, shape (n_centres, 2n + 1, k)
            Angular factor of the change; k is a multiple of n_slots, the last index running over the slots.

        Returns
        -------
        Tensor, shape (n_centres, k, n_features)
        """
        scale = self.scale.to(moments.dtype)
        repeats = angles.shape[2] // max(1, changes.shape[1])
        changes = changes.repeat(1, repeats, 1) if repeats > 1 else changes  # (n_centres, k, n_probes)
        if self.linear:
            return angles.transpose(1, 2) * changes * scale
        contracted = torch.bmm(angles.transpose(1, 2), moments)  # (n_centres, k, n_probes)
        result = changes[..., self.first] * contracted[..., self.second]
        result = result + changes[..., self.second] * contracted[..., self.first]
        return result * scale
