"""Molecules found among atoms: the sum of their energies however they lie, and clear words where they are not whole."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.unified import open_unified
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.terms.molecules import MoleculeTerm
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.structure import AtomTags, join_batches
from mliap_hybrid.testing.finite_differences import forces_by_differences, virial_by_differences
from mliap_hybrid.testing.gdml_molecules import AMMONIA_GROUP, ammonia, box_of_ammonia, molecule_model
from mliap_hybrid.testing.mliap_data import PluginData, UpstreamData
from mliap_hybrid.testing.rank_arrays import rank_arrays

CHARGES = {1: 0.2, 7: -0.6}


@pytest.fixture(scope="module")
def model():
    return molecule_model()


@pytest.fixture(scope="module")
def kernel(model):
    return model.term(MoleculeTerm).model


def test_molecules_anywhere_have_the_energy_that_they_have_alone(model, kernel):
    """Seven molecules in a skewed box, most of them cut by its faces."""
    alone = kernel.predict(ammonia(7).positions)
    batch = frame_to_batch(box_of_ammonia(7), model.cutoff)
    found = Evaluator(model).predict(batch)
    baseline = 7 * (-50.0 - 3 * 3.0)
    assert float(found.energies[0]) == pytest.approx(float(alone.energies.sum()) + baseline, abs=1e-9)
    np.testing.assert_allclose(found.forces.reshape(7, 4, 3), alone.forces, atol=1e-9)
    np.testing.assert_allclose(found.virials[0], alone.virials.sum(0), atol=1e-9)


@pytest.mark.parametrize("charges", [None, CHARGES], ids=["alone", "with charges"])
def test_forces_and_virial_are_derivatives_of_the_energy(charges):
    model, atoms = molecule_model(charges), box_of_ammonia(2, edge=10.5)
    hydrogens = atoms.get_distances(4, [5, 6, 7], mic=True, vector=True)  # (3, 3)
    atoms.positions[4] = atoms.positions[0] + [0.3, 0.4, 2.9]  # the two molecules close to each other
    atoms.positions[5:8] = atoms.positions[4] + hydrogens

    def energy(positions, lattice):
        moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=True)
        return float(predict(model, frame_to_batch(moved, model.cutoff)).energies[0])

    batch = frame_to_batch(atoms, model.cutoff)
    forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-4)
    for prediction in (Evaluator(model).predict(batch), predict(model, batch)):
        np.testing.assert_allclose(prediction.forces, forces, atol=1e-6)
        np.testing.assert_allclose(prediction.virials[0], virial, atol=1e-5)


def test_equivalent_atoms_may_change_places(model):
    atoms = box_of_ammonia(3)
    reference = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    for permutation in AMMONIA_GROUP[1:]:
        order = np.arange(12)
        order[4:8] = 4 + permutation.numpy()
        found = Evaluator(model).predict(frame_to_batch(atoms[order], model.cutoff))
        assert float(found.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-10)
        np.testing.assert_allclose(found.forces, reference.forces[order], atol=1e-10)


def test_structures_of_a_batch_do_not_mix(model):
    frames = [box_of_ammonia(n, seed=n) for n in (1, 3, 2)]
    batches = [frame_to_batch(atoms, model.cutoff) for atoms in frames]
    together = Evaluator(model).predict(join_batches(batches))
    for index, batch in enumerate(batches):
        alone = Evaluator(model).predict(batch)
        assert float(together.energies[index]) == pytest.approx(float(alone.energies[0]), abs=1e-10)


def test_images_in_a_small_box_are_not_taken_for_the_molecule(model):
    """A box smaller than the cutoff: each atom sees images of itself and two of the others."""
    atoms = box_of_ammonia(1, edge=4.2)
    expected = model.term(MoleculeTerm).model.predict(ammonia(1).positions)
    found = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    assert float(found.energies[0]) == pytest.approx(float(expected.energies[0]) - 59.0, abs=1e-9)
    np.testing.assert_allclose(found.forces, expected.forces[0], atol=1e-9)


@pytest.mark.parametrize("n_ranks", [1, 2, 3, 5])
def test_ranks_sum_up_to_the_whole(model, tmp_path, n_ranks):
    """Atoms dealt out to ranks at random, so that all molecules are divided; one rank more has no atom at all."""
    atoms = box_of_ammonia(4)
    expected = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    export_model(model, tmp_path / "model.pt")
    unified = open_unified(str(tmp_path / "model.pt"))
    rank_of_atom = np.random.default_rng(0).integers(n_ranks, size=len(atoms))
    energy, forces, virial, of_atoms = 0.0, np.zeros((len(atoms), 3)), np.zeros((3, 3)), {}
    for rank in range(n_ranks + 1):
        owned = np.flatnonzero(rank_of_atom == rank)
        data = PluginData(rank_arrays(atoms, model.cutoff, unified.element_types, owned), atoms)
        unified.compute_forces(data)
        share, atom_energies, of_rank, virial_of_rank = data.result(len(atoms))
        energy, forces, virial = energy + share, forces + of_rank, virial + virial_of_rank
        of_atoms |= dict(zip(owned.tolist(), atom_energies, strict=True))
    assert energy == pytest.approx(float(expected.energies[0]), abs=1e-9)
    assert sum(of_atoms.values()) == pytest.approx(energy, abs=1e-9)
    np.testing.assert_allclose(forces, expected.forces, atol=1e-9)
    np.testing.assert_allclose(virial, expected.virials[0], atol=1e-9)


def test_molecule_ids_tell_molecules_whose_tags_are_mixed(model):
    """Tags in turn: 1 to molecule 1, 2 to molecule 2, ...; within each molecule they ascend in the model's order."""
    atoms = box_of_ammonia(3)
    reference = Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    batch = frame_to_batch(atoms, model.cutoff)
    geometry = batch.geometry()
    index = torch.arange(12)
    tags, molecules = 3 * (index % 4) + index // 4, index // 4 + 7
    mixed = AtomTags(tags, tags[batch.pair_j], molecules, molecules[batch.pair_j])
    energies = Evaluator(model).total(replace(geometry, tags=mixed)).energies
    assert float(energies.sum()) == pytest.approx(float(reference.energies[0]), abs=1e-9)
    with pytest.raises(InputError, match=r"molecule of atom \d+ (has|is)"):
        Evaluator(model).total(replace(geometry, tags=AtomTags(tags, tags[batch.pair_j])))
    molecules = torch.where(index == 5, 0, molecules)
    nameless = AtomTags(tags, tags[batch.pair_j], molecules, molecules[batch.pair_j])
    with pytest.raises(InputError, match="has the molecule ID 0"):
        Evaluator(model).total(replace(geometry, tags=nameless))


