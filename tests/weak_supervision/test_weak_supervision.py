"""Weak supervision in a training: its surface is that of the full model, and runs with it do what runs do."""

import csv
import dataclasses
import math

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.checkpoint import read_checkpoint
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.run_folder import RunFolder
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.physics.model_hessian import model_hessian
from mliap_hybrid.report.metrics import read_metrics
from mliap_hybrid.runs.metrics_file import MetricsFile
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.training_frames import in_double
from mliap_hybrid.weak_supervision.consistency import needs_of, spatial_residuals, taylor_residuals
from mliap_hybrid.weak_supervision.displaced_copies import (
    DisplacedCopies,
    displaced,
    join_copies,
    memory_of_copies,
)
from mliap_hybrid.weak_supervision.model_surface import surface_of

pytestmark = pytest.mark.usefixtures("undrawn_figures")

EVERYTHING = {
    "taylor": "trapezoid",
    "spatial": "all",
    "spatial_order": "trapezoid",
    "displacement_size": 0.03,
    "n_copies": 2,
}


def pass_on(items, what):
    return items


def double_copies(copies: DisplacedCopies) -> DisplacedCopies:
    values = {f.name: getattr(copies, f.name) for f in dataclasses.fields(copies)}
    return DisplacedCopies(**{name: {k: v.double() for k, v in of.items()} for name, of in values.items()})


def ready(tmp_path, n_frames=3, charges="reference", **weak):
    """Settings, batches, training frames, and an untrained model in double precision."""
    settings = small_settings(tmp_path, electrostatics={"charges": charges}, weak_supervision=EVERYTHING | weak)
    batches = [frame_to_batch(a, settings.features.cutoff, settings.data.keys) for a in labelled_frames(n_frames)]
    inputs = prepare(settings, batches[:-1], batches[-1:], pass_on)
    return settings, batches, inputs, make_trainable_model(settings, inputs.initial_fit).double().train()


def displacements_of(batch, seed, size=0.03):
    generator = torch.Generator().manual_seed(seed)
    random = torch.rand((3, *batch.positions.shape), generator=generator, dtype=torch.float64)
    return dict(zip("BCD", size * (2.0 * random - 1.0), strict=True))


@pytest.mark.parametrize("charges", ["reference", "fitted", "fitted, no forces"])
@pytest.mark.parametrize(("taylor", "spatial"), [("trapezoid", "all"), ("second", "D"), ("first", "B")])
def test_surface_is_that_of_the_full_model(tmp_path, taylor, spatial, charges):
    """Energies and works of all points of two frames at once, charges included; curvature by differences."""
    source = charges.split(",")[0]
    settings, batches, inputs, trainable = ready(tmp_path, taylor=taylor, spatial=spatial, charges=source)
    if source == "fitted":
        trainable.terms["electrostatics"].charges.coordinates.data += 0.4
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    frames = in_double(join_frames(inputs.training))
    if charges == "fitted, no forces":
        products = dataclasses.replace(frames.constants["electrostatics"], forces=None)
        frames = dataclasses.replace(frames.without_labels("forces"), constants={"electrostatics": products})
    displacements = [displacements_of(batch, seed) for seed, batch in enumerate(batches[:2])]
    copies = [
        double_copies(inputs.weak_supervision.copy_frame(b, to)) for b, to in zip(batches, displacements, strict=False)
    ]
    surface = surface_of(trainable, trainable(frames), frames, join_copies(copies))
    for i, batch in enumerate(batches[:2]):
        points = {"A": torch.zeros_like(batch.positions)} | displacements[i]
        full = {p: predict(model, displaced(batch, d, model.cutoff)) for p, d in points.items()}
        for p, energy in surface.energies.items():
            found, expected = energy[i] - surface.energies["A"][i], full[p].energies[0] - full["A"].energies[0]
            torch.testing.assert_close(found, expected, rtol=0, atol=2e-6)
        for edge, of_edge in surface.works.items():
            expected = ((points[edge[1]] - points[edge[0]]) * full[edge[0]].forces).sum()
            torch.testing.assert_close(of_edge[i], expected, rtol=0, atol=1e-6)
        for edge, of_edge in surface.curvatures.items():
            d = points[edge[1]]
            ends = [predict(model, displaced(batch, h * d, model.cutoff)).forces for h in (1e-3, -1e-3)]
            expected = -((ends[0] - ends[1]) * d).sum() / 2e-3
            torch.testing.assert_close(of_edge[i], expected, rtol=1e-3, atol=1e-6)
    assert surface.works.keys() >= {"AC"}
    assert bool(surface.curvatures) == (taylor == "second")


