"""Frames that lack some labels: what stands in place of a label does not matter, and only labelled frames count."""

from dataclasses import replace

import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.config import LossSettings
from mliap_hybrid.data.baseline import compositions, fit_baseline
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.feature_derivatives import StoredDerivatives
from mliap_hybrid.fitting.frame_labels import Label
from mliap_hybrid.fitting.losses import RunningErrors, label_counts, squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_trainable_model
from mliap_hybrid.fitting.training_frames import Places, TrainingFrames, join_frames
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.runs.progress import Display
from mliap_hybrid.runs.run import train
from mliap_hybrid.runs.training_data import load_data
from mliap_hybrid.testing.labelled import labelled_frames, small_settings

pytestmark = pytest.mark.usefixtures("undrawn_figures")

WEIGHTS = LossSettings(virial=1.0, energy_transition=0.5, force_transition=0.5)


def frame(n_atoms, labels, seed):
    """A training frame without pairs, with random labels of the given quantities."""
    random = torch.Generator().manual_seed(seed)
    shapes = {"energy": (1,), "forces": (n_atoms, 3), "virial": (1, 3, 3)}
    shapes |= {"charges": (n_atoms,), "dipole": (1, 3), "born_charges": (n_atoms, 3, 3)}
    values = {name: torch.randn(shape, generator=random) for name, shape in shapes.items() if name in labels}
    return TrainingFrames(
        features=torch.zeros(n_atoms, 1),
        derivatives=StoredDerivatives((torch.zeros(0, 3, 1),)),
        pair_i=torch.zeros(0, dtype=torch.int64),
        pair_j=torch.zeros(0, dtype=torch.int64),
        pair_vectors=torch.zeros(0, 3),
        species=torch.zeros(n_atoms, dtype=torch.int64),
        frame_of_atom=torch.zeros(n_atoms, dtype=torch.int64),
        atoms_per_frame=torch.tensor([float(n_atoms)]),
        places=Places(torch.tensor([11]), ((torch.randn(n_atoms, 3, generator=random), torch.tensor([False])),)),
        total_charges=torch.zeros(1),
        wall_energies=torch.zeros(1),
        is_between_molecules=torch.zeros(0, dtype=torch.bool),
        labels={name: Label(value) for name, value in values.items()},
    )


ALL = ("energy", "forces", "virial", "charges", "dipole", "born_charges")
MIXED = [
    frame(3, ("energy", "charges"), 0),
    frame(2, ("forces", "dipole", "born_charges"), 1),
    frame(4, ("energy", "forces", "virial"), 2),
]


def prediction_of(frames, seed=7):
    """Random predictions of a joined set, with gradients."""
    random = torch.Generator().manual_seed(seed)
    n_atoms, n_frames = len(frames.features), frames.n_frames
    shapes = ((n_frames,), (n_atoms, 3), (n_frames, 3, 3), (n_atoms,), (n_atoms,), (n_frames, 3), (n_atoms, 3, 3))
    *values, dipole, born_charges = (torch.randn(shape, generator=random, requires_grad=True) for shape in shapes)
    return Prediction(*values, {"dipole": dipole, "born_charges": born_charges})


def loss_and_gradients(frames):
    prediction = prediction_of(frames)
    loss = total_loss(squared_errors(prediction, frames, WEIGHTS), WEIGHTS)
    values = [prediction.energies, prediction.forces, prediction.virials, prediction.charges]
    return loss.detach(), torch.autograd.grad(loss, [*values, *prediction.others.values()], materialize_grads=True)


def with_garbage(frames, value):
    """The same frames with `value` in place of every label that is missing."""
    spoiled = {}
    for name, label in frames.labels.items():
        rows = ~label.mask if name in ("energy", "virial", "dipole") else ~label.mask[frames.frame_of_atom]
        values = label.values.clone()
        values[rows] = value
        spoiled[name] = replace(label, values=values)
    return replace(frames, labels=spoiled)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 1e30, -3.0])