def test_a_broken_molecule_is_refused(model):
    atoms = box_of_ammonia(3)
    atoms.positions[6] += [0.0, 6.0, 0.0]
    with pytest.raises(InputError, match=r"molecule of atom 5 has 3 atoms within the cutoff, expected 4"):
        Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))
    with pytest.raises(InputError, match=r"molecule of atom 9 has 3 atoms"):
        Evaluator(model).predict(frame_to_batch(box_of_ammonia(3)[:-1], model.cutoff))


def test_another_order_is_refused(model):
    atoms = box_of_ammonia(2)[[0, 1, 2, 3, 5, 4, 6, 7]]
    with pytest.raises(InputError, match=r"molecule of atom 5 is, by the IDs of its atoms, H N H H; .* N H H H"):
        Evaluator(model).predict(frame_to_batch(atoms, model.cutoff))


def test_a_program_that_hides_the_ids_is_told_so(model, tmp_path):
    export_model(model, tmp_path / "model.pt")
    unified = open_unified(str(tmp_path / "model.pt"))
    data = UpstreamData(rank_arrays(box_of_ammonia(2), model.cutoff, unified.element_types))
    with pytest.raises(InputError, match="IDs of the atoms are not known"):
        unified.compute_forces(data)


def test_plain_data_make_the_same_model_again():
    model = molecule_model(CHARGES)
    description, tensors = describe(model)
    again = build(description.model_validate(description.model_dump()), tensors)
    assert description.titles() == [
        "baseline",
        "sGDML of N H H H",
        "ZBL repulsion",
        "long-range Coulomb, fixed smeared charges",
    ]
    batch = frame_to_batch(box_of_ammonia(2), model.cutoff)
    assert torch.equal(predict(again, batch).forces, predict(model, batch).forces)
