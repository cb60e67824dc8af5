"""What lies between positions and features: the moments of each centre, what they were made of, and their change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.features.harmonics import solid_harmonic_gradients


@dataclass(frozen=True)
class MultipoleState:
    """What a forward pass leaves for the gradient. Neighbours lie in one row for each centre, n_slots to a row."""

    slots: Tensor
    """(n_pairs,) int64: place of each pair among the n_centres * n_slots places."""
    vectors: Tensor
    """(n_centres, 3, n_slots) Å: pair vectors; empty places hold one beyond the cutoff."""
    distances: Tensor
    """(n_centres, n_slots) Å."""
    species: Tensor
    """(n_centres, n_slots) int64: index of each neighbour's element."""
    radial: Tensor
    """(n_centres, n_slots, n_channels): radial functions."""
    harmonics: list[Tensor]
    """(n_centres, 2n + 1, n_slots) for each n from 0: solid harmonics."""
    moments: dict[int, Tensor]
    """Order n -> (n_centres, 2n + 1, n_probes): M_nam."""
    squares: Tensor
    """(n_centres, n_features): F before a root is taken."""


@dataclass(frozen=True)
class MomentChange:
    """How moments of order n change with a pair vector: by g'(r) S_nm along it, and by g(r) dS_nm in all directions."""

    directions: Tensor
    """(n_centres, n_slots, 3): unit vectors along the pairs."""
    radial_derivatives: Tensor
    """(n_centres, n_slots, n_probes): g'."""
    harmonics: Tensor
    """(n_centres, 2n + 1, n_slots): S_nm."""
    radial: Tensor
    """(n_centres, n_slots, n_probes): g."""
    gradients: Tensor
    """(n_centres, 3, 2n + 1, n_slots): dS_nm, zero for n = 0."""

    def feature_derivatives(self, by_moments: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        """Derivatives of features (n_centres, n_slots, 3, n_features) from their derivative by the moments.

        `by_moments` takes the radial and the angular factor of a change, as `MomentProducts.derivative` does.
        """
        along = by_moments(self.radial_derivatives, self.harmonics)  # (n_centres, n_slots, n_features)
        result = self.directions[..., None] * along[:, :, None]  # (n_centres, n_slots, 3, n_features)
        if self.harmonics.shape[1] > 1:
            angles = self.gradients.transpose(1, 2).flatten(2, 3)  # (n_centres, 2n + 1, 3 n_slots)
            across = by_moments(self.radial, angles)  # (n_centres, 3 n_slots, n_features)
            result = result + across.unflatten(1, (3, -1)).transpose(1, 2)
        return result


def moment_changes(
    state: MultipoleState, radial_derivatives: Tensor, radial_blocks: Mapping[int, slice]
) -> dict[int, MomentChange]:
    """Order -> change of its moments, from g' (n_centres, n_slots, n_channels) of all orders."""
    directions = (state.vectors / nonzero_distances(state.distances)[:, None]).transpose(
        1, 2
    )  # (n_centres, n_slots, 3)
    gradients = solid_harmonic_gradients(state.harmonics)  # (n_centres, 3, 2n + 1, n_slots) each
    return {
        n: MomentChange(
            directions,
            radial_derivatives[..., block],
            state.harmonics[max(n, 0)],
            state.radial[..., block],
            gradients[max(n, 0)],
        )
        for n, block in radial_blocks.items()
    }


def nonzero_distances(distances: Tensor) -> Tensor:
    """Distances that can be divided by."""
    return distances.clamp_min(torch.finfo(distances.dtype).tiny)
