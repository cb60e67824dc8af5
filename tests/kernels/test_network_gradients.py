"""The native network in training: energies, feature gradients and weight gradients are those of torch."""

from dataclasses import dataclass

import pytest
import torch

from mliap_hybrid.errors import InputError
from mliap_hybrid.kernels.library import instruction_sets
from mliap_hybrid.kernels.network_gradients import values_and_gradients
from mliap_hybrid.kernels.network_weights import NetworkWeights
from mliap_hybrid.model.atomic_network import AtomicNetwork

SIZES = [
    (7, 3, (5,)),  # less than a vector
    (48, 16, (16, 16)),  # whole vectors and blocks
    (97, 33, (20, 7, 40)),
    (50, 17, ()),  # a linear model
    (1, 150, (128,)),
    (0, 3, (5,)),
]
"""Atoms, features, hidden layers."""


@dataclass
class Case:
    """A network, atoms, and the derivatives of a loss by energies and feature gradients."""

    network: AtomicNetwork
    features: torch.Tensor
    species: torch.Tensor
    by_energies: torch.Tensor
    by_gradients: torch.Tensor


def make_case(n_atoms, n_features, hidden, dtype=torch.float64, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = AtomicNetwork(n_features, hidden, 3).to(dtype)
        network.linear.data.normal_()
        network.offset.data.normal_()
        features, by_gradients = torch.randn(2, n_atoms, n_features, dtype=dtype)
        return Case(network, features, torch.randint(0, 3, (n_atoms,)), torch.randn(n_atoms, dtype=dtype), by_gradients)


def parameters_of(network):
    return [*network.layers.parameters(), network.linear, network.offset]


def by_torch(case):
    """Energies, feature gradients and weight gradients by automatic differentiation."""
    features = case.features.clone().requires_grad_()
    energies = case.network(features, case.species)
    (feature_gradients,) = torch.autograd.grad(energies.sum(), features, create_graph=True)
    return [energies, feature_gradients, *weight_gradients(case, energies, feature_gradients)]


def by_kernel(case, instruction_set=None):
    parameters = list(case.network.layers.parameters())
    weights = NetworkWeights(parameters[::2], parameters[1::2], case.network.linear, case.network.offset)
    energies, feature_gradients = values_and_gradients(case.features, case.species, weights, instruction_set)
    return [energies, feature_gradients, *weight_gradients(case, energies, feature_gradients)]


def weight_gradients(case, energies, feature_gradients):
    loss = (energies * case.by_energies).sum() + (feature_gradients * case.by_gradients).sum()
    return torch.autograd.grad(
        loss, parameters_of(case.network), allow_unused=True, materialize_grads=True, retain_graph=True
    )


@pytest.mark.parametrize("instruction_set", instruction_sets())
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-13), (torch.float32, 1e-5)])
def test_results_are_those_of_torch(sizes, dtype, tolerance, instruction_set):
    case = make_case(*sizes, dtype)
    for found, expected in zip(by_kernel(case, instruction_set), by_torch(case), strict=True):
        size = float(expected.abs().max()) if expected.numel() else 0.0
        torch.testing.assert_close(found, expected, rtol=0, atol=tolerance * max(size, 1.0))


def test_feature_gradients_are_differences_of_energies():
    case, step = make_case(5, 6, (9, 4)), 1e-5
    energies, feature_gradients, *_ = by_kernel(case)
    assert energies.shape == (5,)
    for f in range(6):
        ends = []
        for sign in (1.0, -1.0):
            case.features[:, f] += sign * step
            ends.append(by_kernel(case)[0])
            case.features[:, f] -= sign * step
        torch.testing.assert_close((ends[0] - ends[1]) / (2 * step), feature_gradients[:, f], rtol=1e-7, atol=1e-9)


def test_weight_gradients_are_differences_of_the_loss():
    case, step = make_case(6, 5, (7, 3)), 1e-5

    def loss():
        energies, feature_gradients, *_ = by_kernel(case)
        return float((energies * case.by_energies).sum() + (feature_gradients * case.by_gradients).sum())

    for parameter, gradient in zip(parameters_of(case.network), by_kernel(case)[2:], strict=True):
        direction = torch.randn(parameter.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        ends = []
        for sign in (1.0, -1.0):
            parameter.data += sign * step * direction
            ends.append(loss())
            parameter.data -= sign * step * direction
        assert float((gradient * direction).sum()) == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-7)


def test_values_far_out_stay_finite():
    """SiLU and its derivatives have limits; exp would not."""
    case = make_case(20, 8, (16,))
    case.features *= 1e5
    for found, expected in zip(by_kernel(case), by_torch(case), strict=True):
        assert found.isfinite().all()
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_is_not_a_number_stays_so(dtype):
    case = make_case(20, 8, (16,), dtype)
    case.features[3, 2] = torch.nan
    energies, feature_gradients, first_weights, *_ = by_kernel(case)
    assert energies.isnan().nonzero().flatten().tolist() == [3]
    assert feature_gradients.isnan().all(1).nonzero().flatten().tolist() == [3]
    assert first_weights.isnan().any()


def test_threads_share_the_atoms():
    case, threads = make_case(1000, 20, (30,)), torch.get_num_threads()
    alone = by_kernel(case)
    try:
        torch.set_num_threads(3)
        shared, again = by_kernel(case), by_kernel(case)
    finally:
        torch.set_num_threads(threads)
    for one, three, same in zip(alone, shared, again, strict=True):
        torch.testing.assert_close(three, one, rtol=1e-12, atol=1e-12)
        assert torch.equal(three, same)


def test_many_gradients_at_a_time():
    """As Levenberg-Marquardt asks for: rows of a Jacobian by vmap are those asked for one by one."""
    case = make_case(4, 6, (5,))
    energies, feature_gradients, *_ = by_kernel(case)
    outputs = torch.cat([energies, feature_gradients.flatten()])
    unit_vectors = torch.eye(len(outputs), dtype=torch.float64)

    def rows(weights):
        return torch.autograd.grad(outputs, parameters_of(case.network), weights, retain_graph=True)

    one_by_one = [rows(unit_vector) for unit_vector in unit_vectors]
    for k, together in enumerate(torch.vmap(rows)(unit_vectors)):
        assert torch.equal(together, torch.stack([of_row[k] for of_row in one_by_one]))


def test_features_that_are_not_contiguous():
    case = make_case(6, 5, (4,))
    expected = by_kernel(case)
    case.features = case.features.T.contiguous().T
    for found, value in zip(by_kernel(case), expected, strict=True):
        assert torch.equal(found, value)


class TestMistakes:
    def test_shapes(self):
        case = make_case(4, 6, (5,))
        case.species = case.species[:3]
        with pytest.raises(ValueError, match="species of as many atoms"):
            by_kernel(case)

    def test_precisions(self):
        case = make_case(4, 6, (5,))
        case.features = case.features.float()
        with pytest.raises(ValueError, match="expected float32 or float64 throughout"):
            by_kernel(case)

    def test_elements(self):
        case = make_case(4, 6, (5,))
        case.species[2] = 3
        with pytest.raises(InputError, match="none of the network's elements"):
            by_kernel(case)

    def test_layers(self):
        with pytest.raises(ValueError, match="at most 16 layers"):
            by_kernel(make_case(4, 6, (2,) * 16))

    def test_instruction_set(self):
        with pytest.raises(InputError, match="lacks the instruction set"):
            by_kernel(make_case(4, 6, (5,)), "avx9")
