"""Training with predicted charges: the trainable model is the full model, and its loss has the right gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.losses import RunningErrors, squared_errors, total_loss
from mliap_hybrid.fitting.model_factory import make_model, make_trainable_model
from mliap_hybrid.fitting.training_frames import join_frames, memory_of_frames
from mliap_hybrid.fitting.typical_values import typical_values
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.terms.electrostatics import CoulombMatrices, Electrostatics
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.interaction_matrices import InteractionMatrices, interaction_matrices
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.testing.training_frames import in_double

NEUTRALITIES = ("shift", "increments")


def pass_on(items, what):
    return items


def crystals() -> list[Atoms]:
    """Periodic frames with energies, forces, stresses, charges and made-up Born charges."""
    frames = labelled_frames(4)
    for seed, atoms in enumerate(frames):
        atoms.set_array("born", np.random.default_rng(seed).normal(size=(len(atoms), 9)))
        atoms.info["charge"] = 0.0
    return frames


def molecules() -> list[Atoms]:
    """Molecules of two compositions with all made-up labels that they can have; some are ions."""
    frames = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        n_chlorine = 3 + seed % 2
        atoms = random_structure(3 + n_chlorine, ["Na", "Cl"], None, seed, closest=2.0)
        atoms.numbers = np.array([11] * 3 + [17] * n_chlorine)
        charges = random.normal(size=len(atoms))
        atoms.set_array("reference_charges", charges + (3 - n_chlorine - charges.sum()) / len(atoms))
        atoms.set_array("born", random.normal(size=(len(atoms), 3, 3)).reshape(-1, 9))
        atoms.info |= {"charge": float(3 - n_chlorine), "moment": random.normal(size=3)}
        forces = random.normal(size=(len(atoms), 3))
        atoms.calc = SinglePointCalculator(atoms, energy=random.normal(), forces=forces)
        frames.append(atoms)
    return frames


def ready(tmp_path, neutrality, frames, with_input=False, **loss):
    """Settings, labelled batches, training frames and a model whose charges are far from their start."""
    molecular = not frames[0].pbc.any()
    keys = {"charges": "reference_charges", "born_charges": "born", "total_charge": "charge"}
    keys |= {"stress": None, "dipole": "moment"} if molecular else {}
    settings = small_settings(
        tmp_path,
        data={"keys": {"stress": "stress"} | keys},
        loss={"virial": 0.0 if molecular else 1.0} | loss,
        electrostatics={
            "charges": "predicted",
            "neutrality": neutrality,
            "charge_hidden": [6],
            "total_charge_input": with_input,
        },
    )
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in frames]
    inputs = prepare(settings, batches[:3], batches[3:], pass_on)
    trainable = make_trainable_model(settings, inputs.initial_fit).double().train()
    generator = torch.Generator().manual_seed(1)
    for parameter in trainable.heads["charge"].parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
    return settings, batches, inputs, trainable


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize("make", [crystals, molecules])
@pytest.mark.parametrize("with_input", [False, True])
def test_trainable_model_equals_the_full_model(tmp_path, neutrality, make, with_input):
    """Shortcut minus its labels is the full model minus the data's labels; charges and what they do are the same."""
    settings, batches, inputs, trainable = ready(tmp_path, neutrality, make(), with_input)
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable)
    evaluator = Evaluator(model)
    for batch, frame in zip(batches, [*inputs.training, *inputs.validation], strict=True):
        short, full = trainable(frame := in_double(frame)), predict(model, batch)
        assert float(full.charges.std()) > 0.2
        assert_near(short.energies - frame.labels["energy"].values, full.energies - batch.energies, full.energies)
        assert_near(short.forces - frame.labels["forces"].values, full.forces - batch.forces, full.forces)
        assert_near(short.charges, full.charges, full.charges)
        assert_near(short.potentials, full.potentials, full.potentials)
        others = evaluator.predict(batch, ["born_charges", "dipole"]).others
        for name in frame.labels.keys() & others.keys():
            assert_near(short.others[name], others[name], others[name])
        assert_near(trainable.values(frame, "charge"), full.charges, full.charges)
        if batch.virials is not None:
            assert_near(short.virials - frame.labels["virial"].values, full.virials - batch.virials, full.virials)


def assert_near(found, expected, scale):
    """Equal to what constants in float32 allow."""
    assert (found - expected).abs().max() < 2e-5 * scale.abs().max()


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
def test_frames_together_are_the_frames_one_by_one(tmp_path, neutrality):
    _, _, inputs, trainable = ready(tmp_path, neutrality, molecules(), with_input=True)
    frames = [in_double(frame) for frame in inputs.training]
    joined, alone = trainable(join_frames(frames)), [trainable(frame) for frame in frames]
    for name in ("energies", "forces", "charges", "potentials"):
        torch.testing.assert_close(getattr(joined, name), torch.cat([getattr(single, name) for single in alone]))
    for name in ("dipole", "born_charges"):
        torch.testing.assert_close(joined.others[name], torch.cat([single.others[name] for single in alone]))


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize("make", [crystals, molecules])
@pytest.mark.parametrize("label", ["energy", "forces", "virial", "charges", "dipole", "born_charges"])
def test_gradient_of_the_loss_by_finite_differences(tmp_path, neutrality, make, label):
    if (label, make) in (("virial", molecules), ("dipole", crystals)):
        pytest.skip("no such label")
    weights = dict.fromkeys(("energy", "forces", "charges", "dipole", "born_charges", "virial"), 0.0) | {label: 1.0}
    settings, _, inputs, trainable = ready(tmp_path, neutrality, make(), with_input=True, **weights)
    frames = in_double(join_frames(inputs.training))

    def loss():
        return total_loss(squared_errors(trainable(frames), frames), settings.loss)

    assert loss().item() > 0
    loss().backward()
    generator = torch.Generator().manual_seed(0)
    derivatives = []
    for parameter in trainable.parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        ends = []
        for sign in (1.0, -1.0):
            parameter.data += sign * 1e-5 * direction
            ends.append(loss().item())
            parameter.data -= sign * 1e-5 * direction
        expected = (ends[0] - ends[1]) / 2e-5
        found = 0.0 if parameter.grad is None else (parameter.grad * direction).sum().item()
        assert found == pytest.approx(expected, rel=1e-5, abs=1e-8)
        derivatives.append(abs(found))
    assert max(derivatives) > 1e-3


