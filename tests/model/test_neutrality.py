"""Maps that keep the total charge: their sums, their adjoints by automatic differentiation, and who they ask."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.communication import Serial, mean_over_structures
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.neutrality import Increments, Shift, neutrality_of
from mliap_hybrid.structure import Batch, join_batches, with_total_charge
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

CUTOFF = 4.5
MAPS = {"shift": Shift(), "increments": Increments(CUTOFF)}


def structures() -> Batch:
    """A crystal, two molecules and a single atom, of different total charges."""
    frames = [
        (random_structure(9, ["Na", "Cl"], TRICLINIC_CELL, seed=3), 0.7),
        (random_structure(6, ["Na", "Cl"], None, seed=1), 0.0),
        (Atoms("Cl", positions=[[1.0, 2.0, 3.0]]), -1.0),
        (random_structure(4, ["Cl", "Na"], None, seed=2), -1.3),
    ]
    return join_batches([with_total_charge(frame_to_batch(atoms, CUTOFF), total) for atoms, total in frames])


@pytest.fixture(scope="module")
def batch() -> Batch:
    return structures()


@pytest.fixture
def random() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def normal(n: int, random: torch.Generator) -> torch.Tensor:
    return torch.randn(n, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("kind", MAPS)
def test_the_total_is_kept(kind, batch, random):
    map_ = MAPS[kind]
    start, change = normal(batch.n_atoms, random), normal(batch.n_atoms, random)
    charges, _ = map_(start, change, batch.geometry())
    expected = batch.sum_over_structures(start) if map_.fixes_total else batch.total_charges
    torch.testing.assert_close(batch.sum_over_structures(charges), expected, rtol=0, atol=1e-13)
    several = batch.structure_of_atom != 2
    assert (charges - start)[several].abs().min() > 1e-4  # all have moved, but the atom that is alone


@pytest.mark.parametrize("kind", MAPS)
def test_constrained_is_the_adjoint(kind, batch, random):
    """dE/dc is phi times the Jacobian of the charges, which is symmetric and moves no total."""
    start, change, potentials = (normal(batch.n_atoms, random) for _ in range(3))
    geometry = batch.geometry()
    jacobian = torch.autograd.functional.jacobian(lambda c: MAPS[kind](start, c, geometry)[0], change)
    _, constrained = MAPS[kind](start, change, geometry)
    found, _ = constrained(potentials)
    torch.testing.assert_close(found, potentials @ jacobian, rtol=0, atol=1e-13)
    torch.testing.assert_close(jacobian, jacobian.T, rtol=0, atol=1e-14)
    assert jacobian.sum(0).abs().max() < 1e-12


@pytest.mark.parametrize("kind", MAPS)
def test_the_map_is_linear_in_the_changes(kind, batch, random):
    start, change = normal(batch.n_atoms, random), normal(batch.n_atoms, random)
    once, twice, none = (MAPS[kind](start, factor * change, batch.geometry())[0] for factor in (1.0, 2.0, 0.0))
    torch.testing.assert_close(twice - none, 2.0 * (once - none))


def test_a_shift_sees_no_vectors(batch, random):
    _, constrained = Shift()(normal(batch.n_atoms, random), normal(batch.n_atoms, random), batch.geometry())
    assert constrained(normal(batch.n_atoms, random))[1] is None


def test_increments_change_with_the_vectors(batch, random):
    """dE/dr_p at fixed c, by differences along a direction in the space of all pair vectors."""
    start, change, potentials = (normal(batch.n_atoms, random) for _ in range(3))
    vectors, step = batch.pair_vectors(), 1e-5
    direction = torch.randn(vectors.shape, generator=random, dtype=torch.float64)

    def energy(moved):
        return float(potentials @ Increments(CUTOFF)(start, change, batch.geometry(moved))[0])

    _, constrained = Increments(CUTOFF)(start, change, batch.geometry())
    _, of_pairs = constrained(potentials)
    difference = (energy(vectors + step * direction) - energy(vectors - step * direction)) / (2 * step)
    assert float((of_pairs * direction).sum()) == pytest.approx(difference, rel=1e-7)


def test_increments_are_what_the_paper_says(batch, random):
    """q_i = q0_i + sum_j w(r_ij) (c_j - c_i), pair by pair."""
    start, change = normal(batch.n_atoms, random), normal(batch.n_atoms, random)
    expected = start.clone()
    for i, j, vector in zip(batch.pair_i, batch.pair_j, batch.pair_vectors(), strict=True):
        expected[i] += (1.0 - float(vector.norm()) ** 2 / CUTOFF**2) ** 3 * (change[j] - change[i])
    torch.testing.assert_close(Increments(CUTOFF)(start, change, batch.geometry())[0], expected)


def test_window_ends_smoothly():
    lengths = np.array([0.0, 2.0, CUTOFF - 1e-4, CUTOFF, CUTOFF + 0.5])
    vectors = torch.tensor(lengths)[:, None] * torch.tensor([[2.0, -1.0, 2.0]], dtype=torch.float64) / 3.0
    weights, gradients = Increments(CUTOFF).window(vectors)
    assert weights.tolist() == pytest.approx([1.0, (1 - 4 / CUTOFF**2) ** 3, 0.0, 0.0, 0.0], abs=1e-12)
    assert gradients[[0, 3, 4]].abs().max() < 1e-15
    assert gradients[2].abs().max() < 1e-8
    assert float(gradients[1] @ vectors[1]) < 0.0


@pytest.mark.parametrize("kind", MAPS)
def test_weights_of_a_network_are_reached(kind, batch, random):
    """Training differentiates charges, and what comes back from `constrained`, once more."""
    start, potentials = normal(batch.n_atoms, random), normal(batch.n_atoms, random)
    change = normal(batch.n_atoms, random).requires_grad_()
    charges, constrained = MAPS[kind](start, change, batch.geometry())
    phi = potentials.requires_grad_()
    of_change, of_pairs = constrained(phi)
    loss = charges.square().sum() + of_change.square().sum() + (0.0 if of_pairs is None else of_pairs.square().sum())
    gradients = torch.autograd.grad(loss, [change, phi])

    def again(c, p):
        q, back = MAPS[kind](start, c, batch.geometry())
        by_change, by_pairs = back(p)
        return q.square().sum() + by_change.square().sum() + (0.0 if by_pairs is None else by_pairs.square().sum())

    step = 1e-6
    for which, gradient in enumerate(gradients):
        direction, ends = normal(batch.n_atoms, random), []
        for sign in (1.0, -1.0):
            moved = [change.detach().clone(), phi.detach().clone()]
            moved[which] += sign * step * direction
            ends.append(float(again(*moved)))
        assert float(gradient @ direction) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-6)


def test_single_precision_stays_single(batch, random):
    change = normal(batch.n_atoms, random).float()
    for map_ in MAPS.values():
        charges, constrained = map_(torch.zeros_like(change), change, batch.geometry())
        assert charges.dtype == torch.float32
        assert constrained(change)[0].dtype == torch.float32


class Recorded(Serial):
    """Counts what it is asked."""

    asked: list[str]

    def to_neighbours(self, values):
        self.asked.append("to_neighbours")
        return super().to_neighbours(values)

    def sum(self, values):
        self.asked.append("sum")
        return super().sum(values)


@pytest.mark.parametrize(("kind", "question"), [("shift", "sum"), ("increments", "to_neighbours")])
def test_each_way_asks_once(kind, question, batch, random):
    """One exchange for charges, one for what comes back: each costs a message to all neighbouring ranks."""
    geometry = batch.geometry()
    recorded = Recorded(batch.pair_j, batch.structure_of_atom, batch.total_charges)
    object.__setattr__(recorded, "asked", [])
    geometry = replace(geometry, neighbours=recorded)
    _, constrained = MAPS[kind](normal(batch.n_atoms, random), normal(batch.n_atoms, random), geometry)
    assert recorded.asked == [question]
    constrained(normal(batch.n_atoms, random))
    assert recorded.asked == [question] * 2


def test_maps_by_name():
    assert neutrality_of(None, CUTOFF) is None
    assert isinstance(neutrality_of("shift", CUTOFF), Shift)
    assert neutrality_of("increments", CUTOFF).cutoff == CUTOFF


class TestSerial:
    """Communication where whole structures lie in one memory."""

    def test_to_neighbours_and_its_adjoint(self, batch, random):
        values = torch.randn(batch.n_atoms, 2, 3, generator=random, dtype=torch.float64).requires_grad_()
        of_pairs = batch.geometry().communication.to_neighbours(values)
        assert torch.equal(of_pairs, values[batch.pair_j])
        weights = torch.randn(of_pairs.shape, generator=random, dtype=torch.float64)
        (gradients,) = torch.autograd.grad(of_pairs, values, weights)
        expected = torch.zeros_like(values).detach()
        for p, j in enumerate(batch.pair_j.tolist()):
            expected[j] += weights[p]
        torch.testing.assert_close(gradients, expected)

    def test_sums_and_back(self, batch, random):
        communication = batch.geometry().communication
        values = torch.randn(batch.n_atoms, 2, generator=random, dtype=torch.float64)
        sums = communication.sum(values)
        for b in range(batch.n_structures):
            torch.testing.assert_close(sums[b], values[batch.structure_of_atom == b].sum(0))
        assert torch.equal(communication.to_centres(sums), sums[batch.structure_of_atom])
        assert communication.coulomb(None, 1.0) is None

    def test_mean_over_structures(self, batch, random):
        values = normal(batch.n_atoms, random)
        found = mean_over_structures(values, batch.geometry().communication, batch.total_charges)
        for b in range(batch.n_structures):
            here = batch.structure_of_atom == b
            expected = (batch.total_charges[b] - values[here].sum()) / here.sum()
            torch.testing.assert_close(found[here], expected.expand(int(here.sum())))