def test_loss_is_the_weighted_sum_of_its_terms(tmp_path):
    weights = {"taylor_weight": 2.0, "spatial_weight": 0.3}
    _, _, inputs, trainable = ready(tmp_path, **weights)
    trainable.float()
    weak, frames = inputs.weak_supervision, join_frames(inputs.training)
    assert weak.start_epoch(1, trainable, inputs.training)
    prediction = trainable(frames)
    surface = surface_of(trainable, prediction, frames, join_copies(weak.epoch_copies))
    squared_length = 8 * 0.03**2  # atoms, times the square of the size
    taylor = taylor_residuals(surface, "trapezoid").square().mean() / squared_length
    spatial = spatial_residuals(surface, "all", "trapezoid").square().mean() / squared_length
    found = weak.loss(trainable, prediction, frames, [0, 1]).item()
    assert found == pytest.approx((2.0 * taylor + 0.3 * spatial).item(), rel=1e-6)


@pytest.mark.parametrize(("taylor", "spatial"), [("first", "A"), ("trapezoid", "all"), ("second", "two-point")])
def test_gradient_of_the_terms_by_finite_differences(tmp_path, taylor, spatial):
    _, _, inputs, trainable = ready(tmp_path, taylor=taylor, spatial=spatial)
    weak, frames = inputs.weak_supervision, in_double(join_frames(inputs.training))
    weak.start_epoch(1, trainable, inputs.training)
    weak.epoch_copies = [double_copies(copies) for copies in weak.epoch_copies]

    def loss():
        return weak.loss(trainable, trainable(frames), frames, [0, 1])

    loss().backward()
    generator = torch.Generator().manual_seed(0)
    directions = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in trainable.parameters()]
    ends = []
    for sign in (1.0, -1.0):
        for parameter, direction in zip(trainable.parameters(), directions, strict=True):
            parameter.data += sign * 1e-5 * direction
        ends.append(loss().item())
        for parameter, direction in zip(trainable.parameters(), directions, strict=True):
            parameter.data -= sign * 1e-5 * direction
    expected = (ends[0] - ends[1]) / 2e-5
    pairs = zip(trainable.parameters(), directions, strict=True)
    derivative = sum((p.grad * d).sum().item() for p, d in pairs if p.grad is not None)
    assert derivative == pytest.approx(expected, rel=1e-5)


def test_weak_labels_lead_to_the_reference_energy(tmp_path):
    """With labels at A, the residual is E(C) - E_ref(A) + d . F_ref(A), whatever the model says of A."""
    settings, batches, inputs, trainable = ready(tmp_path, taylor="first", spatial="none", weak_labels=True)
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    batch, frames = batches[0], in_double(inputs.training[0])
    weak, displacement = inputs.weak_supervision, displacements_of(batches[0], 7)
    weak.epoch_copies = [double_copies(weak.copy_frame(batch, displacement))]
    full = predict(model, displaced(batch, displacement["C"], model.cutoff)).energies
    residual = full - batch.energies + (displacement["C"] * batch.forces).sum()
    found = weak.loss(trainable, trainable(frames), frames, [0]).item()
    assert found == pytest.approx(residual.square().item() / (8 * 0.03**2), rel=1e-4)


@pytest.mark.parametrize("displacement", ["random", "thermal"])
def test_central_and_curvature_are_the_odd_and_even_parts_of_the_full_model(tmp_path, displacement):
    """Half the difference of E(C) and E(M) with reference forces; their mean with the model Hessian."""
    for taylor in ("central", "curvature"):
        settings, batches, inputs, trainable = ready(
            tmp_path, taylor=taylor, spatial="none", weak_labels=taylor == "central", displacement=displacement
        )
        model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
        batch, frames, weak = batches[0], in_double(inputs.training[0]), inputs.weak_supervision
        weak.start_epoch(1, trainable, inputs.training)
        weak.epoch_copies = [double_copies(copies) for copies in weak.epoch_copies]
        d = weak.epoch_copies[0].displacements["AC"]
        plus, minus = (predict(model, displaced(batch, sign * d, model.cutoff)).energies for sign in (1, -1))
        if taylor == "central":
            residual = 0.5 * (plus - minus) + (d * batch.forces).sum()
        else:
            at_a = predict(model, batch).energies
            residual = 0.5 * (plus + minus) - at_a - 0.5 * d.flatten() @ model_hessian(batch) @ d.flatten()
        found = weak.loss(trainable, trainable(frames), frames, [0]).item()
        assert found == pytest.approx(residual.square().item() / (8 * 0.03**2), rel=1e-3)


