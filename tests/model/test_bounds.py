"""Bounds of parameters: where they start, how far they go, and their derivatives."""

import math

import pytest
import torch
from pydantic import ValidationError

from mliap_hybrid.model.bounds import BoundDescription, Positive, Ratio, Within, bound_of, describe_bound

START = torch.tensor([0.3, 1.0, 46.6, 7.5], dtype=torch.float64)

BOUNDS = {
    "within": Within(0.7),
    "wide within": Within(1000.0),
    "no bound": Within(math.inf),
    "ratio": Ratio(1.5),
    "wide ratio": Ratio(1e4),
    "positive": Positive(),
}


@pytest.fixture(params=BOUNDS)
def bound(request):
    return BOUNDS[request.param]


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64)


def test_values_start_at_the_start(bound):
    torch.testing.assert_close(bound.values(START, torch.zeros(4, dtype=torch.float64)), START, rtol=1e-15, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_are_those_of_automatic_differentiation(bound, dtype):
    for a in (-30.0, -2.0, -0.4, 0.0, 0.3, 1.0, 4.0, 30.0):
        a = torch.full((4,), a, dtype=dtype, requires_grad=True)
        values = bound.values(START.to(dtype), a)
        (expected,) = torch.autograd.grad(values.sum(), a)
        found = bound.derivatives(START.to(dtype), a.detach())
        assert found.dtype == values.dtype == dtype
        tolerance = 1e-6 if dtype == torch.float32 else 1e-14
        torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


def test_changes_are_counted_from_the_start(bound):
    a = numbers(-1.3, 0.0, 0.2, 2.1)
    torch.testing.assert_close(bound.changes(START, a), bound.values(START, a) - START, rtol=0, atol=1e-13)


def test_derivatives_are_differences_of_values(bound):
    a, step = numbers(-1.3, 0.0, 0.2, 2.1), 1e-5
    difference = (bound.values(START, a + step) - bound.values(START, a - step)) / (2 * step)
    torch.testing.assert_close(bound.derivatives(START, a), difference, rtol=1e-7, atol=1e-8)


def test_values_rise_with_the_number(bound):
    """Up to where rounding ends it, so that training can always go both ways."""
    a = torch.linspace(-5.0, 5.0, 101, dtype=torch.float64)
    for start in START:
        values = bound.values(start.expand(101), a)
        assert (values.diff() >= 0.0).all()
        assert (bound.derivatives(start.expand(101), a) >= 0.0).all()
    assert (bound.derivatives(START, torch.zeros(4, dtype=torch.float64)) > 0.1).all()


def test_far_from_the_data_they_stay_finite(bound):
    far = numbers(-1e6, -1e3, 1e3, 1e6)
    assert bound.derivatives(START, far).isfinite().all()
    assert bound.values(START, far).isfinite().all()


def test_within_goes_so_far_and_no_farther():
    values = Within(0.7).values(START, numbers(-1e6, 1e6, -5.0, 5.0)) - START
    torch.testing.assert_close(values[:2], numbers(-0.7, 0.7), rtol=1e-12, atol=0)
    assert (values.abs() <= 0.7 + 1e-12).all()


def test_far_below_its_bound_within_is_the_identity():
    a = numbers(-0.02, 0.01, 0.0, 0.03)
    torch.testing.assert_close(Within(10.0).values(START, a), START + a, rtol=0, atol=1e-7)
    assert torch.equal(Within(math.inf).values(START, 1e3 * a), START + 1e3 * a)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_ratio_keeps_the_sign_and_the_size(sign):
    start = sign * START
    ratios = Ratio(1.5).values(start, numbers(-1e6, 1e6, -0.3, 0.2)) / start
    torch.testing.assert_close(ratios[:2], numbers(1 / 1.5, 1.5), rtol=1e-12, atol=0)
    assert ratios[2] == pytest.approx(math.exp(math.log(1.5) * math.tanh(-0.3 / math.log(1.5))))
    assert ratios[3] > 1.0


def test_the_same_steps_of_a_ratio_up_and_down_cancel():
    up, down = (Ratio(2.0).values(START, torch.full_like(START, a)) for a in (0.4, -0.4))
    torch.testing.assert_close(up * down, START**2)


def test_positive_stays_positive_and_grows_without_end():
    values = Positive().values(START, numbers(-40.0, -3.0, 3.0, 1e6)) / START
    assert (values > 0.0).all()
    assert values[3] == pytest.approx(1e6, rel=1e-5)  # linear in a


@pytest.mark.parametrize("bound", [Within(0.7), Ratio(1.5), Positive()])
def test_plain_data_make_the_same_bound(bound):
    described = describe_bound(bound)
    assert bound_of(BoundDescription.model_validate_json(described.model_dump_json())) == bound


@pytest.mark.parametrize("settings", [{"kind": "within"}, {"kind": "ratio"}, {"kind": "ratio", "largest": 1.0}])
def test_settings_that_make_no_sense(settings):
    with pytest.raises(ValueError, match=f"how far a bound '{settings['kind']}' goes"):
        bound_of(BoundDescription(**settings))


@pytest.mark.parametrize("settings", [{"kind": "around"}, {"kind": "within", "largest": 0.0}, {"largest": 1.0}])
def test_descriptions_that_are_none(settings):
    with pytest.raises(ValidationError):
        BoundDescription(**settings)
