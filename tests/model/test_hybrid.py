"""The hybrid model: its derivatives, symmetries and additivity, and that plain data make the same model again."""

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.evaluator import predict
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.models import ION_CHARGES, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt


@pytest.mark.parametrize("charges", [None, ION_CHARGES, {11: 1.0, 17: -0.4}], ids=["none", "neutral", "charged"])
@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["triclinic", "isolated"])
def test_forces_and_virial_are_derivatives_of_the_energy(charges, cell):
    model = sodium_chloride_model(charges)
    atoms = random_structure(6, ["Na", "Cl"], cell, seed=4, closest=1.8)
    atoms.positions[1] = atoms.positions[0] + [0.0, 0.9, 1.2]  # close enough for the repulsion

    def energy(positions, lattice):
        moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc)
        return float(predict(model, frame_to_batch(moved, model.cutoff)).energies[0])

    prediction = predict(model, frame_to_batch(atoms, model.cutoff))
    forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    assert relative_difference(prediction.forces, forces) < 1e-6
    assert relative_difference(prediction.virials[0], virial) < 1e-6


def test_energy_does_not_depend_on_how_one_looks():
    model = sodium_chloride_model()
    atoms = random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=6)
    reference = predict(model, frame_to_batch(atoms, model.cutoff))
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]

    turned = Atoms(atoms.numbers, atoms.positions @ rotation.T, cell=atoms.cell.array @ rotation.T, pbc=True)
    prediction = predict(model, frame_to_batch(turned, model.cutoff))
    assert float(prediction.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-10)
    assert relative_difference(prediction.forces, reference.forces.numpy() @ rotation.T) < 1e-9
    assert relative_difference(prediction.virials[0], rotation @ reference.virials[0].numpy() @ rotation.T) < 1e-9

    order = np.random.default_rng(1).permutation(8)
    prediction = predict(model, frame_to_batch(atoms[order], model.cutoff))
    assert float(prediction.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-10)
    assert torch.allclose(prediction.forces, reference.forces[torch.from_numpy(order)], atol=1e-10)

    doubled = predict(model, frame_to_batch(atoms.repeat((1, 2, 1)), model.cutoff))
    assert float(doubled.energies[0]) == pytest.approx(2 * float(reference.energies[0]), abs=1e-9)
    assert torch.allclose(doubled.virials[0], 2 * reference.virials[0], atol=1e-9)


def test_an_isolated_atom_has_a_network_energy_and_its_baseline():
    model = sodium_chloride_model(charges=None)
    prediction = predict(model, frame_to_batch(Atoms("Na", positions=[[0, 0, 0]]), model.cutoff))
    batch = frame_to_batch(Atoms("Na", positions=[[0, 0, 0]]), model.cutoff)
    inputs = model.network_inputs(model.features(batch.geometry()), batch.total_charges)
    alone = model.heads["energy"](inputs, model.species(batch.numbers))
    assert float(prediction.energies[0]) == pytest.approx(alone[0].item() - 1.5, abs=1e-12)
    assert not prediction.forces.any()


def test_structures_of_a_batch_are_independent():
    model = sodium_chloride_model()
    batches = [frame_to_batch(rock_salt(1, seed=k), model.cutoff) for k in range(2)]
    batches.append(frame_to_batch(random_structure(5, ["Na", "Cl"], None, seed=1), model.cutoff))
    together = predict(model, join_batches(batches))
    alone = [predict(model, batch) for batch in batches]
    assert torch.allclose(together.energies, torch.cat([p.energies for p in alone]), atol=1e-10)
    assert torch.allclose(together.forces, torch.cat([p.forces for p in alone]), atol=1e-10)
    assert torch.allclose(together.virials, torch.cat([p.virials for p in alone]), atol=1e-10)


@pytest.mark.parametrize("charges", [None, ION_CHARGES])
def test_plain_data_make_the_same_model(charges):
    model = sodium_chloride_model(charges)
    description, tensors = describe(model)
    again = build(type(description).model_validate_json(description.model_dump_json()), tensors)
    batch = frame_to_batch(rock_salt(1), model.cutoff)
    a, b = predict(model, batch), predict(again, batch)
    assert torch.equal(a.energies, b.energies)
    assert torch.equal(a.forces, b.forces)


def test_building_a_model_leaves_the_random_state_alone():
    description, tensors = describe(sodium_chloride_model())
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    build(description, tensors)
    assert torch.equal(torch.rand(1), expected)


def test_folding_the_whitening_changes_nothing():
    model = sodium_chloride_model()
    folded = fold_whitening_into_networks(model)
    assert folded.whitening is None
    batch = frame_to_batch(rock_salt(1), model.cutoff)
    a, b = predict(model, batch), predict(folded, batch)
    assert float(b.energies[0]) == pytest.approx(float(a.energies[0]), abs=1e-9)
    assert relative_difference(b.forces, a.forces) < 1e-9


def test_unknown_element_is_named():
    model = sodium_chloride_model()
    with pytest.raises(InputError, match="no element K"):
        predict(model, frame_to_batch(Atoms("KCl", positions=[[0, 0, 0], [0, 0, 2.5]]), model.cutoff))
