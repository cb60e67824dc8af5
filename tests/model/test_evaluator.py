"""The fast evaluation of a model against its definition by automatic differentiation."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ase import Atoms

from mliap_hybrid.communication import Serial
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.acsf import default_symmetry_functions
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.lammps.coulomb_operators import SmearingCorrection
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.terms.electrostatics import Electrostatics
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch, Geometry, join_batches
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.models import ION_CHARGES, sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt

CUTOFF = 4.5
CHARGED = {11: 1.0, 17: -0.4}


def with_a_close_pair(cell) -> Atoms:
    """Two of the atoms near enough for the repulsion."""
    atoms = random_structure(12, ["Na", "Cl"], cell, seed=4, closest=1.8)
    atoms.positions[1] = atoms.positions[0] + [0.0, 0.9, 1.2]
    return atoms


STRUCTURES = {
    "triclinic": [with_a_close_pair(TRICLINIC_CELL)],
    "molecule": [with_a_close_pair(None)],
    "isolated atom": [Atoms("Na", positions=[[0, 0, 0]])],
    "several": [rock_salt(1), with_a_close_pair(None), Atoms("Cl", positions=[[1, 2, 3]]), rock_salt(1, seed=3)],
}


def batch_of(structures: list[Atoms]) -> Batch:
    return join_batches([frame_to_batch(atoms, CUTOFF) for atoms in structures])


def assert_same(found, expected, tolerance):
    """Energies, forces and virials differ by less than `tolerance` of the largest of each, or of 1."""
    for name in ("energies", "forces", "virials"):
        a, b = getattr(found, name), getattr(expected, name)
        assert a.dtype == torch.float64
        assert not a.requires_grad
        assert (a - b).abs().max() < tolerance * max(1.0, float(b.abs().max())), name


@pytest.mark.parametrize("structures", STRUCTURES.values(), ids=STRUCTURES.keys())
@pytest.mark.parametrize("charges", [None, ION_CHARGES, CHARGED], ids=["none", "ions", "charged"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-11), (torch.float32, 1e-4)])
def test_equals_the_definition(structures, charges, dtype, tolerance):
    model = sodium_chloride_model(charges)
    batch = batch_of(structures)
    evaluator = Evaluator(model, dtype)
    assert evaluator.backend.fuses_heads
    expected = predict_by_definition(model, batch)
    assert_same(evaluator.predict(batch), expected, tolerance)
    assert_same(predict(model, batch), expected, 1e-11)


@pytest.mark.parametrize("structures", STRUCTURES.values(), ids=STRUCTURES.keys())
@pytest.mark.parametrize("kind", ["gmp", "acsf"])
def test_features_that_the_kernels_do_not_know_run_on_torch(structures, kind):
    elements = (11, 17)
    features = (
        GaussianMultipoles((-1, 0, 1), (0.5,), CUTOFF, elements)
        if kind == "gmp"
        else default_symmetry_functions(elements, CUTOFF)
    )
    network = AtomicNetwork(features.n_features, (4,), 2).double()
    baseline = dict.fromkeys(elements, -1.0)
    repulsion = ZBLRepulsion(CUTOFF)
    model = standard_model(features, baseline, network, explicit=(repulsion,), charges=ION_CHARGES).double()
    batch = batch_of(structures)
    evaluator = Evaluator(model)
    assert not evaluator.backend.fuses_heads
    assert_same(evaluator.predict(batch), predict_by_definition(model, batch), 1e-11)


class InRun(Serial):
    """Communication of a run with fixed charges, in which LAMMPS adds the energy of point charges."""

    def coulomb(self, geometry, smearing):
        charges = torch.zeros(20, dtype=torch.float64)
        charges[list(ION_CHARGES)] = torch.tensor(list(ION_CHARGES.values()), dtype=torch.float64)
        return SmearingCorrection(geometry, charges, smearing)


def in_run(batch: Batch) -> Geometry:
    geometry = batch.geometry()
    communication = InRun(batch.pair_j, batch.structure_of_atom, batch.total_charges)
    return replace(geometry, neighbours=communication, structures=None)


@pytest.mark.parametrize("on_kernels", [True, False])
def test_terms_of_a_run(on_kernels):
    # The correction, written out; without it the local terms are the prediction less its long-range term.
    model = sodium_chloride_model(ION_CHARGES)
    batch = batch_of([with_a_close_pair(TRICLINIC_CELL)])
    evaluator, local = Evaluator(model), Evaluator(sodium_chloride_model(None))
    if not on_kernels:
        evaluator.by_torch = local.by_torch = True
    plain, total = local.total(batch.geometry()), evaluator.total(in_run(batch))
    assert (total.forces, total.virials, total.structure_energies) == (None, None, None)
    assert total.parameter_gradients.keys() == {"energy"}

    vectors = batch.pair_vectors().requires_grad_()
    q = torch.tensor([ION_CHARGES[z] for z in batch.numbers.tolist()], dtype=torch.float64)
    distances = vectors.norm(dim=1)
    pairs = -0.5 * 14.399645 * q[batch.pair_i] * q[batch.pair_j] * torch.erfc(distances / (2**0.5 * 0.8)) / distances
    selves = 14.399645 * q**2 / ((2 * torch.pi) ** 0.5 * 0.8)
    expected = selves.index_add(0, batch.pair_i, pairs)
    (expected_gradients,) = torch.autograd.grad(pairs.sum(), vectors)
    assert relative_difference(total.energies - plain.energies, expected.detach()) < 1e-7
    assert relative_difference(total.pair_gradients - plain.pair_gradients, expected_gradients) < 1e-7

    smearing = model.term(Electrostatics).smearing
    found = evaluator.predict(batch).energies - gaussian_charge_energy(batch, q, smearing).energies
    assert float(found[0]) == pytest.approx(float(plain.energies.sum()), rel=1e-12)


def test_the_model_can_still_be_trained():
    model = sodium_chloride_model()
    batch = batch_of([rock_salt(1)])
    Evaluator(model).predict(batch)
    predict(model, batch)
    inputs = model.network_inputs(model.features(batch.geometry()), batch.total_charges[batch.structure_of_atom])
    model.heads["energy"](inputs, model.species(batch.numbers)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.heads.parameters())


@pytest.mark.parametrize("on_kernels", [True, False])
def test_unknown_element_is_named(on_kernels):
    evaluator = Evaluator(sodium_chloride_model())
    if not on_kernels:
        evaluator.by_torch = True
    with pytest.raises(InputError, match="no element K"):
        evaluator.predict(batch_of([Atoms("KCl", positions=[[0, 0, 0], [0, 0, 2.5]])]))
