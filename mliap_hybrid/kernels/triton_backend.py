"""The back end on Triton's kernels: features and pair gradients on a GPU, without a copy to the processor.

The torch modules stay the definition. Kernels go over the pairs, there and back, and evaluate the invariants; networks,
second derivatives and sums over pairs are torch's, on the device. Triton is imported when a back end is made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import ClassVar

import torch
from torch import Tensor

from mliap_hybrid.errors import InputError
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.features.neighbour_moments import NeighbourMoments
from mliap_hybrid.kernels import torch_network
from mliap_hybrid.kernels.device_pairs import DevicePairs, DevicePairSorter
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.kernels.plan import is_known
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.kernels.torch_pair_sums import TorchPairSums
from mliap_hybrid.structure import Geometry


@dataclass(frozen=True)
class TritonState:
    """What `forward_with_state` leaves for `vjp`."""

    pairs: DevicePairs
    moments: Tensor
    """(n_moments, n_places), in the precision of the back end."""


class TritonBackend:
    """A `Backend` for tabulated multipoles and moments of neighbours on a CUDA device.

    `prepare` waits for the device once, to know that the geometry makes sense; on what it gave, no method waits but
    those that torch does (`hvp`).

    Parameters
    ----------
    features : GaussianMultipoles or NeighbourMoments
        The definition; its tables are copied.
    heads : sequence of NetworkWeights
    device : torch.device or str
    dtype : {torch.float64, torch.float32}
        Precision of the arithmetic. Pair gradients and values of heads are float64 at either.

    Raises
    ------
    InputError
        If the kernels cannot compute these features, or not on this device.
    """

    applies_derivatives: ClassVar[bool] = True
    fuses_heads: ClassVar[bool] = False

    def __init__(
        self,
        features: Featuriser,
        heads: Sequence[NetworkWeights] = (),
        device: torch.device | str = "cuda",
        dtype: torch.dtype = torch.float64,
    ):
        self.device, self.dtype = torch.device(device), dtype
        if not is_known(features) or not self.supports(features, heads, self.device, dtype):
            raise InputError(
                "the Triton kernels compute tabulated multipole features of the orders 0 to 6 without a root, and "
                f"moments of neighbours, in float32 or float64 on a CUDA device; found {type(features).__name__} of "
                f"the orders {getattr(features, 'orders', None)}, {dtype} and {device}: use the torch features"
            )
        from mliap_hybrid.kernels.triton_invariants import invariants
        from mliap_hybrid.kernels.triton_pair_kernels import PairKernels

        self.n_features, self.n_heads = features.n_features, len(heads)
        self._twin = TorchBackend(features, heads, self.device, dtype)
        on_device = self._twin.features
        assert isinstance(on_device, GaussianMultipoles | NeighbourMoments)
        self._n_slots = features.n_slots if isinstance(features, NeighbourMoments) else 1
        self._sort = DevicePairSorter(on_device.species_of, self.device, self._n_slots)
        self._kernels = PairKernels(features, self.device, dtype)
        self._invariants = None
        if isinstance(features, GaussianMultipoles):
            self._invariants = [part.to(self.device, dtype) for part in invariants(features)]

    @staticmethod
    def supports(
        features: Featuriser | None, heads: Sequence[NetworkWeights], device: torch.device, dtype: torch.dtype
    ) -> bool:
        """As `Backend`; heads of any depth."""
        return (
            device.type == "cuda"
            and dtype in (torch.float32, torch.float64)
            and (features is None or is_known(features))
            and find_spec("triton") is not None
        )

    def prepare(self, geometry: Geometry | DevicePairs) -> DevicePairs:
        """As `Backend`: pairs place after place.

        Raises
        ------
        InputError
            If an atom is of an element that the features were not made for, a position is not a number, or two atoms
            sit at one place.
        ValueError
            If the geometry is on another kind of device.
        """
        return geometry if isinstance(geometry, DevicePairs) else self._sort(geometry)

    def forward(self, geometry: Geometry | DevicePairs) -> Tensor:
        """As `Backend`: (n_centres, n_features)."""
        return self.forward_with_state(geometry)[0]

    def forward_with_state(self, geometry: Geometry | DevicePairs) -> tuple[Tensor, TritonState]:
        """As `Backend`: (n_centres, n_features), and the moments."""
        pairs = self.prepare(geometry)
        moments = self._kernels.moments(pairs)  # (n_moments, n_places)
        if self._invariants is not None:
            return self._invariants[0](moments, moments).T, TritonState(pairs, moments)
        return self._by_centre(moments), TritonState(pairs, moments)

    def vjp(
        self, geometry: Geometry | DevicePairs, feature_gradient: Tensor, state: TritonState | None = None
    ) -> Tensor:
        """As `Backend`: (n_pairs, 3) float64."""
        pairs = self.prepare(geometry) if state is None else state.pairs
        expected = (pairs.geometry.n_centres, self.n_features)
        if feature_gradient.shape != expected:
            raise ValueError(f"expected dE/dF of shape {expected}, got {tuple(feature_gradient.shape)}")
        weights = feature_gradient.detach().to(self.dtype)
        if self._invariants is not None:
            moments = self._kernels.moments(pairs) if state is None else state.moments
            adjoint = self._invariants[1](weights.T.contiguous(), moments)  # (n_moments, n_places)
        else:
            by_place = weights.view(-1, self._kernels.n_components, self._n_slots, self._kernels.n_probes)
            adjoint = by_place.permute(1, 3, 0, 2).reshape(-1, pairs.n_places).contiguous()
        return self._kernels.pair_gradients(pairs, adjoint)

    def jvp(self, geometry: Geometry | DevicePairs, displacements: Tensor) -> Tensor:
        """As `Backend`: (n_centres, n_features)."""
        pairs = self.prepare(geometry)
        if displacements.shape != pairs.vectors.shape:
            raise ValueError(
                f"expected displacements of shape {tuple(pairs.vectors.shape)}, got {tuple(displacements.shape)}"
            )
        changes = self._kernels.moment_changes(pairs, displacements.detach().contiguous())  # (n_moments, n_places)
        if self._invariants is not None:
            return self._invariants[2](changes, self._kernels.moments(pairs)).T
        return self._by_centre(changes)

    def hvp(self, geometry: Geometry | DevicePairs, feature_gradient: Tensor, displacements: Tensor) -> Tensor:
        """As `Backend`: (n_pairs, 3) float64; by `TorchBackend` on the device."""
        return self._twin.hvp(self.prepare(geometry).geometry, feature_gradient, displacements)

    def heads_and_gradients(self, geometry: Geometry | DevicePairs) -> tuple[Tensor, Tensor]:
        """As `Backend`: (n_heads, n_centres) and (n_heads, n_pairs, 3), float64; networks by torch on the device."""
        values, by_features, state = self._heads_on_features(geometry)
        return values, torch.stack([self.vjp(state.pairs, of_head, state) for of_head in by_features])

    def heads_and_mean_gradient(self, geometry: Geometry | DevicePairs) -> tuple[Tensor, Tensor]:
        """As `Backend`: (n_heads, n_centres) and (n_pairs, 3), float64; networks by torch on the device."""
        values, by_features, state = self._heads_on_features(geometry)
        return values, self.vjp(state.pairs, by_features.mean(0), state)

    @staticmethod
    def pair_sums(
        pair_i: Tensor, pair_j: Tensor, pair_vectors: Tensor, structure_of_atom: Tensor, n_structures: int
    ) -> TorchPairSums:
        """As `Backend`: torch's sums by index, on the device."""
        return TorchPairSums(pair_i, pair_j, pair_vectors, structure_of_atom, n_structures)

    @staticmethod
    def values_and_gradients(features: Tensor, species: Tensor, network: NetworkWeights) -> tuple[Tensor, Tensor]:
        """As `Backend`: products of matrices, which are torch's on the device."""
        return torch_network.values_and_gradients(features, species, network)

    def _by_centre(self, moments: Tensor) -> Tensor:
        """Moments of neighbours, or changes of them, as features (n_centres, n_features)."""
        by_place = moments.view(self._kernels.n_components, self._kernels.n_probes, -1, self._n_slots)
        return by_place.permute(2, 0, 3, 1).reshape(-1, self.n_features)

    def _heads_on_features(self, geometry: Geometry | DevicePairs) -> tuple[Tensor, Tensor, TritonState]:
        """Values (n_heads, n_centres), gradients by the features (n_heads, n_centres, n_features), and the state."""
        self._twin.check_heads()
        features, state = self.forward_with_state(geometry)
        values, by_features = self._twin.heads_of(features, state.pairs.centre_species)
        return values, by_features, state