def test_what_stands_for_a_missing_label_changes_nothing(value):
    clean = join_frames(MIXED)
    loss, gradients = loss_and_gradients(clean)
    spoiled_loss, spoiled_gradients = loss_and_gradients(with_garbage(clean, value))
    assert torch.equal(loss, spoiled_loss)
    for a, b in zip(gradients, spoiled_gradients, strict=True):
        assert torch.equal(a, b)


def test_errors_are_means_over_the_labelled_frames_alone():
    frames = join_frames(MIXED)
    prediction = prediction_of(frames)
    errors = squared_errors(prediction, frames)
    atoms = frames.frame_of_atom
    of_energy = [
        (prediction.energies[k] - MIXED[k].labels["energy"].values[0]) / MIXED[k].atoms_per_frame[0] for k in (0, 2)
    ]
    assert errors.means["energy"].item() == pytest.approx(torch.stack(of_energy).square().mean().item())
    of_forces = torch.cat([prediction.forces[atoms == k] - MIXED[k].labels["forces"].values for k in (1, 2)])
    assert errors.means["forces"].item() == pytest.approx(of_forces.square().mean().item())
    of_charges = prediction.charges[atoms == 0] - MIXED[0].labels["charges"].values
    assert errors.means["charges"].item() == pytest.approx(of_charges.square().mean().item())
    of_born = prediction.others["born_charges"][atoms == 1] - MIXED[1].labels["born_charges"].values
    assert errors.means["born_charges"].item() == pytest.approx(of_born.square().mean().item())
    expected = {"energy": 2, "forces": 6, "virial": 1, "charges": 3, "dipole": 1, "born_charges": 2}
    assert {name: count for name, count in label_counts(frames).items() if count} == expected


def test_a_label_that_no_frame_has_adds_nothing():
    frames = join_frames([frame(3, ("energy",), 0), frame(2, ("energy",), 1)])
    errors = squared_errors(prediction_of(frames), frames)
    assert list(errors.means) == list(errors.penalties) == ["energy"]
    assert total_loss(errors, LossSettings(energy=1.0)).item() == pytest.approx(1000.0 * errors.means["energy"].item())


def test_joined_frames_are_joined_again():
    once = join_frames(MIXED)
    twice = join_frames([join_frames(MIXED[:1]), join_frames(MIXED[1:])])
    assert list(once.labels) == list(twice.labels) == list(ALL)
    for name in ALL:
        assert torch.equal(once.labels[name].values, twice.labels[name].values)
        assert torch.equal(once.labels[name].mask, twice.labels[name].mask)
    complete = join_frames([frame(2, ALL, 3), frame(3, ALL, 4)])
    assert all(label.mask is None for label in complete.labels.values())


def test_running_errors_of_parts_are_those_of_the_whole():
    whole, running = join_frames(MIXED), RunningErrors()
    prediction = prediction_of(whole)
    for index, part in enumerate(MIXED):
        atoms = whole.frame_of_atom == index
        of_part = Prediction(
            prediction.energies[[index]],
            prediction.forces[atoms],
            prediction.virials[[index]],
            prediction.charges[atoms],
            others={
                "dipole": prediction.others["dipole"][[index]],
                "born_charges": prediction.others["born_charges"][atoms],
            },
        )
        running.add(squared_errors(of_part, part), part)
    expected, found = squared_errors(prediction, whole), running.mean()
    for name in ALL:
        assert found.means[name].item() == pytest.approx(expected.means[name].item(), rel=1e-6)


def write_mixed(path, n_frames=16, nan=False):
    """Frames of which some lack energy, forces, stress or charges, left out or written as NaN."""
    frames = labelled_frames(n_frames)
    for index, atoms in enumerate(frames):
        results = dict(atoms.calc.results)
        lacking = {0: "forces", 1: "energy"}.get(index % 3)
        for label in [lacking, "stress" if index % 2 else None]:
            if label is not None and nan:
                results[label] = np.full_like(results[label], np.nan)
            elif label is not None:
                del results[label]
        atoms.calc = SinglePointCalculator(atoms, **results)
        if index % 4 == 0:
            del atoms.arrays["reference_charges"]
    ase.io.write(path, frames)


