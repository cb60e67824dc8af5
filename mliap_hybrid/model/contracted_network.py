"""A network on the invariants of a learned contraction, in the place of an `AtomicNetwork`: moments -> energy.

    E_i = network(B(x_i))

with B the whitened invariants of contraction.py and the network of atomic_network.py.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mliap_hybrid.kernels.backend import backend_of_training
from mliap_hybrid.kernels.network_weights import ContractionWeights, NetworkWeights
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.contraction import Contraction, ContractionShape
from mliap_hybrid.model.curvature import curvature_of_path
from mliap_hybrid.model.whitening import Whitening


class ContractedNetwork(torch.nn.Module):
    """Moments of an atom, and what else networks see -> its energy in eV."""

    is_conservative = True

    def __init__(self, contraction: Contraction, network: AtomicNetwork):
        """Put the two together.

        Parameters
        ----------
        contraction : Contraction
        network : AtomicNetwork
            On its invariants, and on inputs that go past it.
        """
        super().__init__()
        self.contraction = contraction
        self.network = network

    @classmethod
    def make(
        cls,
        n_moments: int,
        n_others: int,
        shape: ContractionShape,
        hidden: Sequence[int],
        n_elements: int,
        whitened: bool = True,
    ) -> ContractedNetwork:
        """One with weights from the current random state.

        Parameters
        ----------
        n_moments : int
        n_others : int
            Inputs that go past the contraction, behind the moments.
        shape : ContractionShape
        hidden : sequence of int
            Widths of the hidden layers.
        n_elements : int
        whitened : bool
            Whether the contraction has a whitening.
        """
        contraction = Contraction(n_moments, shape, n_elements, whitened)
        return cls(contraction, AtomicNetwork(shape.n_invariants + n_others, hidden, n_elements))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Widths of the hidden layers."""
        return self.network.hidden

    @property
    def layers(self) -> torch.nn.ModuleList:
        """Those of the network."""
        return self.network.layers

    @property
    def linear(self) -> Tensor:
        """(n_elements, n_invariants + n_others): linear term of the network."""
        return self.network.linear

    @property
    def offset(self) -> torch.nn.Parameter:
        """(n_elements,): that of the network."""
        return self.network.offset

    def forward(self, features: Tensor, species: Tensor) -> Tensor:
        """Energies (n_atoms,), eV, of moments and other inputs (n_atoms, n_moments + n_others)."""
        return self.network(self._inputs(features, species), species)

    def hidden_values(self, features: Tensor, species: Tensor) -> Tensor:
        """As in `AtomicNetwork`."""
        return self.network.hidden_values(self._inputs(features, species), species)

    def _inputs(self, features: Tensor, species: Tensor) -> Tensor:
        """What the network sees: invariants, and what goes past them."""
        n_moments = self.contraction.n_moments
        invariants = self.contraction(features[:, :n_moments], species)
        return torch.cat([invariants, features[:, n_moments:]], dim=1)

    def weights(self) -> NetworkWeights:
        """All that a back end takes, the whitening of the invariants folded into the first layer."""
        bare, whitening = self.network.weights(), self.contraction.whitening
        first, linear, shift = bare.weights[0], bare.linear, None
        if whitening is not None:
            n = whitening.matrix.shape[0]
            matrix = whitening.matrix.to(first.dtype).T
            first = torch.cat([first[:, :n] @ matrix, first[:, n:]], dim=1)
            linear = torch.cat([linear[:, :n] @ matrix, linear[:, n:]], dim=1)
            shift = torch.cat([whitening.mean.to(first.dtype), first.new_zeros(first.shape[1] - n)])
        weights = [first, *bare.weights[1:]]
        return NetworkWeights(weights, bare.biases, linear, bare.offset, shift, self.contraction.contraction_weights())

    def values_and_gradients(self, features: Tensor, species: Tensor) -> tuple[Tensor, Tensor]:
        """As in `AtomicNetwork`."""
        backend = backend_of_training(len(self.layers), features.device, features.dtype)
        return backend.values_and_gradients(features, species, self.weights())

    def curvatures(self, features: Tensor, species: Tensor, first: Tensor, second: Tensor) -> Tensor:
        """As in `AtomicNetwork`."""
        return curvature_of_path(lambda x: self(x, species), features, first, second)

    def parts(self) -> Mapping[str, torch.nn.Module]:
        """As in `AtomicNetwork`."""
        return {"network": self.network, "contraction": self.contraction}

    def initialise(self, features: Tensor, species: Tensor, n_widths: int, damping: float) -> None:
        """Initial weights of the contraction from a sample of what the network will see (n_samples, n_inputs)."""
        self.contraction.initialise(features[:, : self.contraction.n_moments], species, n_widths, damping)

    def contraction_weights(self, scaling: Whitening | None) -> ContractionWeights:
        """The contraction as a function of moments that are not scaled."""
        contraction = self.contraction if scaling is None else self.contraction.with_folded_scaling(scaling)
        return contraction.contraction_weights()

    def with_folded_whitening(self, whitening: Whitening) -> ContractedNetwork:
        """The same with the scaling of the moments in the contraction, and the whitening of the invariants folded."""
        contraction = self.contraction.with_folded_scaling(whitening)
        if contraction.whitening is None:
            return ContractedNetwork(contraction, copy.deepcopy(self.network))
        network = self.network.with_folded_whitening(contraction.whitening)
        return ContractedNetwork(contraction.without_whitening(), network)
