"""Learning rates over the epochs."""

import math

import pytest

from mliap_hybrid.config import OptimisationSettings
from mliap_hybrid.fitting.optimisers.schedules import Plateau, make_schedule


def test_cosine_falls_to_zero_and_does_not_look_at_the_loss():
    schedule = make_schedule(OptimisationSettings())
    schedule.after_epoch(1.0)
    schedule.after_epoch(2.0)
    assert [schedule.factor(x) for x in (0.0, 0.5, 1.0)] == pytest.approx([1.0, 0.5, 0.0])


def test_constant_stays():
    schedule = make_schedule(OptimisationSettings(schedule="constant"))
    schedule.after_epoch(math.nan)
    assert schedule.factor(0.0) == schedule.factor(1.0) == 1.0


def test_plateau_waits_for_a_lower_loss_and_then_falls():
    schedule = make_schedule(OptimisationSettings(schedule="plateau", plateau_factor=0.1, plateau_patience=2))
    factors = []
    for loss in (5.0, 4.0, 4.5, 4.0, 4.2, 4.1, 3.0, math.nan, 3.5):
        schedule.after_epoch(loss)
        factors.append(schedule.factor(0.5))
    assert factors == pytest.approx([1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001])


def test_plateau_goes_on_from_its_state():
    losses = (5.0, 5.5, 4.0, 4.5, 4.6, 4.7, 3.0, 3.5, 3.6)
    whole, first, second = Plateau(0.5, 2), Plateau(0.5, 2), Plateau(0.5, 2)
    for loss in losses:
        whole.after_epoch(loss)
    for loss in losses[:4]:
        first.after_epoch(loss)
    second.load_state_dict(first.state_dict())
    for loss in losses[4:]:
        second.after_epoch(loss)
    assert second.state_dict() == whole.state_dict()
    assert whole.factor(0.0) == 0.25
