"""What all features have to pass: inherit `FeaturiserTests`, and say which featuriser it is.

    class TestMine(FeaturiserTests):
        def featuriser(self):
            return MyFeatures(self.elements, self.cutoff)

Symmetries, derivatives against finite differences and automatic differentiation, the way to the cutoff, empty
structures, and mistakes that must be told.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.interface import Featuriser
from mliap_hybrid.structure import Batch, Geometry, join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.testing.surroundings import random_like

NONE = torch.zeros(0, dtype=torch.int64)
NO_VECTORS = torch.zeros(0, 3, dtype=torch.float64)


class FeaturiserTests:
    """Tests of a `Featuriser` for H, O, Na and Cl."""

    elements: ClassVar[tuple[int, ...]] = (1, 8, 11, 17)
    cutoff: ClassVar[float] = 4.5
    """Å."""
    rounding: ClassVar[float] = 1e-10
    """What turned structures may differ by, relative to the largest value of each feature."""

    def featuriser(self) -> Featuriser:
        """The features, for `elements` and `cutoff`."""
        raise NotImplementedError

    def invariants_of(self, features: Featuriser, values: Tensor) -> Tensor:
        """What does not change when structures turn, of features (n_atoms, n_features): by default, all of them."""
        return values

    def is_smooth(self) -> bool:
        """Whether features and their first derivatives are continuous at the cutoff."""
        return True

    def structure(self, periodic: bool = True) -> Atoms:
        """A few atoms of all elements, in a cell or alone."""
        return random_structure(9, ["Na", "O", "Cl", "H"], TRICLINIC_CELL if periodic else None, seed=3)

    def test_what_it_says_of_itself(self) -> None:
        """Numbers, labels, and nothing that is trained or stored."""
        features = self.featuriser()
        assert (features.elements, features.cutoff) == (self.elements, self.cutoff)
        assert len(set(features.feature_labels)) == len(features.feature_labels) == features.n_features
        if isinstance(features, torch.nn.Module):
            assert not list(features.parameters())
            assert not features.state_dict()

    @pytest.mark.parametrize("periodic", [True, False])
    def test_turned_reflected_and_shifted(self, periodic: bool) -> None:
        """Nothing changes, or what is made of features that turn does not."""
        features, atoms = self.featuriser(), self.structure(periodic)

        def evaluate(of: Atoms) -> Tensor:
            return self.invariants_of(features, self._evaluate(features, of))

        expected = evaluate(atoms)
        turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
        for matrix in (turn * np.linalg.det(turn), -np.eye(3), np.diag([1.0, 1.0, -1.0])):
            turned = Atoms(atoms.numbers, atoms.positions @ matrix.T, cell=atoms.cell.array @ matrix.T, pbc=atoms.pbc)
            assert_equal_by_feature(evaluate(turned), expected, self.rounding)
        shifted = atoms.copy()
        shifted.translate([0.3, -7.1, 2.2])
        assert_equal_by_feature(evaluate(shifted), expected, self.rounding)

    def test_atoms_and_pairs_in_any_order(self) -> None:
        """Features follow their atoms, derivatives their pairs."""
        features, atoms, geometry = self.featuriser(), self.structure(), self._geometry()
        order = np.random.default_rng(0).permutation(len(atoms))
        expected = self._evaluate(features, atoms)
        assert_equal_by_feature(self._evaluate(features, atoms[order]), expected[order], self.rounding)
        shuffle = torch.randperm(len(geometry.pair_i), generator=torch.Generator().manual_seed(0))
        numbers, vectors = geometry.neighbour_numbers[shuffle], geometry.pair_vectors[shuffle]
        shuffled = Geometry(geometry.centre_numbers, numbers, geometry.pair_i[shuffle], vectors)
        weights = self._weights(features)
        assert_equal_by_feature(features(shuffled), expected, self.rounding)
        assert_equal(features.vjp(shuffled, weights), features.vjp(geometry, weights)[shuffle], 1e-12)
        assert_equal(features.jacobian(shuffled), features.jacobian(geometry)[shuffle], 1e-12)

    def test_periodic_images(self) -> None:
        """Any image of an atom will do, and a crystal twice is the crystal."""
        features, atoms = self.featuriser(), self.structure()
        expected = self._evaluate(features, atoms)
        moved = atoms.copy()
        moved.positions += np.random.default_rng(0).integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
        assert_equal_by_feature(self._evaluate(features, moved), expected, self.rounding)
        assert_equal_by_feature(self._evaluate(features, atoms.repeat((2, 1, 1))), expected.repeat(2, 1), self.rounding)

    def test_structures_of_a_batch_do_not_see_each_other(self) -> None:
        """A crystal, a molecule and an atom together give what each gives alone, derivatives included."""
        features = self.featuriser()
        alone = [self.structure(), Atoms("Na", positions=[[1.0, 2.0, 3.0]]), self.structure(False)]
        batches = [frame_to_batch(atoms, self.cutoff) for atoms in alone]
        together = join_batches(batches).geometry()
        expected = torch.cat([features(batch.geometry()) for batch in batches])
        assert_equal_by_feature(features(together), expected, 1e-12)
        jacobians = torch.cat([features.jacobian(batch.geometry()) for batch in batches])
        assert_equal(features.jacobian(together), jacobians, 1e-12)
        weights = random_like(expected)
        n_atoms = [batch.n_atoms for batch in batches]
        by_pairs = [
            features.vjp(batch.geometry(), of_batch)
            for batch, of_batch in zip(batches, weights.split(n_atoms), strict=True)
        ]
        assert_equal(features.vjp(together, weights), torch.cat(by_pairs), 1e-12)

    def test_forces_by_finite_differences(self) -> None:
        """Of a weighted sum of all features, in the positions of all atoms."""
        features, atoms, batch = self.featuriser(), self.structure(), self._batch()
        weights = self._weights(features)

        def energy(positions: np.ndarray, cell: np.ndarray) -> float:
            moved = Atoms(atoms.numbers, positions, cell=cell, pbc=atoms.pbc)
            return float((weights * self._evaluate(features, moved)).sum())

        expected = torch.from_numpy(forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4))
        jacobian = features.jacobian(batch.geometry())
        by_jacobian = torch.einsum("pxf,pf->px", jacobian, weights[batch.pair_i])
        for gradient in (features.vjp(batch.geometry(), weights), by_jacobian):
            forces = torch.zeros(len(atoms), 3, dtype=torch.float64)
            forces.index_add_(0, batch.pair_i, gradient).index_add_(0, batch.pair_j, -gradient)
            assert_equal(forces, expected, 1e-6)

    def test_vjp_and_jacobian_are_those_of_automatic_differentiation(self) -> None:
        """Feature by feature, and with the state of a forward pass."""
        features, batch = self.featuriser(), self._batch()
        vectors = batch.pair_vectors().requires_grad_()
        values, state = features.forward_with_state(batch.geometry(vectors))
        jacobian = features.jacobian(batch.geometry())
        assert jacobian.shape == (batch.n_pairs, 3, features.n_features)
        for feature in range(features.n_features):
            (expected,) = torch.autograd.grad(values[:, feature].sum(), vectors, retain_graph=True)
            assert_equal(jacobian[..., feature], expected, 1e-11)
        weights = self._weights(features)
        product = torch.einsum("pxf,pf->px", jacobian, weights[batch.pair_i])
        for found in (
            features.vjp(batch.geometry(), weights),
            features.vjp(batch.geometry(vectors), weights, state).detach(),
        ):
            assert_equal(found, product, 1e-11)

    def test_twice_differentiable(self) -> None:
        """By autograd, as losses on forces ask for."""
        features = self.featuriser()
        vectors = torch.tensor([[0.9, 0.2, -0.4], [-0.5, 1.7, 0.6], [1.9, 0.3, 2.0]], dtype=torch.float64)
        pairs = Geometry(torch.tensor([8, 1]), torch.tensor([1, 11, 17]), torch.tensor([0, 0, 1]), vectors)
        values = features(pairs)
        filled = values.abs() > 1e-12 * values.abs().amax(0).clamp(min=1e-12)

        def scaled(x: Tensor) -> Tensor:
            return (features(replace(pairs, pair_vectors=x)) / values.abs().amax(0).clamp(min=1e-30))[filled]

        if filled.any():
            assert torch.autograd.gradcheck(scaled, (vectors.requires_grad_(),))
            assert torch.autograd.gradgradcheck(scaled, (vectors,), atol=1e-4)

    def test_the_way_to_the_cutoff(self) -> None:
        """A neighbour that leaves is felt less and less, value and derivative, and beyond the cutoff not at all."""
        features, numbers, pair_i = self.featuriser(), torch.tensor([8]), torch.tensor([0, 0, 0])
        near = torch.tensor([[0.0, 1.1, 0.3], [0.4, -0.2, 1.6]], dtype=torch.float64)
        alone = features(Geometry(numbers, torch.tensor([1, 11]), pair_i[:2], near))
        largest = max([1e-8, *alone.abs().flatten().tolist()])
        scale = alone.abs().amax(0).clamp(min=1e-4 * largest)  # features that these neighbours do not have are small

        def with_far(gap: float) -> tuple[float, float]:
            far = torch.tensor([[0.6, 0.8, 0.0]], dtype=torch.float64) * (self.cutoff - gap)
            both = Geometry(numbers, torch.tensor([1, 11, 17]), pair_i, torch.cat([near, far]))
            change = (features(both) - alone).abs() / scale
            derivative = features.jacobian(both)[2].abs() / scale
            return max([0.0, *change.flatten().tolist()]), max([0.0, *derivative.flatten().tolist()])

        for gap in (0.0, -1e-9, -1.0, -1e6):
            assert with_far(gap) == pytest.approx((0.0, 0.0), abs=1e-12)
        if self.is_smooth():
            (value, derivative), (value_nearer, derivative_nearer) = with_far(1e-1), with_far(1e-3)
            assert value_nearer <= 1e-3 * value
            assert derivative_nearer <= 2e-2 * derivative

    def test_no_neighbours_and_no_centres(self) -> None:
        """Empty tensors of the right shapes."""
        features = self.featuriser()
        for centres in (torch.tensor([8, 1]), NONE):
            empty = Geometry(centres, NONE, NONE, NO_VECTORS)
            weights = torch.ones(len(centres), features.n_features, dtype=torch.float64)
            values, state = features.forward_with_state(empty)
            assert values.shape == (len(centres), features.n_features)
            assert values.isfinite().all()
            assert features.vjp(empty, weights).shape == features.vjp(empty, weights, state).shape == (0, 3)
            assert features.jacobian(empty).shape == (0, 3, features.n_features)

    def test_centres_without_neighbours_among_others(self) -> None:
        """Nobody sees them, and they see nobody."""
        features, geometry = self.featuriser(), self._geometry()
        numbers = torch.cat([torch.tensor([17]), geometry.centre_numbers, torch.tensor([1])])
        more = Geometry(numbers, geometry.neighbour_numbers, geometry.pair_i + 1, geometry.pair_vectors)
        values = features(more)
        assert_equal_by_feature(values[1:-1], features(geometry), 1e-12)
        alone = features(Geometry(torch.tensor([17, 1]), NONE, NONE, NO_VECTORS))
        assert_equal_by_feature(values[[0, -1]], alone, 1e-12)

    def test_single_precision(self) -> None:
        """Results have the precision of the pair vectors."""
        features, batch = self.featuriser(), self._batch()
        geometry, single = batch.geometry(), batch.geometry(batch.pair_vectors().float())
        expected = features(geometry)
        found, state = features.forward_with_state(single)
        weights = self._weights(features)
        gradient, jacobian = features.vjp(single, weights.float(), state), features.jacobian(single)
        assert {part.dtype for part in (found, gradient, jacobian)} == {torch.float32}
        assert_equal_by_feature(found.double(), expected, 1e-4)
        assert_equal(gradient.double(), features.vjp(geometry, weights), 3e-4)
        assert_equal(jacobian.double(), features.jacobian(geometry), 3e-4)

    def test_a_copy_gives_the_same(self) -> None:
        """As other processes have it."""
        features, geometry = self.featuriser(), self._geometry()
        again = pickle.loads(pickle.dumps(features))
        assert torch.equal(again(geometry), features(geometry))
        assert again.feature_labels == features.feature_labels

    def test_elements_that_were_not_announced(self) -> None:
        """Centres and neighbours alike."""
        vector = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
        for centre, neighbour in ((6, 8), (8, 6)):
            wrong = Geometry(torch.tensor([centre]), torch.tensor([neighbour]), torch.tensor([0]), vector)
            with pytest.raises(InputError, match=r"an atom of C \(Z = 6\).*H O Na Cl"):
                self.featuriser()(wrong)

    @pytest.mark.parametrize(
        "vector", [[0.0, 0.0, 0.0], [5e-4, 0.0, 0.0], [torch.nan, 0.0, 1.0], [0.0, torch.inf, 0.0]]
    )
    def test_atoms_at_one_place_or_at_none(self, vector: list[float]) -> None:
        """One sentence says which atom."""
        vectors = torch.tensor([[1.0, 0.0, 0.0], vector], dtype=torch.float64)
        wrong = Geometry(torch.tensor([1, 8]), torch.tensor([1, 17]), torch.tensor([0, 1]), vectors)
        with pytest.raises(InputError, match=r"atom 1 has a neighbour at .* three finite numbers and a distance of at"):
            self.featuriser()(wrong)

    def _batch(self) -> Batch:
        return frame_to_batch(self.structure(), self.cutoff)

    def _geometry(self) -> Geometry:
        return self._batch().geometry()

    def _evaluate(self, features: Featuriser, atoms: Atoms) -> Tensor:
        return features(frame_to_batch(atoms, self.cutoff).geometry())

    def _weights(self, features: Featuriser) -> Tensor:
        """dE/dF (n_centres, n_features) of the crystal that gives each feature as much of a say."""
        values = features(self._geometry())
        return random_like(values, 0) / values.abs().amax(0).clamp(min=1e-6)


def assert_equal_by_feature(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Features (n, n_features) differ in size by orders of magnitude: each is compared on its own scale."""
    assert found.shape == expected.shape
    assert ((found - expected).abs() <= tolerance * expected.abs().amax(dim=0)).all()


def assert_equal(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Relative to the largest number."""
    assert found.shape == expected.shape
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    assert ((found - expected).abs() <= tolerance * largest).all()