@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["periodic", "isolated"])
def test_matrices_make_the_energy_of_any_charges(cell):
    batch = frame_to_batch(random_structure(7, ["Na", "Cl"], cell, seed=2), 3.0)
    charges = torch.randn(7, dtype=torch.float64)
    found = CoulombMatrices((interaction_matrices(batch, 0.9, True),)).solve(charges)
    expected = gaussian_charge_energy(batch, charges, 0.9)
    torch.testing.assert_close(found.energies.sum(0, keepdim=True), expected.energies, rtol=1e-9, atol=1e-9)
    for name in ("potentials", "forces", "virials"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), rtol=1e-9, atol=1e-9)


def test_validation_gives_the_same(tmp_path):
    _, _, inputs, trainable = ready(tmp_path, "shift", molecules())
    frame = in_double(inputs.training[0])
    training = trainable(frame)
    trainable.eval()
    with torch.no_grad():
        validation = trainable(frame)
    torch.testing.assert_close(validation.forces, training.forces.detach())
    torch.testing.assert_close(validation.others["born_charges"], training.others["born_charges"])


def test_errors_of_charges_are_means_over_their_kind(tmp_path):
    _, _, inputs, trainable = ready(tmp_path, "shift", molecules())
    frames = [in_double(frame) for frame in inputs.training]
    whole, running = join_frames(frames), RunningErrors()
    for frame in frames:
        running.add(squared_errors(trainable(frame), frame), frame)
    errors, prediction = squared_errors(trainable(whole), whole), trainable(whole)
    for name in ("charges", "dipole", "born_charges"):
        assert running.mean().means[name].item() == pytest.approx(errors.means[name].item(), rel=1e-6)
    labels = {name: label.values for name, label in whole.labels.items()}
    n_atoms = len(labels["charges"])
    expected = (prediction.charges - labels["charges"]).square().sum() / n_atoms
    assert errors.means["charges"].item() == pytest.approx(expected.item())
    arms = prediction.charges[:, None] * whole.places.positions  # (n_atoms, 3)
    moments = torch.zeros(3, 3, dtype=torch.float64).index_add(0, whole.frame_of_atom, arms)
    assert errors.means["dipole"].item() == pytest.approx((moments - labels["dipole"]).square().sum().item() / 9)
    of_born = (prediction.others["born_charges"] - labels["born_charges"]).square().sum()
    assert errors.means["born_charges"].item() == pytest.approx(of_born.item() / (9 * n_atoms))


def test_typical_values_are_means_over_training_frames(tmp_path):
    settings, batches, inputs, trainable = ready(tmp_path, "increments", molecules())
    trainable.float().eval()
    found = typical_values(trainable, inputs.training)
    model = make_model(settings, inputs.features, inputs.initial_fit, trainable, found)
    charges = torch.cat([Evaluator(model).predict(batch).charges for batch in batches[:3]])
    numbers = torch.cat([batch.numbers for batch in batches[:3]])
    for row, z in enumerate((11, 17)):
        assert float(found["charge"][row]) == pytest.approx(float(charges[numbers == z].mean()), abs=1e-5)
    assert torch.equal(model.parameter("charge").typical, found["charge"])


def test_memory_is_foreseen(tmp_path):
    _, batches, inputs, _ = ready(tmp_path, "shift", crystals())
    frames = join_frames([*inputs.training, *inputs.validation])
    n_kept = inputs.initial_fit.whitening.matrix.shape[1]
    bytes_of_constants = Electrostatics(1.0).memory_of_constants(
        [batch.n_atoms for batch in batches], with_virials=True
    )
    foreseen = memory_of_frames(batches, n_kept, stores_derivatives=False, bytes_of_constants=bytes_of_constants)
    assert 0.95 * frames.n_bytes <= foreseen <= 1.1 * frames.n_bytes


def test_increments_refuse_total_charges_that_element_charges_cannot_have(tmp_path):
    frames = molecules()
    frames[2].info["charge"] += 1.0  # frame 0 has the same composition
    frames[2].arrays["reference_charges"] += 1.0 / len(frames[2])
    with pytest.raises(InputError, match="but its total charge is"):
        ready(tmp_path, "increments", frames)
    ready(tmp_path, "shift", frames)


def test_interactions_are_kept_in_single_precision(tmp_path):
    _, _, inputs, _ = ready(tmp_path, "shift", crystals())
    matrices = inputs.training[0].constants["electrostatics"].matrices[0]
    assert isinstance(matrices, InteractionMatrices)
    assert {matrices.potential.dtype, matrices.field.dtype, matrices.virial.dtype} == {torch.float32}


def test_charge_labels_of_another_total_charge_are_refused(tmp_path):
    frames = molecules()
    frames[1].info["charge"] = 0.0
    with pytest.raises(InputError, match=r"frame 1 .* sum to -1.000 e, but the total charge is \+0.000 e"):
        ready(tmp_path, "shift", frames)
