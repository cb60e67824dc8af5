"""Parameters of atoms: values, and pullbacks that are the transposed Jacobian of the values."""

from __future__ import annotations

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.bounds import Positive, Ratio, Within
from mliap_hybrid.model.neutrality import Increments, Shift
from mliap_hybrid.model.parameters import AtomicEnergy, ElementParameter, FittedParameter, PredictedParameter
from mliap_hybrid.model.terms.standard import element_parameter
from mliap_hybrid.structure import Batch, join_batches
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

CUTOFF = 4.5
START = torch.tensor([0.8, -0.6], dtype=torch.float64)
BOUNDS = {"within": Within(0.7), "ratio": Ratio(1.5), "positive": Positive()}
NEUTRALITIES = {"none": None, "shift": Shift(), "increments": Increments(CUTOFF)}


@pytest.fixture(scope="module")
def batch() -> Batch:
    cells = (TRICLINIC_CELL, None)
    return join_batches([frame_to_batch(random_structure(7, ["Na", "Cl"], cell, seed=4), CUTOFF) for cell in cells])


@pytest.fixture(scope="module")
def species(batch) -> torch.Tensor:
    return (batch.numbers == 17).long()


def normal(batch: Batch, seed: int) -> torch.Tensor:
    return torch.randn(batch.n_atoms, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize("bound", BOUNDS)
def test_pullback_is_the_transposed_jacobian(bound, neutrality, batch, species):
    parameter = PredictedParameter("charge", "e", START, BOUNDS[bound], NEUTRALITIES[neutrality])
    geometry, head, gradients = batch.geometry(), normal(batch, 0), normal(batch, 1)
    _, pullback = parameter(geometry, species, head)
    of_head, of_pairs = pullback(gradients)
    jacobian = torch.autograd.functional.jacobian(lambda a: parameter(geometry, species, a)[0], head)
    torch.testing.assert_close(of_head, gradients @ jacobian, rtol=1e-13, atol=1e-13)

    direction = torch.randn(batch.n_pairs, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ends = []
    for step in (1e-5, -1e-5):
        moved = batch.geometry(batch.pair_vectors() + step * direction)
        ends.append(float(gradients @ parameter(moved, species, head)[0]))
    difference = (ends[0] - ends[1]) / 2e-5
    if of_pairs is None:
        assert difference == 0.0
    else:
        assert float((of_pairs * direction).sum()) == pytest.approx(difference, rel=1e-7)


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize("bound", BOUNDS)
def test_values_start_at_the_start(bound, neutrality, batch, species):
    """But for the shift, which makes the total right."""
    parameter = PredictedParameter("charge", "e", START, BOUNDS[bound], NEUTRALITIES[neutrality])
    values, _ = parameter(batch.geometry(), species, torch.zeros(batch.n_atoms, dtype=torch.float64))
    expected = START[species]
    if neutrality == "shift":
        expected = expected - (batch.sum_over_structures(expected) / 7)[batch.structure_of_atom]
    torch.testing.assert_close(values, expected)


def test_values_stay_within_their_bounds(batch, species):
    head = 1e4 * normal(batch, 3)
    for bound, largest in ((Within(0.7), START.abs() + 0.7), (Ratio(1.5), 1.5 * START.abs())):
        values, _ = PredictedParameter("c", "e", START, bound)(batch.geometry(), species, head)
        assert (values.abs() <= largest[species] + 1e-12).all()
    ratios, _ = PredictedParameter("c", "e", START, Ratio(1.5))(batch.geometry(), species, head)
    assert (ratios.sign() == START.sign()[species]).all()


def test_a_head_in_single_precision_is_not_made_double(batch, species):
    head = normal(batch, 0).float()
    values, pullback = PredictedParameter("c", "e", START, Within(0.7), Shift())(batch.geometry(), species, head)
    assert values.dtype == torch.float32
    assert pullback(head)[0].dtype == torch.float32


def test_typical_values_are_those_of_the_start_unless_said(batch):
    assert torch.equal(PredictedParameter("c", "e", START, Positive()).typical, START)
    typical = torch.tensor([0.7, -0.5], dtype=torch.float64)
    parameter = PredictedParameter("c", "e", START, Positive(), typical=typical)
    assert torch.equal(parameter.typical, typical)
    assert torch.equal(parameter.start, START)
    assert parameter.head == "c"


def test_constants_of_elements(batch, species):
    parameter = element_parameter("charge", "e", {11: 0.8, 17: -0.6}, (11, 17))
    assert isinstance(parameter, ElementParameter)
    values, pullback = parameter(batch.geometry(), species, None)
    assert torch.equal(values, START[species])
    assert pullback(normal(batch, 0)) == (None, None)
    assert parameter.head is None
    with pytest.raises(ValueError, match="expected a charge for Cl, got none"):
        element_parameter("charge", "e", {11: 0.8}, (11, 17))


@pytest.mark.parametrize("bound", BOUNDS)
def test_fitted_parameters_are_found_by_gradients(bound, batch, species):
    """All that is known of them are the values, whose graph leads to the coordinates."""
    parameter = FittedParameter("c6", "eV Å^6", START, BOUNDS[bound])
    assert torch.allclose(parameter.values, START)
    target = torch.tensor([0.9, -0.55], dtype=torch.float64)
    optimiser = torch.optim.LBFGS(parameter.parameters(), max_iter=200, tolerance_grad=1e-12, tolerance_change=0.0)

    def closure():
        optimiser.zero_grad()
        values, pullback = parameter(batch.geometry(), species, None)
        assert pullback(values) == (None, None)
        loss = (values - target[species]).square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    found = parameter.after_training({"c6": parameter}, {})
    assert (found.source, found.name, found.unit) == ("constant", "c6", "eV Å^6")
    torch.testing.assert_close(found.values, target, rtol=1e-6, atol=1e-6)
    assert not found.values.requires_grad
    assert found.values.dtype == torch.float64


def test_energies_of_the_network_are_as_they_are(batch, species):
    parameter, head = AtomicEnergy(), normal(batch, 0)
    values, pullback = parameter(batch.geometry(), species, head)
    assert values is head
    gradients = normal(batch, 1)
    of_head, of_pairs = pullback(gradients)
    assert torch.equal(of_head, gradients)
    assert of_pairs is None
    assert (parameter.name, parameter.head, parameter.unit) == ("energy", "energy", "eV")
