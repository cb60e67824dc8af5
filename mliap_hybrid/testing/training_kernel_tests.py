"""The part of `BackendTests` that needs no features: networks in training, and sums over pairs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from mliap_hybrid.kernels.backend import Backend
from mliap_hybrid.kernels.network_weights import NetworkWeights

PRECISIONS = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Precision -> largest error, relative to the largest number."""


def make_network(
    n_features: int,
    hidden: Sequence[int],
    n_elements: int = 3,
    seed: int = 0,
    device: str = "cpu",
    dtype: torch.dtype = torch.float64,
) -> NetworkWeights:
    """A network with random weights of every kind, whose gradients can be asked for."""
    random, sizes = torch.Generator().manual_seed(seed), [n_features, *hidden, 1]

    def weight(*shape: int) -> Tensor:
        values = 0.5 * torch.randn(shape, generator=random, dtype=torch.float64)
        return values.to(device, dtype).requires_grad_()

    return NetworkWeights(
        weights=[weight(n_out, n_in) for n_in, n_out in itertools.pairwise(sizes)],
        biases=[weight(n_out) for n_out in sizes[1:]],
        linear=weight(n_elements, n_features),
        offset=weight(n_elements),
    )


def value_by_definition(features: Tensor, species: Tensor, network: NetworkWeights) -> Tensor:
    """Values (n_atoms,) of a network, layer by layer with functions of torch."""
    inputs = features if network.shift is None else features - network.shift
    values = inputs
    for weight, bias in zip(network.weights[:-1], network.biases[:-1], strict=True):
        values = torch.nn.functional.silu(values @ weight.T + bias)
    values = (values @ network.weights[-1].T + network.biases[-1])[:, 0]
    return values + (network.linear[species] * inputs).sum(1) + network.offset[species]


