"""Predicted charges: exact derivatives of an energy whose charges move with the atoms, and charges that add up."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.acsf import default_symmetry_functions
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model_files.description import build, describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.structure import Batch, join_batches, with_total_charge
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.models import charge_predicting_model, sodium_chloride_model
from mliap_hybrid.testing.structures import random_structure, rock_salt

NEUTRALITIES = ("shift", "increments")
ORTHOGONAL = np.diag([8.0, 8.4, 7.7])
TRICLINIC = np.array([[8.0, 0.0, 0.0], [2.4, 7.9, 0.0], [-1.9, 1.5, 8.3]])
CELLS = {"8 Å": ORTHOGONAL, "8 Å triclinic": TRICLINIC, "20 Å": 2.5 * ORTHOGONAL, "20 Å triclinic": 2.5 * TRICLINIC}


def batch_of(atoms: Atoms, model: HybridModel, total_charge: float = 0.0) -> Batch:
    return with_total_charge(frame_to_batch(atoms, model.cutoff), total_charge)


def clustered(cell: np.ndarray | None) -> Atoms:
    """Eight atoms that see each other whatever the size of the cell, some of them across its boundary."""
    atoms = random_structure(8, ["Na", "Cl"], None, seed=3, closest=2.0)
    if cell is None:
        return atoms
    split = Atoms(atoms.numbers, positions=atoms.positions - 2.5, cell=cell, pbc=True)
    split.wrap()
    return split


@pytest.mark.parametrize("cell", [*CELLS.values(), None], ids=[*CELLS, "molecule"])
@pytest.mark.parametrize(
    ("neutrality", "total_charge", "with_input"),
    [("shift", 0.0, False), ("shift", 1.3, True), ("increments", 0.0, False), ("increments", -1.6, True)],
)
def test_forces_and_virial_are_derivatives_of_the_energy(neutrality, total_charge, with_input, cell):
    model = charge_predicting_model(neutrality, total_charge_input=with_input)
    atoms = clustered(cell)
    if neutrality == "increments" and total_charge:
        atoms.numbers[atoms.numbers.tolist().index(11)] = 17  # one Na less, one Cl more: -1.6 e
    evaluator = Evaluator(model)

    def energy(positions, lattice):
        moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc)
        return float(evaluator.predict(batch_of(moved, model, total_charge)).energies[0])

    batch = batch_of(atoms, model, total_charge)
    assert float(batch.pair_vectors().norm(dim=1).min()) > 1.4
    prediction = evaluator.predict(batch)
    assert float(prediction.charges.sum()) == pytest.approx(total_charge, abs=1e-12)
    assert float(prediction.charges.std()) > 0.1
    forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5)
    virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=3e-6)
    assert relative_difference(prediction.forces, forces) < 1e-6
    assert relative_difference(prediction.virials[0], virial) < 1e-6


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-3)])
@pytest.mark.parametrize("on_kernels", [True, False])
def test_evaluator_equals_the_definition(neutrality, dtype, tolerance, on_kernels):
    """Heads first, derivatives later, and the maps' own adjoints against plain automatic differentiation."""
    model = charge_predicting_model(neutrality, total_charge_input=neutrality == "shift")
    evaluator = Evaluator(model, dtype)
    assert evaluator.backend.fuses_heads
    if not on_kernels:
        evaluator.by_torch = True
    batch = join_batches(
        [
            batch_of(rock_salt(1), model),
            batch_of(clustered(None), model, 0.5 if neutrality == "shift" else 0.0),
            batch_of(Atoms("Cl", positions=[[1, 2, 3]]), model, -0.8),
            batch_of(clustered(TRICLINIC), model),
        ]
    )
    expected = predict_by_definition(model, batch)
    for found in (evaluator.predict(batch), predict(model, batch)):
        for name in ("energies", "forces", "virials", "charges", "potentials"):
            a, b = getattr(found, name), getattr(expected, name)
            assert a.dtype == torch.float64
            assert not a.requires_grad
            assert (a - b).abs().max() < tolerance * max(1.0, float(b.abs().max())), name


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
def test_total_charge_goes_into_the_biases_of_the_kernels(neutrality):
    """One after the other, each set up anew; the last is a mixture, which torch computes."""
    model = charge_predicting_model(neutrality, total_charge_input=True)
    evaluator = Evaluator(model)
    batches = [batch_of(clustered(TRICLINIC), model, total) for total in (1.5, 0.0, -2.0)]
    for batch in [*batches, join_batches(batches)]:
        found, expected = evaluator.predict(batch), predict_by_definition(model, batch)
        for name in ("energies", "forces", "charges"):
            assert relative_difference(getattr(found, name), getattr(expected, name)) < 1e-10


def test_features_that_the_kernels_do_not_know_run_on_torch():
    model = charge_predicting_model(whitened=False)
    features = default_symmetry_functions((11, 17), model.cutoff)
    other = charge_predicting_model(whitened=False)
    for network in other.heads.networks:
        network.layers[0] = torch.nn.Linear(features.n_features, 8).double()
        network.linear = torch.nn.Parameter(torch.ones(2, features.n_features, dtype=torch.float64))
    other.features = features
    evaluator = Evaluator(other)
    assert not evaluator.backend.fuses_heads
    batch = batch_of(clustered(TRICLINIC), model)
    assert relative_difference(evaluator.predict(batch).forces, predict_by_definition(other, batch).forces) < 1e-11


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
def test_the_response_is_not_small(neutrality):
    model = charge_predicting_model(neutrality)
    batch = batch_of(clustered(TRICLINIC), model)
    evaluator = Evaluator(model)
    heads = evaluator.heads(batch.geometry())
    charge = model.parameter("charge")
    _, pullback = charge(batch.geometry(), model.species(batch.numbers), heads.values["charge"])
    response, _ = pullback(evaluator.predict(batch).potentials)  # (n_atoms,)
    none, energies = torch.zeros_like(response), torch.ones_like(response)
    whole, without = (heads.pair_gradients({"energy": energies, "charge": weights}) for weights in (response, none))
    assert (whole - without).abs().max() > 1.0  # eV/Å


