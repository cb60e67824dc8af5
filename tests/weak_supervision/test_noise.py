"""Noise augmentation: atoms move by the length that is asked for, labels stay, and the copies take turns."""

import pytest
import torch

from mliap_hybrid.config import NoiseSettings
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.training_frames import in_double
from mliap_hybrid.weak_supervision.noise import noisy_frames

pytestmark = pytest.mark.usefixtures("undrawn_figures")

NOISE = {"displacement": 0.04, "n_copies": 2}


def pass_on(items, what):
    return items


def batches_of(settings, n_frames=3):
    return [frame_to_batch(a, settings.features.cutoff, settings.data.keys) for a in labelled_frames(n_frames)]


def test_atoms_move_by_one_length_and_labels_stay(tmp_path):
    frames = batches_of(small_settings(tmp_path))
    copies = noisy_frames(frames, NoiseSettings(**NOISE), 4.5, seed=3)
    assert [len(copy) for copy in copies] == [3, 3]
    for copy in copies:
        for noisy, frame in zip(copy, frames, strict=True):
            lengths = (noisy.positions - frame.positions).norm(dim=1)
            torch.testing.assert_close(lengths, torch.full_like(lengths, 0.04))
            for name in ("energies", "forces", "virials", "numbers", "cells"):
                assert torch.equal(getattr(noisy, name), getattr(frame, name))
            assert noisy.pair_vectors().norm(dim=1).max() < 4.5
    assert not torch.equal(copies[0][0].positions, copies[1][0].positions)
    assert torch.equal(copies[1][2].positions, noisy_frames(frames, NoiseSettings(**NOISE), 4.5, 3)[1][2].positions)


def test_no_noise_makes_no_copies(tmp_path):
    assert noisy_frames(batches_of(small_settings(tmp_path)), NoiseSettings(), 4.5, seed=0) == []


def test_prepared_copies_are_the_displaced_frames_with_their_labels(tmp_path):
    """Error of the trainable model on a noisy copy = full model there minus the label of the frame."""
    settings = small_settings(tmp_path, electrostatics={"charges": "reference"}, noise=NOISE)
    batches = batches_of(settings)
    inputs = prepare(settings, batches[:2], batches[2:], pass_on)
    assert [len(copy) for copy in inputs.noisy] == [2, 2]
    assert (len(inputs.training), len(inputs.validation)) == (2, 1)
    trainable = make_trainable_model(settings, inputs.initial_fit).double().eval()
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    copies = noisy_frames(batches[:2], settings.noise, settings.features.cutoff, settings.seed)
    for number in range(2):
        for index in range(2):
            frame, full = in_double(inputs.noisy[number][index]), predict(model, copies[number][index])
            found = trainable(frame).forces - frame.labels["forces"].values
            torch.testing.assert_close(found, full.forces - batches[index].forces, rtol=0, atol=1e-5)


def test_copies_stand_for_the_frames_in_turn(tmp_path, monkeypatch):
    settings = small_settings(tmp_path, noise=NOISE, optimisation={"batch_size": 2})
    batches = batches_of(settings)
    inputs = prepare(settings, batches[:2], batches[2:], pass_on)
    trainer = make_trainer(settings, inputs)
    seen = []
    forward = trainer.model.forward
    monkeypatch.setattr(trainer.model, "forward", lambda frames: seen.append(frames.features.sum()) or forward(frames))
    trainer.run(lambda result: None, last_epoch=3)
    expected = [sum(frame.features.sum() for frame in inputs.noisy[number]) for number in (1, 0, 1)]
    torch.testing.assert_close(torch.stack(seen), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_a_run_with_noise_goes_on_bit_for_bit(tmp_path):
    settings = small_settings(tmp_path, noise=NOISE, optimisation={"epochs": 3})
    train(settings, Display())
    other = settings.model_copy(update={"run": tmp_path / "other"})
    train(other, Display(), last_epoch=2)
    train(other, Display(), resume=True)
    ends = [read_checkpoint(RunFolder(s.run).checkpoint("last")).trainer["part"] for s in (settings, other)]
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_atoms_that_meet_are_refused(tmp_path, monkeypatch):
    frames = batches_of(small_settings(tmp_path), 1)
    displacement = torch.zeros_like(frames[0].positions)
    displacement[0] = frames[0].positions[1] - frames[0].positions[0]
    monkeypatch.setattr("mliap_hybrid.weak_supervision.noise.displacements_of_length", lambda *args: displacement)
    with pytest.raises(InputError, match=r"lower weak_supervision.displacement_size, or noise.displacement"):
        noisy_frames(frames, NoiseSettings(**NOISE), 4.5, seed=0)
