"""The pseudo-Huber form: its two limits, its derivative, and its part in the loss."""

import pytest
import torch

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.feature_derivatives import StoredDerivatives
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.losses import RunningErrors, pseudo_huber, squared_errors, total_loss
from mliap_hybrid.fitting.training_frames import Places, TrainingFrames
from mliap_hybrid.prediction import Prediction


def frames_and_prediction(force_errors):
    """Two frames, of one atom and of as many as are left; only the forces are wrong."""
    n_atoms = len(force_errors)
    zeros = torch.zeros(n_atoms, 3, dtype=torch.float64)
    frames = TrainingFrames(
        features=torch.zeros(n_atoms, 1),
        derivatives=StoredDerivatives((torch.zeros(0, 3, 1),)),
        pair_i=torch.zeros(0, dtype=torch.int64),
        pair_j=torch.zeros(0, dtype=torch.int64),
        pair_vectors=torch.zeros(0, 3),
        species=torch.zeros(n_atoms, dtype=torch.int64),
        frame_of_atom=torch.tensor([0] + [1] * (n_atoms - 1)),
        atoms_per_frame=torch.tensor([1.0, n_atoms - 1.0]),
        places=Places(torch.tensor([11]), ((torch.zeros(n_atoms, 3), torch.tensor([False, False])),)),
        total_charges=torch.zeros(2),
        wall_energies=torch.zeros(2),
        is_between_molecules=torch.zeros(0, dtype=torch.bool),
        labels={"energy": Label(torch.zeros(2)), "forces": Label(zeros)},
    )
    return frames, Prediction(torch.zeros(2), zeros + torch.tensor(force_errors), torch.zeros(2, 3, 3))


def test_small_errors_count_as_squares_and_large_ones_linearly():
    small = torch.tensor([1e-9, 1e-6], dtype=torch.float64)
    torch.testing.assert_close(pseudo_huber(small**2, 0.1), small**2, rtol=1e-9, atol=0)
    large = torch.tensor([1e4, 1e6], dtype=torch.float64)
    torch.testing.assert_close(pseudo_huber(large**2, 0.1), 2 * 0.1 * large - 2 * 0.1**2, rtol=1e-9, atol=0)


def test_derivative_is_that_of_the_definition():
    errors = torch.tensor([0.0, 0.03, -0.1, 2.0], dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(pseudo_huber(errors.square(), 0.1).sum(), errors)
    torch.testing.assert_close(derivative, 2 * errors / (1 + (errors / 0.1) ** 2).sqrt())


def test_force_transition_enters_the_loss_and_leaves_the_reported_errors():
    frames, prediction = frames_and_prediction([[3.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    squares = squared_errors(prediction, frames)
    huber = squared_errors(prediction, frames, LossSettings(force_transition=1e-3))
    assert squares.means["forces"].item() == huber.means["forces"].item() == pytest.approx(25.0 / 6.0)
    weights = LossSettings(forces=2.0, force_transition=1e-3)
    assert total_loss(squares, weights).item() == pytest.approx(2.0 * 25.0 / 6.0)
    assert total_loss(huber, weights).item() == pytest.approx(2.0 * 2e-3 * 7.0 / 6.0, rel=1e-3)
    running = RunningErrors()
    running.add(huber, frames)
    assert total_loss(running.mean(), weights).item() == pytest.approx(total_loss(huber, weights).item())


def test_energy_transition_is_per_atom_and_leaves_the_reported_errors():
    frames, prediction = frames_and_prediction([[0.0, 0.0, 0.0]] * 4)
    prediction = Prediction(torch.tensor([2.0, 9.0]), prediction.forces, prediction.virials)  # 2 and 3 eV/atom
    squares = squared_errors(prediction, frames)
    huber = squared_errors(prediction, frames, LossSettings(energy_transition=1e-3))
    assert squares.means["energy"].item() == huber.means["energy"].item() == pytest.approx((4.0 + 9.0) / 2.0)
    weights = LossSettings(energy=2.0, energy_transition=1e-3)
    assert total_loss(squares, weights).item() == pytest.approx(2000.0 * 6.5)
    assert total_loss(huber, weights).item() == pytest.approx(2000.0 * 2e-3 * (2.0 + 3.0) / 2.0, rel=1e-3)
    assert huber.penalties["forces"].item() == squares.penalties["forces"].item() == 0.0