def assert_rows_together(results: Sequence[Tensor], leaves: Sequence[Tensor], tolerance: float) -> None:
    """Rows of the Jacobian of results by leaves, all at a time by vmap, are those asked for one by one."""
    outputs = torch.cat([result.flatten() for result in results])
    unit_vectors = torch.eye(len(outputs), dtype=torch.float64, device=outputs.device)

    def rows(weights: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(outputs, leaves, weights, retain_graph=True)

    one_by_one = [rows(unit_vector) for unit_vector in unit_vectors]
    for k, together in enumerate(torch.vmap(rows)(unit_vectors)):
        expected = torch.stack([of_row[k] for of_row in one_by_one])
        torch.testing.assert_close(together, expected, rtol=tolerance, atol=tolerance)


class TrainingKernelTests:
    """Tests of the static methods of a `Backend`."""

    device: ClassVar[str] = "cpu"

    def training_kernels(self) -> type[Backend]:
        """The class of the back end."""
        raise NotImplementedError

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    @pytest.mark.parametrize("n_atoms", [0, 1, 23])
    @pytest.mark.parametrize("hidden", [(), (5,), (16, 16), (20, 7, 40)], ids=str)
    def test_network_in_training(self, hidden: tuple[int, ...], n_atoms: int, dtype: torch.dtype, tolerance: float):
        """Values, gradients by the features, and the gradient of a loss on both by all weights."""
        network = make_network(11, hidden, device=self.device, dtype=dtype)
        inputs, species, by_values, by_gradients = self._atoms(n_atoms, dtype)
        found = self.training_kernels().values_and_gradients(inputs, species, network)
        features = inputs.clone().requires_grad_()
        values = value_by_definition(features, species, network)
        (gradients,) = torch.autograd.grad(values.sum(), features, create_graph=True)
        derivatives = []
        for of_atoms, of_features in (found, (values, gradients)):
            loss = (of_atoms * by_values).sum() + (of_features * by_gradients).sum()
            derivatives.append(torch.autograd.grad(loss, network.parameters, allow_unused=True, materialize_grads=True))
        for one, other in zip((*found, *derivatives[0]), (values, gradients, *derivatives[1]), strict=True):
            assert one.dtype == dtype
            size = float(other.detach().abs().max()) if other.numel() else 0.0
            torch.testing.assert_close(one, other, rtol=0, atol=tolerance * max(1.0, size))

    def test_network_in_evaluation(self) -> None:
        """Where torch records nothing, the same numbers come without a graph."""
        network = make_network(11, (5,), device=self.device)
        inputs, species, *_ = self._atoms(6, torch.float64)
        kernels = self.training_kernels()
        with torch.no_grad():
            found = kernels.values_and_gradients(inputs, species, network)
        for one, other in zip(found, kernels.values_and_gradients(inputs, species, network), strict=True):
            assert not one.requires_grad
            assert torch.equal(one, other)

    def test_network_far_out_stays_finite(self) -> None:
        """SiLU and its derivatives have limits; exp would not."""
        network = make_network(11, (16,), device=self.device)
        inputs, species, *_ = self._atoms(20, torch.float64)
        inputs = inputs * 1e6
        found, gradients = self.training_kernels().values_and_gradients(inputs, species, network)
        assert gradients.isfinite().all()
        expected = value_by_definition(inputs, species, network)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))

    def test_shapes_of_a_network_are_checked(self) -> None:
        """Before anything is computed."""
        network = make_network(11, (5,), device=self.device)
        inputs, species, *_ = self._atoms(6, torch.float64)
        for wrong in ((inputs[:, :9], species), (inputs, species[:5])):
            with pytest.raises(ValueError, match="species of as many atoms"):
                self.training_kernels().values_and_gradients(*wrong, network)

    @pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS.items(), ids=str)
    def test_pair_sums_are_derivatives_of_the_energy(self, dtype: torch.dtype, tolerance: float) -> None:
        """Of any energy of pairs, by positions and by strain."""
        pair_i, pair_j, structure_of_atom, positions = self._pairs()
        strain = torch.zeros(3, 3, 3, dtype=torch.float64, device=self.device).requires_grad_()
        places = positions.clone().requires_grad_()
        vectors = places[pair_j] - places[pair_i]
        strained = vectors + torch.einsum("pa,pab->pb", vectors, strain[structure_of_atom[pair_i]])

        def energy(of_pairs: Tensor) -> Tensor:
            return (torch.exp(-of_pairs.norm(dim=1)) * of_pairs[:, 0].cos()).sum()

        by_places, by_strain = torch.autograd.grad(energy(strained), [places, strain])
        leaves = (positions[pair_j] - positions[pair_i]).requires_grad_()
        (gradients,) = torch.autograd.grad(energy(leaves), leaves)
        sums = self.training_kernels().pair_sums(pair_i, pair_j, leaves.detach(), structure_of_atom, 3)
        forces, virials = sums(gradients.to(dtype))
        assert (forces.dtype, virials.dtype) == (dtype, dtype)
        torch.testing.assert_close(forces.double(), -by_places, rtol=0, atol=10 * tolerance)
        torch.testing.assert_close(virials.double(), -by_strain, rtol=0, atol=10 * tolerance)

    def test_pair_sums_are_differentiable(self) -> None:
        """Once, in the pair gradients."""
        pair_i, pair_j, structure_of_atom, positions = self._pairs()
        sums = self.training_kernels().pair_sums(
            pair_i, pair_j, positions[pair_j] - positions[pair_i], structure_of_atom, 3
        )
        gradients = torch.randn(len(pair_i), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
        assert torch.autograd.gradcheck(sums, gradients.to(self.device).requires_grad_())

    def test_pair_sums_of_no_pairs(self) -> None:
        """Are zero."""
        _, _, structure_of_atom, positions = self._pairs()
        empty, nothing = structure_of_atom[:0], positions[:0]
        forces, virials = self.training_kernels().pair_sums(empty, empty, nothing, structure_of_atom, 3)(nothing)
        assert torch.equal(forces, torch.zeros_like(positions))
        assert torch.equal(virials, torch.zeros(3, 3, 3, dtype=torch.float64, device=self.device))

    @pytest.mark.parametrize("which", ["network", "sums"])
    def test_many_gradients_at_a_time(self, which: str) -> None:
        """Rows of a Jacobian by vmap are those asked for one by one, as Levenberg-Marquardt does it."""
        if which == "network":
            network = make_network(6, (5,), device=self.device)
            inputs, species, *_ = self._atoms(4, torch.float64, 6)
            results, leaves = self.training_kernels().values_and_gradients(inputs, species, network), network.parameters
        else:
            pair_i, pair_j, structure_of_atom, positions = self._pairs()
            vectors = positions[pair_j] - positions[pair_i]
            leaves = [torch.ones_like(vectors).requires_grad_()]
            results = self.training_kernels().pair_sums(pair_i, pair_j, vectors, structure_of_atom, 3)(leaves[0])
        assert_rows_together(results, leaves, 1e-13)

    def _atoms(self, n_atoms: int, dtype: torch.dtype, n_features: int = 11) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features, species, and the derivatives of a loss by values and gradients."""
        random = torch.Generator().manual_seed(1)
        features, by_gradients = torch.randn(2, n_atoms, n_features, generator=random, dtype=torch.float64)
        by_values = torch.randn(n_atoms, generator=random, dtype=torch.float64)
        species = torch.randint(0, 3, (n_atoms,), generator=random)
        given = (features.to(dtype), species, by_values.to(dtype), by_gradients.to(dtype))
        return tuple(part.to(self.device) for part in given)  # type: ignore[return-value]

    def _pairs(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """pair_i, pair_j and structures of all pairs within three structures of atoms at random places, and these."""
        random, sizes = torch.Generator().manual_seed(0), (4, 1, 5)
        structure_of_atom = torch.repeat_interleave(torch.arange(3), torch.tensor(sizes))
        positions = 3.0 * torch.randn(sum(sizes), 3, generator=random, dtype=torch.float64)
        same = structure_of_atom[:, None] == structure_of_atom
        pair_i, pair_j = (same & ~torch.eye(len(same), dtype=torch.bool)).nonzero().T.contiguous()
        return tuple(  # type: ignore[return-value]
            part.to(self.device) for part in (pair_i, pair_j, structure_of_atom, positions)
        )
