"""The trainable model is the full model on cached features; what it minimises is the derivative of an energy."""

import copy

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.losses import squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.training_frames import join_frames, memory_of_frames
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.training_frames import in_double

WAYS = ["gmp-2c3", "acsf", "learned"]
"""Features whose derivatives the native kernels apply, features whose derivatives are stored, and contractions."""


def pass_on(items, what):
    return items


def ready(tmp_path, charges, features="gmp-2c3"):
    """Settings, labelled batches, training frames and an untrained model whose charges are off their start."""
    features = {"set": features, "widths": [0.5, 1.0], "max_order": 3} if features == "learned" else {"set": features}
    settings = small_settings(tmp_path, electrostatics={"charges": charges}, features=features)
    keys, cutoff = settings.data.keys, settings.features.cutoff
    batches = [frame_to_batch(atoms, cutoff, keys) for atoms in labelled_frames(5)]
    inputs = prepare(settings, batches[:4], batches[4:], pass_on)
    trainable = make_trainable_model(settings, inputs.initial_fit, inputs.training).double().train()
    if "electrostatics" in trainable.terms:
        trainable.terms["electrostatics"].charges.coordinates.data += 0.3
    return settings, batches, inputs, trainable


@pytest.mark.parametrize("features", WAYS)
@pytest.mark.parametrize("charges", ["none", "reference", "formal", "fitted", {"Na": 0.4, "Cl": -0.4}], ids=str)
def test_trainable_model_equals_the_full_model(tmp_path, charges, features):
    """Shortcut minus its labels is the full model minus the data's labels: energies, forces, virials."""
    settings, batches, inputs, trainable = ready(tmp_path, charges, features)
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    for batch, frame in zip(batches, [*inputs.training, *inputs.validation], strict=True):
        short, full = trainable(frame := in_double(frame)), predict(model, batch)
        labels = {name: label.values for name, label in frame.labels.items()}
        torch.testing.assert_close(
            short.energies - labels["energy"],
            full.energies - batch.energies,
            rtol=0,
            atol=1e-5,
            check_dtype=False,
        )
        torch.testing.assert_close(short.forces - labels["forces"], full.forces - batch.forces, rtol=0, atol=2e-6)
        torch.testing.assert_close(short.virials - labels["virial"], full.virials - batch.virials, rtol=0, atol=1e-5)


@pytest.mark.parametrize("features", WAYS)
def test_frames_together_are_the_frames_one_by_one(tmp_path, features):
    _, _, inputs, trainable = ready(tmp_path, "fitted", features)
    frames = [in_double(frame) for frame in inputs.training]
    joined, single = trainable(join_frames(frames)), [trainable(frame) for frame in frames]
    for name in ("energies", "forces", "virials"):
        torch.testing.assert_close(getattr(joined, name), torch.cat([getattr(s, name) for s in single]))


@pytest.mark.parametrize("features", WAYS)
@pytest.mark.parametrize("charges", ["none", "fitted"])
def test_gradient_of_the_loss_by_finite_differences(tmp_path, charges, features):
    settings, _, inputs, trainable = ready(tmp_path, charges, features)
    frames = in_double(join_frames(inputs.training))

    def loss():
        return total_loss(squared_errors(trainable(frames), frames), settings.loss)

    loss().backward()
    generator = torch.Generator().manual_seed(0)
    for parameter in trainable.parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        ends = []
        for sign in (1.0, -1.0):
            parameter.data += sign * 1e-5 * direction
            ends.append(loss().item())
            parameter.data -= sign * 1e-5 * direction
        expected = (ends[0] - ends[1]) / 2e-5
        # float32 buffers of the fitted charges do not matter: both sides use the same ones.
        assert (parameter.grad * direction).sum().item() == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_forces_carry_no_net_force_and_virials_are_symmetric(tmp_path):
    _, _, inputs, trainable = ready(tmp_path, "none")
    prediction = trainable(in_double(inputs.training[0]))
    assert prediction.forces.sum(0).abs().max() < 1e-5
    torch.testing.assert_close(prediction.virials, prediction.virials.transpose(1, 2), rtol=0, atol=1e-5)


def test_labels_that_are_not_used_are_left_out(tmp_path):
    settings = small_settings(tmp_path, data={"keys": {"forces": None}}, loss={"virial": 0.0})
    batches = [frame_to_batch(a, settings.features.cutoff, settings.data.keys) for a in labelled_frames(3)]
    inputs = prepare(settings, batches[:2], batches[2:], pass_on)
    frames = join_frames(inputs.training)
    assert list(frames.labels) == ["energy"]
    errors = squared_errors(make_trainable_model(settings, inputs.initial_fit)(frames), frames)
    assert list(errors.means) == ["energy"]
    assert total_loss(errors, settings.loss).item() == pytest.approx(1000.0 * errors.means["energy"].item())


@pytest.mark.parametrize("features", WAYS)
def test_memory_is_foreseen(tmp_path, features):
    _, batches, inputs, _ = ready(tmp_path, "none", features)
    frames = join_frames([*inputs.training, *inputs.validation])
    n_kept = inputs.initial_fit.whitening.matrix.shape[1]
    foreseen = memory_of_frames(batches, n_kept, stores_derivatives=features == "acsf")
    assert frames.n_bytes <= foreseen <= 1.3 * frames.n_bytes


def test_single_precision_is_precise_enough(tmp_path):
    """What a training sees of forces is off by 1e-5 of them, and so is what it makes of the weights."""
    _, _, inputs, trainable = ready(tmp_path, "none")
    found = []
    single = copy.deepcopy(trainable).float()
    for of_part, frames in ((trainable, in_double(inputs.training[0])), (single, inputs.training[0])):
        forces = of_part(frames).forces
        forces.square().sum().backward()
        weights = torch.cat([parameter.grad.flatten().double() for parameter in of_part.parameters()])
        found.append((forces.detach().double(), weights))
    for exact, rounded in zip(*found, strict=True):
        assert (rounded - exact).norm() < 2e-5 * exact.norm()
