"""Levenberg-Marquardt: steps with known answers, the loss as a sum of squares, and a training."""

from dataclasses import replace

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.losses import RunningErrors, label_counts, squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.objective import Objective
from mliap_hybrid.fitting.optimisers import levenberg_marquardt_steps as steps_module
from mliap_hybrid.fitting.optimisers.levenberg_marquardt import Damping, LinearModel, best_step
from mliap_hybrid.fitting.optimisers.levenberg_marquardt_steps import LevenbergMarquardtSteps
from mliap_hybrid.fitting.optimisers.residuals import count_residuals, residuals
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings


@pytest.mark.parametrize("shape", [(30, 7), (7, 30), (9, 9)])
def test_step_solves_the_damped_normal_equations(shape):
    random = torch.Generator().manual_seed(0)
    jacobian, r = torch.randn(shape, generator=random), torch.randn(shape[0], generator=random)
    position = torch.randn(shape[1], generator=random, dtype=torch.float64)
    linearised = [(r[:4], jacobian[:4]), (r[4:], jacobian[4:])]
    model = LinearModel(linearised, shape[0], position, decay=0.3)
    step = model.step(0.5)
    wide = jacobian.double()
    matrix = wide.T @ wide + 0.8 * torch.eye(shape[1], dtype=torch.float64)
    expected = -torch.linalg.solve(matrix, wide.T @ r.double() + 0.3 * position)
    assert torch.allclose(step, expected, atol=1e-5)

    def loss(x):
        return float(((r.double() + wide @ (x - position)) ** 2).sum() + 0.3 * (x**2).sum())

    assert model.loss == pytest.approx(loss(position), rel=1e-6)
    assert model.expected_gain(step, 0.5) == pytest.approx(loss(position) - loss(position + step), rel=1e-4)


def test_more_damping_is_a_shorter_step_down_the_gradient():
    jacobian, r = torch.tensor([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]]), torch.tensor([1.0, -1.0, 2.0])
    model = LinearModel([(r, jacobian)], 3, torch.zeros(2, dtype=torch.float64), decay=0.0)
    lengths = [float(model.step(damping).norm()) for damping in (1e-6, 1.0, 1e3)]
    assert lengths == sorted(lengths, reverse=True)
    steep = model.step(1e6)
    assert torch.allclose(steep / steep.norm(), -model.gradient / model.gradient.norm(), atol=1e-5)


def test_damping_grows_until_the_loss_falls():
    jacobian, r = torch.eye(2), torch.tensor([1.0, 1.0])
    position = torch.zeros(2, dtype=torch.float64)
    model = LinearModel([(r, jacobian)], 2, position, decay=0.0)
    damping = Damping(1e-3)
    found = best_step(model, position, lambda x: 1.0 if float(x.norm()) < 0.1 else 99.0, damping)
    assert found is not None
    assert float(found[0].norm()) < 0.1
    assert damping.value > 1.0
    assert best_step(model, position, lambda x: 99.0, damping) is None


@pytest.fixture
def setup(tmp_path):
    """Settings, trained model, frames of which some lack labels."""
    settings = small_settings(
        tmp_path,
        electrostatics={"charges": "fitted"},
        loss={"force_transition": 0.3, "energy_transition": 0.05, "energy": 0.7, "forces": 1.3},
        optimisation={"optimiser": "lm", "batch_size": 2},
    )
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in labelled_frames(5)]
    inputs = prepare(settings, batches, batches[:1], lambda items, what: items)
    frames = list(inputs.training)
    frames[1] = frames[1].without_labels("forces")
    frames[2] = frames[2].without_labels("energy", "virial")
    return settings, make_trainable_model(settings, inputs.initial_fit), frames


def test_squares_of_the_residuals_sum_to_the_loss(setup):
    settings, trainable, frames = setup
    together = join_frames(frames)
    prediction, totals = trainable(together), label_counts(together)
    errors = squared_errors(prediction, together, settings.loss)
    found = residuals(prediction, together, settings.loss, totals)
    assert found.square().sum().item() == pytest.approx(total_loss(errors, settings.loss).item(), rel=1e-5)
    assert len(found) == count_residuals(settings.loss, totals) == 4 + 4 * 8 * 3 + 4 * 9


def test_jacobians_are_the_derivatives_of_the_residuals(setup):
    settings, trainable, frames = setup
    objective = Objective(trainable, frames, settings.loss, 2)
    steps = LevenbergMarquardtSteps(trainable, settings.optimisation)
    totals = objective.count(range(5))
    linearised = list(steps._residuals_and_jacobians(objective, totals, RunningErrors()))
    gradient = sum((r @ derivatives for r, derivatives in linearised), start=torch.zeros(len(steps.position)))
    objective.gradient(list(range(5)), RunningErrors())
    expected = steps.weights.gradient().float()  # of the loss: 2 J^T r
    assert torch.allclose(2.0 * gradient, expected, rtol=1e-3, atol=1e-5 * expected.abs().max())


def test_loss_falls_in_every_step_and_goes_on_from_its_state(setup):
    settings, trainable, frames = setup
    objective = Objective(trainable, frames, settings.loss, 2)
    steps = LevenbergMarquardtSteps(trainable, settings.optimisation)
    totals, losses = objective.count(range(5)), []
    for epoch in range(1, 7):
        steps.run_epoch(epoch, objective)
        losses.append(steps._loss(steps.position, objective, totals))
        if epoch == 3:
            state = {name: {**value} for name, value in steps.state_dict().items()}
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.2 * losses[0]
    other = LevenbergMarquardtSteps(trainable, settings.optimisation)
    other.load_state_dict(state | {"part": trainable.state_dict()})
    other.weights.move_to(other.position)
    for epoch in range(4, 7):
        other.run_epoch(epoch, objective)
    assert torch.equal(other.position, steps.position)


def test_a_loss_that_is_not_finite_names_the_frame(setup):
    settings, trainable, frames = setup
    forces = Label(torch.full_like(frames[3].labels["forces"].values, torch.nan))
    frames[3] = replace(frames[3], labels={**frames[3].labels, "forces": forces})
    with pytest.raises(InputError, match=r"the loss became nan .* in epoch 1, because of training frame 3:"):
        LevenbergMarquardtSteps(trainable, settings.optimisation).run_epoch(
            1, Objective(trainable, frames, settings.loss, 2)
        )


def test_too_little_memory_is_said(setup, monkeypatch):
    settings, trainable, frames = setup
    monkeypatch.setattr(steps_module, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"lm needs .* GB of memory for \d+ weights and \d+ labels"):
        LevenbergMarquardtSteps(trainable, settings.optimisation).run_epoch(
            1, Objective(trainable, frames, settings.loss, 2)
        )


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"weak_supervision": {"taylor": "first"}}, "weak_supervision"),
        ({"electrostatics": {"charges": "predicted"}}, "electrostatics.charges predicted"),
    ],
)
def test_what_is_no_sum_of_squares_is_refused(tmp_path, changes, what):
    with pytest.raises(InputError, match=f"optimiser lm does not work with {what}"):
        small_settings(tmp_path, optimisation={"optimiser": "lm"}, **changes)