def test_adversarial_copies_go_against_the_error_of_the_forces(tmp_path):
    _, _, inputs, trainable = ready(tmp_path, displacement="adversarial", taylor="first", spatial="none")
    trainable.float()
    weak = inputs.weak_supervision
    weak.start_epoch(1, trainable, inputs.training)
    for frame, copies in zip(inputs.training, weak.epoch_copies, strict=True):
        errors = (trainable(frame).forces - frame.labels["forces"].values).detach()
        displacement = copies.displacements["AC"]
        torch.testing.assert_close(
            (displacement * errors).sum(1), -(3**0.5) * 0.03 * errors.norm(dim=1), rtol=1e-4, atol=1e-7
        )
    assert trainable.training


def test_virtual_adversarial_training_holds_the_energy_against_a_step_along_the_forces(tmp_path):
    """No labels enter: the change of the predicted energy down its own gradient, E(A) being a constant."""
    _, _, inputs, trainable = ready(tmp_path, displacement="virtual", taylor="zeroth", spatial="none")
    trainable.float()
    weak, frame = inputs.weak_supervision, inputs.training[0]
    weak.start_epoch(1, trainable, inputs.training)
    displacement, prediction = weak.epoch_copies[0].displacements["AC"], trainable(frame)
    torch.testing.assert_close(displacement.norm(dim=1), torch.full((8,), 3**0.5 * 0.03), rtol=1e-5, atol=0)
    assert (displacement * prediction.forces).sum(1).max() < 0
    unlabelled = dataclasses.replace(frame, labels={"energy": Label(torch.full((1,), torch.nan))})
    found = weak.loss(trainable, prediction, unlabelled, [0])
    surface = surface_of(trainable, prediction, frame, weak.epoch_copies[0])
    expected = (surface.energies["C"] - surface.energies["A"]).square() / (8 * 0.03**2)
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    (gradient,) = torch.autograd.grad(found, prediction.energies, allow_unused=True)
    assert gradient is None or gradient.item() == 0.0


def test_atoms_that_do_not_move_are_at_one_place_in_all_copies(tmp_path):
    _, _, inputs, trainable = ready(tmp_path, displaced_fraction=0.5, taylor="first", spatial="all")
    weak = inputs.weak_supervision
    weak.start_epoch(1, trainable, inputs.training)
    moved = [
        torch.stack([copies.displacements[edge].abs().sum(1) > 0 for edge in ("AB", "AC")])
        for copies in weak.epoch_copies
    ]
    for of_frame in moved:
        assert torch.equal(of_frame[0], of_frame[1])
    assert 0 < torch.cat(moved, dim=1)[0].sum() < 16


def test_copies_take_turns_and_wait_for_the_warm_up(tmp_path):
    _, _, inputs, trainable = ready(tmp_path, warm_up_epochs=1)
    weak = inputs.weak_supervision
    assert not weak.start_epoch(1, trainable, inputs.training)
    seen = []
    for epoch in (2, 3, 4):
        assert weak.start_epoch(epoch, trainable, inputs.training)
        seen.append(weak.epoch_copies[0].displacements["AC"])
    assert torch.equal(seen[0], seen[2])
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(("taylor", "spatial"), [("first", "none"), ("second", "D"), ("trapezoid", "all")])
def test_memory_is_foreseen(tmp_path, taylor, spatial):
    _, batches, inputs, _ = ready(tmp_path, taylor=taylor, spatial=spatial)
    taken = sum(copies.n_bytes for frame in inputs.weak_supervision.random_copies for copies in frame)
    n_kept = inputs.initial_fit.whitening.matrix.shape[1]
    needs = needs_of(taylor, spatial, "trapezoid")
    assert memory_of_copies(batches[:2], n_kept, needs, 2) == pytest.approx(taken, rel=0.1)


def test_copies_that_do_not_fit_into_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("mliap_hybrid.runs.preparation.available_memory", lambda: 30_000)
    with pytest.raises(InputError, match=r"lower weak_supervision.n_copies"):
        ready(tmp_path, n_copies=100)