def mixed_settings(folder, nan=False, **changes):
    write_mixed(folder / "data.extxyz", nan=nan)
    data = {"validation": 0.3, "missing_labels": "allow"} | changes.pop("data", {})
    return small_settings(folder, data=data, optimisation={"epochs": 2}, **changes)


def test_mixed_frames_are_trained_and_reported(tmp_path):
    settings = mixed_settings(tmp_path)
    evaluations = train(settings, Display())
    batches = load_data(settings, Display())
    for name, part in batches.items():
        labelled = [batch for batch in part if batch.energies is not None]
        assert len(evaluations[name].energy.labels) == len(labelled)
        atoms = sum(batch.n_atoms for batch in part if batch.forces is not None)
        assert len(evaluations[name].forces.labels) == 3 * atoms
    log = (settings.run / "train.log").read_text()
    assert "Of 16 frames have labels: energy 11, forces 10, stress 8, charges 12" in log


def test_the_network_never_sees_a_missing_label(tmp_path):
    """NaN in the file, or no entry: the same loss, bit for bit, and finite gradients."""
    losses = []
    for nan in (False, True):
        folder = tmp_path / str(nan)
        folder.mkdir()
        settings = mixed_settings(folder, nan=nan)
        batches = load_data(settings, Display())
        inputs = prepare(settings, batches["train"], batches["validation"], Display().track)
        trainable = make_trainable_model(settings, inputs.initial_fit)
        frames = join_frames(inputs.training)
        loss = total_loss(squared_errors(trainable(frames), frames), settings.loss)
        loss.backward()
        assert all(torch.isfinite(parameter.grad).all() for parameter in trainable.parameters())
        losses.append(loss.item())
    assert losses[0] == losses[1]


def test_element_energies_come_from_the_frames_with_energies(tmp_path):
    settings = mixed_settings(tmp_path, repulsion={"kind": "none"})
    batches = load_data(settings, Display())
    fit = prepare(settings, batches["train"], batches["validation"], Display().track).initial_fit
    labelled = [batch for batch in batches["train"] if batch.energies is not None]
    assert 0 < len(labelled) < len(batches["train"])
    expected = fit_baseline(compositions(labelled, (11, 17)), torch.cat([batch.energies for batch in labelled]))
    torch.testing.assert_close(fit.baseline, expected)


def test_missing_labels_are_refused_unless_allowed(tmp_path):
    write_mixed(tmp_path / "data.extxyz")
    with pytest.raises(InputError, match=r"data.extxyz, frame 1: no entry 'energy', which data.keys.energy") as caught:
        load_data(small_settings(tmp_path), Display())
    assert "5 of 16 frames lack it" in str(caught.value)
    assert "set data.missing_labels to allow" in str(caught.value)


def test_a_label_that_no_frame_has_is_refused_though_allowed(tmp_path):
    settings = mixed_settings(tmp_path, data={"keys": {"forces": "force"}}, loss={"virial": 0.0})
    with pytest.raises(InputError, match=r"no entry 'force', which data.keys.forces names \(did you mean 'forces'"):
        load_data(settings, Display())


def test_frames_that_the_loss_has_no_use_for_are_refused(tmp_path):
    settings = mixed_settings(tmp_path, loss={"energy": 0.0, "virial": 0.0})
    with pytest.raises(InputError, match=r"frame 0: none of the labels that the loss uses \('forces'\).*6 of 16"):
        load_data(settings, Display())


def test_training_frames_without_any_energy_are_refused(tmp_path):
    settings = mixed_settings(tmp_path)
    batches = load_data(settings, Display())
    training = [batch.without_labels("energy") for batch in batches["train"]]
    with pytest.raises(InputError, match="no training frame has an energy"):
        prepare(settings, training, batches["validation"], Display().track)


def test_label_that_is_partly_nan_is_no_missing_label(tmp_path):
    frames = labelled_frames(16)
    frames[3].calc.results["forces"][5, 1] = np.nan
    ase.io.write(tmp_path / "data.extxyz", frames)
    settings = small_settings(tmp_path, data={"missing_labels": "allow"})
    with pytest.raises(InputError, match="frame 3: 'forces' of atom 5 is nan"):
        load_data(settings, Display())
