"""The kernels that go over pairs: their tables on a device, and their starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import triton
from torch import Tensor

from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.features.radial import SplinedRadial
from mliap_hybrid.kernels.device_pairs import DevicePairs
from mliap_hybrid.kernels.plan import n_probes, own_moments, radial_table
from mliap_hybrid.kernels.triton_launch import BLOCK, FUSE_MULTIPLY_ADDS, on_device_of, warps_for
from mliap_hybrid.kernels.triton_moment_changes import moment_changes_kernel
from mliap_hybrid.kernels.triton_moments import moments_kernel
from mliap_hybrid.kernels.triton_pair_gradients import pair_gradients_kernel
from mliap_hybrid.kernels.triton_radial import cubic_table


class PairKernels:
    """The kernels that go over pairs, for some features.

    Parameters
    ----------
    features : GaussianMultipoles or NeighbourMoments
        Features that `plan.is_known`.
    device : torch.device
    dtype : {torch.float32, torch.float64}
        Precision of tables and arithmetic. The sums of a moment are of this precision, too: added up over a block of
        neighbours as a tree, their rounding is that of the terms. Pair gradients are float64.
    """

    def __init__(self, features: GaussianMultipoles | NeighbourMoments, device: torch.device, dtype: torch.dtype):
        assert isinstance(features.radial, SplinedRadial)
        self.orders, self.cutoff = features.orders, features.cutoff
        self.n_probes = n_probes(features)
        self.n_components = sum(2 * n + 1 for n in self.orders)
        n_places = triton.next_power_of_2(self.n_probes)
        knots = radial_table(features.radial, dtype)  # (n_elements, n_intervals + 1, 2, n_radial)
        self._table = cubic_table(knots, len(self.orders), n_places).to(device, dtype)
        own = own_moments(features)  # (n_elements, n_probes)
        self._own = torch.nn.functional.pad(own, (0, n_places - self.n_probes)).to(device, dtype)

    def moments(self, pairs: DevicePairs) -> Tensor:
        """Moments (n_components n_probes, n_places): component after component, and probe after probe of each."""
        result = self._table.new_empty((self.n_components * self.n_probes, pairs.n_places))
        return self._start(moments_kernel, pairs, (pairs.own_species, self._own), result)

    def pair_gradients(self, pairs: DevicePairs, adjoint: Tensor) -> Tensor:
        """dE/dr_p (n_pairs, 3) float64 from dE/dM (n_components n_probes, n_places), contiguous."""
        result = torch.empty_like(pairs.vectors, dtype=torch.float64)
        return self._start(pair_gradients_kernel, pairs, (adjoint,), result)

    def moment_changes(self, pairs: DevicePairs, displacements: Tensor) -> Tensor:
        """Changes of `moments` when each r_p changes by displacements (n_pairs, 3), contiguous."""
        result = self._table.new_empty((self.n_components * self.n_probes, pairs.n_places))
        return self._start(moment_changes_kernel, pairs, (displacements,), result)

    def _start(self, kernel: Any, pairs: DevicePairs, inputs: Sequence[Tensor], result: Tensor) -> Tensor:
        """Start one program for each place; what it has beside pairs and tables are its inputs."""
        if result.numel():
            with on_device_of(result):
                kernel[(pairs.n_places,)](
                    pairs.vectors,
                    pairs.species,
                    pairs.offsets if pairs.order is None else pairs.order,
                    pairs.offsets,
                    *inputs,
                    self._table,
                    result,
                    pairs.n_places,
                    self.n_probes,
                    **self.constants(pairs.order is None),
                )
        return result

    def constants(self, is_sorted: bool) -> dict[str, Any]:
        """What the kernels are compiled for: pairs that are given place after place or not, and these features."""
        n_places = self._own.shape[1]
        return {
            "IS_SORTED": is_sorted,
            "ORDERS": self.orders,
            "N_INTERVALS": self._table.shape[1],
            "CUTOFF": self.cutoff,
            "P": n_places,
            "BLOCK": BLOCK,
            "num_warps": warps_for(self.n_components, n_places, self._own.dtype),
            "enable_fp_fusion": FUSE_MULTIPLY_ADDS,
        }
