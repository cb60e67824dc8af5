"""Born effective charges of atoms whose charges follow their surroundings, by differences of the dipole moment."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.structure import Batch, with_total_charge
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.models import charge_predicting_model
from mliap_hybrid.testing.structures import random_structure

NEUTRALITIES = ("shift", "increments")


def batch_of(atoms: Atoms, model: HybridModel, total_charge: float = 0.0) -> Batch:
    return with_total_charge(frame_to_batch(atoms, model.cutoff), total_charge)


def born_charges(evaluator: Evaluator, batch: Batch) -> torch.Tensor:
    return evaluator.predict(batch, ["born_charges"]).others["born_charges"]


def molecule() -> Atoms:
    return random_structure(8, ["Na", "Cl"], None, seed=3, closest=2.0)


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize("total_charge", [0.0, 1.0])
def test_born_charges_are_derivatives_of_the_dipole_moment(neutrality, total_charge):
    total_charge = 0.0 if neutrality == "increments" else total_charge
    model = charge_predicting_model(neutrality)
    atoms = molecule()
    evaluator = Evaluator(model)

    def dipole(positions):
        moved = Atoms(atoms.numbers, positions=positions)
        return evaluator.predict(batch_of(moved, model, total_charge)).charges.numpy() @ positions

    expected = np.zeros((len(atoms), 3, 3))
    for i, b in np.ndindex(len(atoms), 3):
        step = np.zeros_like(atoms.positions)
        step[i, b] = 1e-5
        expected[i, :, b] = (dipole(atoms.positions + step) - dipole(atoms.positions - step)) / 2e-5
    found = born_charges(evaluator, batch_of(atoms, model, total_charge))
    assert relative_difference(found, expected) < 1e-7
    # Moving all atoms together moves the total charge.
    np.testing.assert_allclose(found.sum(0), total_charge * np.eye(3), atol=1e-12)


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
def test_born_charges_of_a_crystal_are_those_of_a_cluster_in_it(neutrality):
    """A molecule in a large cell, split by its boundary, has the Born charges that it has without a cell."""
    model = charge_predicting_model(neutrality)
    whole, cell = molecule(), 30.0 * np.eye(3)
    split = Atoms(whole.numbers, positions=whole.positions - [3.0, 0.0, 0.0], cell=cell, pbc=True)
    split.wrap()
    crystal = born_charges(Evaluator(model), batch_of(split, model))
    if neutrality == "increments":
        alone = born_charges(Evaluator(model), batch_of(whole, model))
        torch.testing.assert_close(crystal, alone, rtol=0, atol=1e-12)
    # Moving all atoms moves no charge between cells.
    doubled = born_charges(Evaluator(model), batch_of(split.repeat((2, 1, 1)), model))
    torch.testing.assert_close(doubled[: len(split)], crystal, rtol=0, atol=1e-12)


def test_born_charges_of_a_crystal_count_unconstrained_charges_from_the_atom_that_moves():
    model = charge_predicting_model()
    atoms = Atoms(molecule().numbers, positions=molecule().positions, cell=30.0 * np.eye(3), pbc=True)
    evaluator = Evaluator(model)

    def unconstrained(positions):
        moved = batch_of(Atoms(atoms.numbers, positions=positions, cell=atoms.cell, pbc=True), model)
        charge, species = model.parameter("charge"), model.species(moved.numbers)
        return charge.bound.values(charge.start[species], evaluator.heads(moved.geometry()).values["charge"]).numpy()

    charges = evaluator.predict(batch_of(atoms, model)).charges.numpy()
    expected = np.zeros((len(atoms), 3, 3))
    for i, b in np.ndindex(len(atoms), 3):
        step = np.zeros_like(atoms.positions)
        step[i, b] = 1e-5
        change = (unconstrained(atoms.positions + step) - unconstrained(atoms.positions - step)) / 2e-5
        expected[i, :, b] = change @ (atoms.positions - atoms.positions[i]) + charges[i] * np.eye(3)[b]
    assert relative_difference(born_charges(evaluator, batch_of(atoms, model)), expected) < 1e-6
