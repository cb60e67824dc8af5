"""Training with direct forces: the trainable model is the full model, weak supervision sees what is not conserved."""

import dataclasses

import numpy as np
import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import load_model, read_checkpoint, write_checkpoint
from mliap_hybrid.fitting.explicit_terms import explicit_terms, fixed_physics
from mliap_hybrid.fitting.losses import squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.model.direct_forces import DirectNetwork
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.training_frames import in_double
from mliap_hybrid.weak_supervision.consistency import needs_of, spatial_residuals, taylor_residuals
from mliap_hybrid.weak_supervision.displaced_copies import DisplacedCopies, copy_frame, displaced
from mliap_hybrid.weak_supervision.model_surface import surface_of

pytestmark = pytest.mark.usefixtures("undrawn_figures")

EVERYTHING = {"taylor": "trapezoid", "spatial": "all", "spatial_order": "trapezoid", "n_copies": 1}


def pass_on(items, what):
    return items


def double_copies(copies: DisplacedCopies) -> DisplacedCopies:
    values = {f.name: getattr(copies, f.name) for f in dataclasses.fields(copies)}
    return DisplacedCopies(**{name: {k: v.double() for k, v in of.items()} for name, of in values.items()})


def ready(tmp_path, charges="reference", forces="direct", **changes):
    """Settings, batches, training frames and an untrained model whose force network gives some eV."""
    settings = small_settings(
        tmp_path, electrostatics={"charges": charges}, network={"forces": forces, "hidden": [8]}, **changes
    )
    batches = [frame_to_batch(a, settings.features.cutoff, settings.data.keys) for a in labelled_frames(3)]
    inputs = prepare(settings, batches[:2], batches[2:], pass_on)
    trainable = make_trainable_model(settings, inputs.initial_fit).double().train()
    network = trainable.heads["energy"].networks[0]
    if isinstance(network, DirectNetwork):
        random = torch.Generator().manual_seed(0)
        for parameter in network.force_network.parameters():
            parameter.data = 0.1 * torch.randn(parameter.shape, generator=random, dtype=torch.float64)
    return settings, batches, inputs, trainable


def displacements_of(batch, size=0.03, seed=0):
    random = torch.rand((3, *batch.positions.shape), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return dict(zip("BCD", size * (2.0 * random - 1.0), strict=True))


@pytest.mark.parametrize("charges", ["none", "reference", "fitted"])
def test_trainable_model_equals_the_full_model(tmp_path, charges):
    settings, batches, inputs, trainable = ready(tmp_path, charges)
    if "electrostatics" in trainable.terms:
        trainable.terms["electrostatics"].charges.coordinates.data += 0.3
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    assert not model.is_conservative
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
        torch.testing.assert_close(short.forces - labels["forces"], full.forces - batch.forces, rtol=0, atol=1e-5)
        torch.testing.assert_close(short.virials - labels["virial"], full.virials - batch.virials, rtol=0, atol=5e-5)


def test_gradient_of_the_loss_by_finite_differences(tmp_path):
    settings, _, inputs, trainable = ready(tmp_path, weak_supervision=EVERYTHING | {"taylor": "second"})
    frames, weak = in_double(join_frames(inputs.training)), inputs.weak_supervision
    weak.start_epoch(1, trainable, inputs.training)
    weak.epoch_copies = [double_copies(copies) for copies in weak.epoch_copies]

    def loss():
        prediction = trainable(frames)
        labelled = total_loss(squared_errors(prediction, frames), settings.loss)
        return labelled + weak.loss(trainable, prediction, frames, [0, 1])

    loss().backward()
    generator = torch.Generator().manual_seed(0)
    for name, parameter in trainable.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        ends = []
        for sign in (1.0, -1.0):
            parameter.data += sign * 1e-5 * direction
            ends.append(loss().item())
            parameter.data -= sign * 1e-5 * direction
        found = (parameter.grad * direction).sum().item()
        assert found == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-6), name


@pytest.mark.parametrize(("taylor", "spatial"), [("trapezoid", "all"), ("second", "D"), ("first", "B")])
def test_works_at_displaced_points_are_those_of_forces_computed_there(tmp_path, taylor, spatial):
    weak = EVERYTHING | {"taylor": taylor, "spatial": spatial}
    settings, batches, inputs, trainable = ready(tmp_path, weak_supervision=weak)
    model, batch = make_model(settings, inputs.features, inputs.initial_fit, trainable), batches[0]
    frame, displacements = in_double(inputs.training[0]), displacements_of(batch)
    copies = double_copies(inputs.weak_supervision.copy_frame(batch, displacements))
    surface = surface_of(trainable, trainable(frame), frame, copies)
    points = {"A": torch.zeros_like(batch.positions)} | displacements
    full = {p: predict(model, displaced(batch, d, model.cutoff)) for p, d in points.items()}
    for p, energy in surface.energies.items():
        found = energy[0] - surface.energies["A"][0]
        torch.testing.assert_close(found, full[p].energies[0] - full["A"].energies[0], rtol=0, atol=5e-6)
    for edge, of_edge in surface.works.items():
        expected = ((points[edge[1]] - points[edge[0]]) * full[edge[0]].forces).sum()
        torch.testing.assert_close(of_edge[0], expected, rtol=0, atol=2e-6)
    for edge, of_edge in surface.curvatures.items():  # of the forces, not of the energy
        d = points[edge[1]]
        ends = [predict(model, displaced(batch, h * d, model.cutoff)).forces for h in (1e-3, -1e-3)]
        expected = -((ends[0] - ends[1]) * d).sum() / 2e-3
        torch.testing.assert_close(of_edge[0], expected, rtol=2e-3, atol=1e-6)
    assert len(surface.works) >= 1
    assert bool(surface.curvatures) == (taylor == "second")