def test_displacements_that_let_atoms_meet_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"displacement_size is 0.4 Å, but the closest atoms .* expected at most 0\.3"):
        ready(tmp_path, displacement_size=0.4)
    _, batches, inputs, _ = ready(tmp_path)
    displacement = torch.zeros_like(batches[0].positions)
    displacement[0] = batches[0].positions[1] - batches[0].positions[0]
    with pytest.raises(
        InputError, match=r"after the atoms of a frame were displaced: .* lower weak_supervision.displacement_size"
    ):
        inputs.weak_supervision.copy_frame(batches[0], dict.fromkeys("BCD", displacement))


def weights(run):
    trainer = read_checkpoint(RunFolder(run).checkpoint("last")).trainer
    return {**trainer["part"], **{f"average.{n}": v for n, v in trainer["average"].items()}}


def assert_same_bits(a, b):
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "weak",
    [EVERYTHING, {"taylor": "first", "displacement": "adversarial", "warm_up_epochs": 1, "weak_labels": True}],
    ids=["random", "adversarial"],
)
def test_interrupted_and_straight_run_end_bit_for_bit_alike(tmp_path, weak):
    settings = small_settings(tmp_path, weak_supervision=weak, optimisation={"epochs": 4})
    train(settings, Display())
    other = settings.model_copy(update={"run": tmp_path / "other"})
    train(other, Display(), last_epoch=2)
    train(other, Display(), resume=True)
    assert_same_bits(weights(settings.run), weights(other.run))
    plain = small_settings(tmp_path, run=str(tmp_path / "plain"), optimisation={"epochs": 4})
    train(plain, Display())
    linear = "heads.heads.energy.members.0.linear"
    assert not torch.equal(weights(settings.run)[linear], weights(plain.run)[linear])


def test_derivatives_that_stay_on_disk_change_nothing(tmp_path, monkeypatch):
    settings = small_settings(
        tmp_path,
        features={"set": "acsf"},  # derivatives of the others are never stored
        weak_supervision=EVERYTHING,
        optimisation={"epochs": 2},
        data={"cache": str(tmp_path / "cache")},
    )
    train(settings, Display())
    monkeypatch.setattr("mliap_hybrid.runs.preparation.available_memory", lambda: 600_000)
    other = settings.model_copy(update={"run": tmp_path / "other"})
    train(other, Display())
    assert "they stay in the feature cache" in RunFolder(other.run).log.read_text()
    assert_same_bits(weights(settings.run), weights(other.run))


def test_training_from_energies_alone_lowers_the_error(tmp_path):
    settings = small_settings(
        tmp_path,
        data={"keys": {"forces": None}},
        loss={"virial": 0.0},
        weak_supervision=EVERYTHING,
        optimisation={"epochs": 60},
    )
    train(settings, Display())
    with RunFolder(settings.run).metrics.open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["train_energy_rmse"]) < 0.5 * float(rows[1]["train_energy_rmse"])
    assert "weak supervision adds" in RunFolder(settings.run).log.read_text()


def test_metrics_have_a_column_for_the_terms_which_older_files_lack(tmp_path):
    settings = small_settings(
        tmp_path, weak_supervision={"taylor": "first", "warm_up_epochs": 1}, optimisation={"epochs": 2}
    )
    train(settings, Display())
    path = RunFolder(settings.run).metrics
    first, second = read_metrics(path)
    assert math.isnan(first["weak_supervision_loss"])
    assert second["weak_supervision_loss"] > 0
    lines = [line.split(",") for line in path.read_text().splitlines()]
    column = lines[0].index("weak_supervision_loss")
    path.write_text("\n".join(",".join(cells[:column] + cells[column + 1 :]) for cells in lines) + "\n")
    older = read_metrics(path)
    assert "weak_supervision_loss" not in older[1]
    assert older[1]["validation_loss"] == second["validation_loss"]
    MetricsFile(path, finished_epochs=1)
    assert len(read_metrics(path)) == 1


def test_the_terms_fall_while_the_network_learns(tmp_path):
    """Weak labels say what is true, so that a network that learns comes to agree with them."""
    weak = {"taylor": "trapezoid", "weak_labels": True, "displacement_size": 0.05, "n_copies": 1}
    settings = small_settings(tmp_path, weak_supervision=weak, optimisation={"epochs": 60})
    evaluations = train(settings, Display())
    added = [row["weak_supervision_loss"] for row in read_metrics(RunFolder(settings.run).metrics)]
    assert len(added) == 60
    assert added[-1] < 0.2 * added[0]
    assert evaluations["validation"].forces.rmse < 0.6 * evaluations["validation"].forces.label_rms