def test_increments_are_size_consistent():
    """Two clusters far apart have the charges that each has alone; with a shift they would share theirs."""
    one = random_structure(5, ["Na", "Cl", "Cl"], None, seed=1, closest=2.0)
    two = random_structure(7, ["Cl", "Na"], None, seed=2, closest=2.0)
    both = one + two
    both.positions[len(one) :] += [200.0, 0.0, 0.0]
    differences = {}
    for neutrality in NEUTRALITIES:
        model = charge_predicting_model(neutrality)
        alone, together = (
            torch.cat([Evaluator(model).predict(batch_of(a, model)).charges for a in group])
            for group in ([one, two], [both])
        )
        differences[neutrality] = float((alone - together).abs().max())
    assert differences["increments"] < 1e-13
    assert differences["shift"] > 1e-3


def test_an_atom_alone_has_the_charge_of_its_element():
    model = charge_predicting_model("increments")
    assert float(Evaluator(model).predict(batch_of(Atoms("Na", positions=[[0, 0, 0]]), model)).charges[0]) == 0.8


def test_charges_stay_within_their_bound():
    model = charge_predicting_model()
    model.parameter("charge").neutrality = None
    head = model.heads["charge"]
    inputs = 1e3 * torch.randn(50, head.networks[0].layers[0].in_features, dtype=torch.float64)
    species = torch.zeros(50, dtype=torch.int64)
    geometry = batch_of(rock_salt(1), model).geometry()
    charges, _ = model.parameter("charge")(geometry, species, head(inputs, species).detach())
    assert 0.69 < float((charges - 0.8).abs().max()) <= 0.7


def test_total_charge_reaches_both_networks():
    model = charge_predicting_model(total_charge_input=True)
    neutral, charged = (Evaluator(model).predict(batch_of(clustered(None), model, total)) for total in (0.0, 1.0))
    assert float((charged.charges - neutral.charges).std()) > 1e-3  # more than a shift
    evaluator = Evaluator(model)
    energies = [
        evaluator.heads(batch_of(clustered(None), model, total).geometry()).values["energy"] for total in (1.0, 0.0)
    ]
    assert float((energies[0] - energies[1]).abs().max()) > 0


@pytest.mark.parametrize("neutrality", NEUTRALITIES)
@pytest.mark.parametrize("with_input", [True, False])
def test_plain_data_make_the_same_model(neutrality, with_input):
    model = charge_predicting_model(neutrality, total_charge_input=with_input)
    model.parameter("charge").typical = model.parameter("charge").typical + 0.1
    description, tensors = describe(model)
    assert "long-range Coulomb, predicted smeared charges" in description.titles()
    again = build(type(description).model_validate_json(description.model_dump_json()), tensors)
    assert torch.equal(again.parameter("charge").typical, model.parameter("charge").typical)
    batch = batch_of(rock_salt(1), model)
    a, b = predict(model, batch), predict(again, batch)
    assert torch.equal(a.charges, b.charges)
    assert torch.equal(a.forces, b.forces)


@pytest.mark.parametrize("with_input", [True, False])
def test_folding_the_whitening_changes_nothing(with_input):
    model = charge_predicting_model(total_charge_input=with_input)
    folded = fold_whitening_into_networks(model)
    assert folded.whitening is None
    batch = batch_of(rock_salt(1), model, 0.3)
    a, b = Evaluator(model).predict(batch), Evaluator(folded).predict(batch)
    assert float(b.energies[0]) == pytest.approx(float(a.energies[0]), abs=1e-9)
    assert relative_difference(b.charges, a.charges) < 1e-11
    assert relative_difference(b.forces, a.forces) < 1e-9


def test_models_that_make_no_sense():
    model, fixed = charge_predicting_model(), sodium_chloride_model()
    terms, parameters, heads = model.all_terms, model.all_parameters, list(model.heads)
    with pytest.raises(ValueError, match="parameters of different names"):  # fixed charges and predicted ones
        HybridModel(model.features, terms, [*parameters, fixed.parameter("charge")], heads)
    with pytest.raises(ValueError, match="terms of different kinds"):
        HybridModel(model.features, [*terms, terms[-1]], parameters, heads)
    with pytest.raises(ValueError, match=r"a head for each that is predicted, got .* heads \['energy'\]"):
        HybridModel(model.features, terms, parameters, heads[:1])
    with pytest.raises(ValueError, match=r"expected the parameters \['baseline', 'charge', 'energy'\]"):
        HybridModel(model.features, terms, parameters[:2], heads[:1])
    with pytest.raises(ValueError, match=r"expected the parameters \['baseline', 'energy'\]"):
        HybridModel(model.features, terms[:-1], parameters, heads)
    assert Evaluator(fixed).predict(batch_of(rock_salt(1), fixed), ["born_charges"]).others == {}