def residuals(ready_made, size, taylor, spatial):
    """Of a Taylor order and a spatial variant at displacements of a size; from constants in double precision."""
    settings, batches, inputs, trainable = ready_made
    fit = inputs.initial_fit
    explicit = explicit_terms(settings, fit.elements, fit.charges)

    def physics(batch):
        return fixed_physics(batch, explicit, fit.elements)

    batch, frame = batches[0], in_double(inputs.training[0])
    needs = needs_of(taylor, spatial)
    with pytest.MonkeyPatch.context() as patch:  # float32 would hide what is small
        patch.setattr("mliap_hybrid.weak_supervision.displaced_copies._float32", lambda copies: copies)
        copies = copy_frame(batch, displacements_of(batch, size), needs, inputs.features, fit.whitening, physics)
    frame = dataclasses.replace(frame, features=fit.whitening(inputs.features(batch.geometry())))
    surface = surface_of(trainable, trainable(frame), frame, copies)
    of_taylor = taylor_residuals(surface, taylor).abs().sum().item()
    return of_taylor, spatial_residuals(surface, spatial).abs().sum().item()


@pytest.mark.parametrize(("forces", "order"), [("direct", 1.0), ("conservative", 2.0)])
@pytest.mark.parametrize("taylor", ["first", "trapezoid"])
def test_residuals_of_forces_that_are_no_gradient_are_of_first_order(tmp_path, forces, order, taylor):
    """So the loss sees them: of a conservative model the first order leaves delta^2 and the trapezoid delta^3."""
    made = ready(tmp_path, forces=forces)
    sizes = np.array([1e-3, 2e-3, 4e-3])
    found = np.array([residuals(made, size, taylor, "A") for size in sizes])  # (n_sizes, 2)
    orders = np.polyfit(np.log(sizes), np.log(found), 1)[0]  # of Taylor and spatial consistency
    expected = order + 1.0 if forces == "conservative" and taylor == "trapezoid" else order
    assert orders[0] == pytest.approx(expected, abs=0.1)
    assert orders[1] == pytest.approx(order, abs=0.1)


def test_energy_and_forces_are_learned(tmp_path):
    settings = small_settings(tmp_path, network={"forces": "direct", "hidden": [16]}, optimisation={"epochs": 40})
    errors = train(settings, Display())["train"]
    assert errors.forces.rmse < 0.3 * errors.forces.label_rms
    assert errors.energy.rmse < 0.3 * errors.energy.label_rms
    model = load_model(settings.run)
    assert not model.is_conservative


def test_energy_alone_trains_the_forces_through_consistency(tmp_path):
    """Without force labels, forces start at almost nothing and come to follow from the energy."""
    settings = small_settings(
        tmp_path,
        data={"keys": {"forces": None}},
        loss={"virial": 0.0},
        network={"forces": "direct", "hidden": [16]},
        weak_supervision={"taylor": "trapezoid", "taylor_weight": 3.0, "displacement_size": 0.03},
        optimisation={"epochs": 40},
    )
    train(settings, Display())
    model, batch = load_model(settings.run, "last"), frame_to_batch(labelled_frames(1)[0], settings.features.cutoff)
    direct = predict(model, batch).forces
    model.heads["energy"].members[0] = model.heads["energy"].networks[0].energy
    conservative = predict(model, batch).forces
    assert (direct - conservative).square().mean() < 0.5 * conservative.square().mean()


def test_runs_are_resumed_bit_for_bit_and_checkpoints_written_again(tmp_path):
    weak = {"taylor": "first", "n_copies": 1}
    straight = small_settings(tmp_path, network={"forces": "direct"}, weak_supervision=weak, optimisation={"epochs": 2})
    train(straight, Display())
    other = straight.model_copy(update={"run": tmp_path / "other"})
    train(other, Display(), last_epoch=1)
    train(other, Display(), resume=True)
    first, second = (read_checkpoint(RunFolder(s.run).checkpoint("last")) for s in (straight, other))
    expected = predict(first.model, first.example).forces
    assert torch.equal(predict(second.model, second.example).forces, expected)
    write_checkpoint(first, tmp_path / "again.pt")
    assert torch.equal(predict(read_checkpoint(tmp_path / "again.pt").model, first.example).forces, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"electrostatics": {"charges": "predicted"}},
            "network.forces direct does not work with electrostatics.charges predicted",
        ),
        ({"data": {"keys": {"forces": None}}, "loss": {"virial": 0.0}}, "nothing trains the forces"),
        ({"loss": {"forces": 0.0, "virial": 0.0}}, "nothing trains the forces"),
        (
            {
                "loss": {"forces": 0.0, "virial": 0.0},
                "weak_supervision": {"taylor": "first", "weak_labels": True},
            },
            "nothing trains the forces",
        ),
        (
            {"network": {"forces": "conservative", "force_hidden": [8]}},
            "force_hidden has no effect unless forces is direct",
        ),
        ({"network": {"forces": "indirect"}}, "network.forces"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        small_settings(tmp_path, **{"network": {"forces": "direct"}} | change)


def test_hidden_layers_of_the_forces_are_those_of_the_energy_unless_given(tmp_path):
    _, _, inputs, trainable = ready(tmp_path)
    network = trainable.heads["energy"].networks[0]
    assert network.force_network.hidden == network.energy.hidden == (8,)
    settings = small_settings(tmp_path, network={"forces": "direct", "force_hidden": [5, 6]})
    network = make_trainable_model(settings, inputs.initial_fit).heads["energy"].networks[0]
    assert network.force_network.hidden == (5, 6)
