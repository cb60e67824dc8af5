"""L-BFGS on functions with known minima, and what it does where there is none."""

import math

import pytest
import torch

from mliap_hybrid.fitting.optimisers.lbfgs import C1, C2, LBFGS


class Counted:
    """A function with its gradient, and how often it was asked."""

    def __init__(self, function):
        self.function, self.calls = function, 0

    def __call__(self, position):
        self.calls += 1
        position = position.clone().requires_grad_()
        value = self.function(position)
        (gradient,) = torch.autograd.grad(value, position)
        return value.item(), gradient


def rosenbrock(x):
    return (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2).sum()


def start(n, value=-1.0):
    return torch.full((n,), value, dtype=torch.float64)


def test_finds_the_end_of_a_curved_valley():
    function, minimiser = Counted(rosenbrock), LBFGS(start(20))
    for _ in range(150):
        minimiser.step(function)
    assert torch.allclose(minimiser.position, torch.ones(20, dtype=torch.float64), atol=1e-7)
    assert function.calls < 220  # hardly more than one a step


def test_a_quadratic_needs_no_more_steps_than_its_memory():
    scales = torch.logspace(0, 4, 8, dtype=torch.float64)
    function, minimiser = Counted(lambda x: 0.5 * (scales * (x - 3.0) ** 2).sum()), LBFGS(start(8))
    for _ in range(40):
        minimiser.step(function)
    assert torch.allclose(minimiser.position, start(8, 3.0), atol=1e-6)


def test_every_step_fulfils_the_wolfe_conditions():
    function, minimiser = Counted(rosenbrock), LBFGS(start(6))
    for _ in range(30):
        position, value, gradient = minimiser.position, *function(minimiser.position)
        minimiser.step(function)
        move = minimiser.position - position
        assert minimiser.value <= value + C1 * float(move @ gradient) + 1e-6 * value
        assert abs(float(move @ minimiser.gradient)) <= -C2 * float(move @ gradient)


def test_walls_of_infinity_are_kept_away_from():
    def log_barrier(x):
        return (x**2).sum() - torch.log(x - 0.5).sum() if bool((x > 0.5).all()) else math.inf * x.sum()

    minimiser = LBFGS(start(3, 10.0))
    for _ in range(40):
        minimiser.step(Counted(log_barrier))
    expected = (0.5 + math.sqrt(0.25 + 2.0)) / 2.0  # 2 x = 1 / (x - 1/2)
    assert torch.allclose(minimiser.position, start(3, expected), atol=1e-6)


def test_at_a_minimum_no_step_is_taken_and_the_memory_is_dropped():
    minimiser, function = LBFGS(start(4)), Counted(lambda x: (x**2).sum())
    lengths = [minimiser.step(function) for _ in range(8)]
    assert lengths[-1] == 0.0
    assert not minimiser.has_memory


def test_goes_on_from_its_state_with_the_same_bits():
    whole, first, second = LBFGS(start(10)), LBFGS(start(10)), LBFGS(start(10, 0.0))
    function = Counted(rosenbrock)
    for _ in range(30):
        whole.step(function)
    for _ in range(12):
        first.step(function)
    second.load_state_dict(first.state_dict())
    for _ in range(18):
        second.step(function)
    assert torch.equal(second.position, whole.position)


def test_another_function_is_looked_at_before_the_step():
    minimiser = LBFGS(start(4, 1.0))
    minimiser.step(Counted(lambda x: ((x - 1.5) ** 2).sum()))
    for _ in range(12):
        minimiser.step(Counted(lambda x: ((x + 5.0) ** 2).sum()), is_new=True)
    assert torch.allclose(minimiser.position, start(4, -5.0), atol=1e-5)


def test_no_lower_value_is_found_uphill():
    def uphill(position):  # a gradient of the wrong sign
        return float((position**2).sum()), -2.0 * position

    minimiser = LBFGS(start(3))
    assert minimiser.step(uphill) == 0.0
    assert minimiser.position == pytest.approx(start(3))
