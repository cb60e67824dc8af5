"""A uniform field: forces and virials by differences of the energy at a fixed field, and what responds to it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.parameter_values import ParameterValues
from mliap_hybrid.model.terms.dipoles import Dipoles
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import in_electric_field, join_batches, with_total_charge
from mliap_hybrid.testing.dipole_models import with_dipoles
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure
from mliap_hybrid.testing.term_tests import TermTests

FIELD = np.array([0.11, -0.07, 0.23])  # V/Å
MODELS = {
    "fixed": sodium_chloride_model,
    "shift": lambda: charge_predicting_model("shift"),
    "increments": lambda: charge_predicting_model("increments"),
    "dipoles": lambda: with_dipoles(charge_predicting_model("increments"), permanent="constant", induced="predicted"),
}


def structure(periodic: bool) -> Atoms:
    return random_structure(8, ["Na", "Cl"], TRICLINIC_CELL if periodic else None, seed=3, closest=2.0)


def predict(model: HybridModel, atoms: Atoms, field=FIELD, total: float = 0.0, asked=()) -> Prediction:
    batch = with_total_charge(frame_to_batch(atoms, model.cutoff), total)
    return Evaluator(model).predict(in_electric_field(batch, field), asked)


@pytest.mark.parametrize("periodic", [True, False], ids=["crystal", "molecule"])
@pytest.mark.parametrize("name", MODELS)
def test_forces_and_virial_are_derivatives_of_the_energy(name: str, periodic: bool) -> None:
    """At a fixed field, of a system with a charge where it can have one; forces sum to Q E."""
    model, atoms = MODELS[name](), structure(periodic)
    total = 1.0 if name == "shift" else 0.0
    evaluator = Evaluator(model)

    def of(positions, cell):
        moved = Atoms(atoms.numbers, positions=positions, cell=cell, pbc=atoms.pbc)
        batch = with_total_charge(frame_to_batch(moved, model.cutoff), total)
        return evaluator.predict(in_electric_field(batch, FIELD))

    def energy(positions, cell):
        return float(of(positions, cell).energies[0])

    found = of(atoms.positions, atoms.cell.array)
    forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=3e-5)
    assert relative_difference(found.forces, forces) < 1e-6
    np.testing.assert_allclose(found.forces.sum(0), total * FIELD, atol=1e-7)
    virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5)
    symmetric = [0.5 * (w + w.T) for w in (found.virials[0].numpy(), virial)]
    assert relative_difference(*symmetric) < 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_energy_is_that_of_the_dipole_moment(name: str) -> None:
    """-dU/dE = M: all of it of charges, which do not move with the field, and half of that of induced dipoles."""
    model, atoms = MODELS[name](), structure(True)
    step, slopes = 0.02, []
    for direction in np.eye(3):
        up, down = (predict(model, atoms, FIELD + sign * step * direction) for sign in (1.0, -1.0))
        slopes.append(-float(up.energies[0] - down.energies[0]) / (2.0 * step))
    moment = predict(model, atoms, asked=["dipole"]).others["dipole"][0]
    np.testing.assert_allclose(slopes, moment, rtol=0, atol=1e-8)


def test_increments_do_not_see_where_a_cell_begins() -> None:
    """Neighbours that face each other across a boundary give each other charge over the distance between them."""
    model = charge_predicting_model("increments")
    whole = structure(True)
    split = whole.copy()
    split.translate([2.3, 1.1, 0.7])
    split.wrap()
    a, b = predict(model, whole), predict(model, split)
    torch.testing.assert_close(b.forces, a.forces, rtol=0, atol=1e-10)
    # What atoms carry has moved by whole vectors of the cell.
    moved = split.positions - whole.positions
    carried = np.where(whole.numbers == 11, 0.8, -0.8)
    assert float(b.energies - a.energies) == pytest.approx(-FIELD @ (carried @ moved), abs=1e-10)


@pytest.mark.parametrize("name", ["shift", "increments", "dipoles"])
def test_born_charges_are_the_change_of_forces_with_the_field(name: str) -> None:
    """Those of a molecule, and of a crystal of increments, by the moment and by the field."""
    model, atoms = MODELS[name](), structure(name == "increments")
    step, expected = 0.05, np.zeros((len(atoms), 3, 3))
    for a, direction in enumerate(np.eye(3)):
        up, down = (predict(model, atoms, sign * step * direction).forces for sign in (1.0, -1.0))
        expected[:, a] = (up - down) / (2.0 * step)
    born = predict(model, atoms, np.zeros(3), asked=["born_charges"]).others["born_charges"]
    assert relative_difference(born, expected) < 1e-9
    np.testing.assert_allclose(born.sum(0), np.zeros((3, 3)), atol=1e-8)


@pytest.mark.parametrize("periodic", [True, False], ids=["crystal", "molecule"])
def test_polarisability_is_the_change_of_the_moment_with_the_field(periodic: bool) -> None:
    model, atoms = MODELS["dipoles"](), structure(periodic)
    asked = ["dipole", "polarisability"]
    analytic = predict(model, atoms, asked=asked).others["polarisability"][0]
    step, found = 0.05, []
    for direction in np.eye(3):
        up, down = (predict(model, atoms, sign * step * direction, asked=asked) for sign in (1.0, -1.0))
        found.append((up.others["dipole"][0] - down.others["dipole"][0]) / (2.0 * step))
    assert relative_difference(14.399645 * torch.stack(found, dim=1), analytic) < 1e-7
    torch.testing.assert_close(analytic, analytic.T, rtol=0, atol=1e-8)
    assert torch.linalg.eigvalsh(analytic).min() > 1.0
    assert "polarisability" not in predict(MODELS["shift"](), atoms, asked=asked).others


class InField(TermTests):
    """What a term has to pass, in a field."""

    def __init__(self, kind: str, name: str):
        self.kind, self._name = kind, name

    def model(self) -> HybridModel:
        return MODELS[self._name]()

    @staticmethod
    def _batch(model, atoms):
        return in_electric_field(frame_to_batch(atoms, model.cutoff), FIELD)


@pytest.mark.parametrize("name", MODELS)
def test_training_says_what_evaluation_says(name: str) -> None:
    InField("dipoles" if name == "dipoles" else "electrostatics", name).test_training_says_what_evaluation_says()


def test_polarisabilities_train_those_of_atoms() -> None:
    """Derivatives by polarisabilities of atoms, which a loss needs, against differences."""
    model, atoms = MODELS["dipoles"](), structure(True)
    batch, random = frame_to_batch(atoms, model.cutoff), torch.Generator().manual_seed(0)
    weights = torch.randn(1, 3, 3, generator=random, dtype=torch.float64)
    charges, strengths = torch.zeros(8).double(), torch.zeros(8).double()

    def weighted(alpha):
        values = {"charge": charges, "bond_dipole": strengths, "polarisability": alpha}
        geometry = batch.geometry()
        found = model.term(Dipoles).polarisabilities(geometry, ParameterValues(geometry, values))
        return (weights * found).sum()

    alpha = (1.0 + torch.rand(8, generator=random).double()).requires_grad_()
    (found,) = torch.autograd.grad(weighted(alpha), alpha)
    step = 1e-4 * torch.eye(8).double()
    with torch.no_grad():
        expected = torch.stack([(weighted(alpha + s) - weighted(alpha - s)) / 2e-4 for s in step])
    assert relative_difference(found, expected) < 1e-6


def test_structures_of_a_batch_have_fields_of_their_own() -> None:
    model = charge_predicting_model("increments")
    plain = [frame_to_batch(structure(periodic), model.cutoff) for periodic in (True, False)]
    batches = [in_electric_field(plain[0], FIELD), plain[1]]
    together = Evaluator(model).predict(join_batches(batches))
    alone = [Evaluator(model).predict(batch) for batch in batches]
    torch.testing.assert_close(together.forces, torch.cat([each.forces for each in alone]), rtol=0, atol=1e-10)
    torch.testing.assert_close(together.energies, torch.cat([each.energies for each in alone]), rtol=0, atol=1e-9)
