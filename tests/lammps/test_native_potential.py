"""Whole models by the native kernels: against the Python object, against differences of their own energy."""

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.kernels.potential import NativePotential
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.lammps.native_potential import potential_of
from mliap_hybrid.lammps.record_of_model import record_of
from mliap_hybrid.lammps.unified import HybridUnified
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.member_models import committee_model, member_models
from mliap_hybrid.model.structures import forces_and_virials
from mliap_hybrid.model.term import with_vectors
from mliap_hybrid.model.term_section import TermContext
from mliap_hybrid.model.terms.dispersion import DispersionSettings
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model_files.description import describe
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.model_files.model_file import Manifest
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.gdml_molecules import molecule_model
from mliap_hybrid.testing.known_distances import with_distance
from mliap_hybrid.testing.mliap_data import PluginData
from mliap_hybrid.testing.models import (
    ION_CHARGES,
    charge_predicting_model,
    contracted_model,
    direct_force_model,
    sodium_chloride_model,
)
from mliap_hybrid.testing.native_potentials import Lists
from mliap_hybrid.testing.rank_arrays import rank_arrays
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt

ELEMENTS = ["Na", "Cl"]
BAD_DISTANCE, BAD_ROW = 4, 6
TOLERANCES = {torch.float64: 1e-12, torch.float32: 2e-6}
"""Of the largest number of its kind: neighbours come in another order, and so do sums."""


def dispersive_model(source: str = "constant") -> HybridModel:
    """Strong dispersion beside the network."""
    model = sodium_chloride_model(None)
    settings = DispersionSettings(coefficients=source, c6={"Na": 900.0, "Cl": 400.0})
    made = settings.make(TermContext(model.elements, model.cutoff))
    parameters = [*model.all_parameters, *made.parameters]
    return HybridModel(model.features, [*model.all_terms, made.term], parameters, list(model.heads), model.whitening)


def charge_committee() -> HybridModel:
    """Two networks for the energy, and two for the charge."""
    first, second = (charge_predicting_model("shift", whitened=False, seed=seed) for seed in range(2))
    heads = [Head(a.name, [*a.networks, *b.networks]) for a, b in zip(first.heads, second.heads, strict=True)]
    return HybridModel(first.features, first.all_terms, first.all_parameters, heads)


def short_range_committee() -> HybridModel:
    return committee_model([sodium_chloride_model(None, seed=seed) for seed in range(3)])


MODELS = {
    "repulsion": lambda: sodium_chloride_model(None),
    "fixed charges": lambda: sodium_chloride_model(ION_CHARGES),
    "dispersion": lambda: dispersive_model().double(),
    "contractions": contracted_model,
    "committee": short_range_committee,
}
PREDICTING = {
    "charges": lambda: charge_predicting_model("increments"),
    "charges by contractions": lambda: contracted_model(predicts_charges=True),
    "committee of charges": charge_committee,
}


def native(model: HybridModel, evaluator: Evaluator | None = None) -> NativePotential | None:
    """The model by the kernels, in double precision by default."""
    arrays = potential_of(model, (evaluator or Evaluator(model)).backend_on(torch.device("cpu"), 0.0))
    return None if arrays is None else NativePotential(arrays)


def structure() -> Atoms:
    """A box that its pairs leave in all directions, with two atoms that nearly touch."""
    atoms = random_structure(16, ELEMENTS, TRICLINIC_CELL, seed=4)
    atoms += Atoms("Na", positions=[atoms.positions[3] + [0.5, 0.4, 0.3]])
    return atoms


def unified_of(model: HybridModel, dtype: torch.dtype) -> HybridUnified:
    """As in a run of an exported file."""
    description, tensors = describe(fold_whitening_into_networks(model))
    manifest = Manifest(
        terms=description.titles(),
        description=description,
        total_charge=sum(ION_CHARGES[z] for z in structure().numbers),
        allow_small_box=True,
        dtype=str(dtype).removeprefix("torch."),
        provenance={},
    )
    return HybridUnified(manifest, tensors)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", MODELS)
def test_equals_the_object_that_lammps_calls(name, dtype):
    unified, atoms = unified_of(MODELS[name](), dtype), structure()
    arrays = rank_arrays(atoms, unified.model.cutoff, ELEMENTS, owned=[5, 2, 16, 0, 3, 9, 1])
    data = PluginData(arrays, atoms, q=np.array([ION_CHARGES[z] for z in atoms.numbers]))
    unified._charges.check_run = lambda *_: None  # not all atoms are here
    unified.compute_forces(data)
    energy, energies, forces, virial = data.result(len(atoms))
    found = Lists(arrays).evaluate(native(unified.model, unified.evaluator))
    assert found.error == 0
    of_owners = np.zeros_like(forces)
    np.add.at(of_owners, arrays.owner, found.forces)
    tolerance = TOLERANCES[dtype]
    assert found.energy == pytest.approx(energy, rel=tolerance)
    np.testing.assert_allclose(found.energies[arrays.iatoms], energies, atol=tolerance * np.abs(energies).max())
    np.testing.assert_allclose(of_owners, forces, atol=tolerance * np.abs(forces).max())
    expected = virial[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]
    np.testing.assert_allclose(found.virial, expected, atol=tolerance * np.abs(virial).max())


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", PREDICTING)
def test_charges_and_their_response(name, dtype):
    """What the networks say, and forces of an energy with given derivatives by it."""
    model, atoms = fold_whitening_into_networks(PREDICTING[name]()), structure()
    evaluator, arrays = Evaluator(model, dtype), rank_arrays(atoms, model.cutoff, ELEMENTS)
    geometry = frame_to_batch(atoms, model.cutoff).geometry()
    slopes = np.random.default_rng(1).normal(size=len(atoms))
    heads, tolerance = evaluator.heads(geometry), TOLERANCES[dtype]
    weights = {"energy": torch.ones(len(atoms), dtype=torch.float64), "charge": torch.from_numpy(slopes)}
    repulsion = model.term(ZBLRepulsion).energy
    with torch.enable_grad():
        vectors = geometry.pair_vectors.detach().requires_grad_()
        (of_repulsion,) = torch.autograd.grad(repulsion(with_vectors(geometry, vectors), {}).sum(), vectors)
    gradients = (heads.pair_gradients(weights) + of_repulsion).numpy()
    expected = np.zeros((len(atoms), 3))
    np.add.at(expected, geometry.pair_i.numpy(), gradients)
    np.subtract.at(expected, frame_to_batch(atoms, model.cutoff).pair_j.numpy(), gradients)
    potential, lists = native(model, evaluator), Lists(arrays)
    error, charges = lists.charges(potential)
    assert error == 0
    np.testing.assert_allclose(charges, heads.values["charge"].numpy(), atol=tolerance)
    found = lists.evaluate(potential, slopes)
    of_owners = np.zeros_like(expected)
    np.add.at(of_owners, arrays.owner, found.forces)
    np.testing.assert_allclose(of_owners, expected, atol=tolerance * np.abs(expected).max())
    assert lists.evaluate(potential).error != 0, "the response is not left out unseen"


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("name", MODELS | PREDICTING)
def test_own_distances_are_those_of_the_definition(name, dtype):
    model, atoms = fold_whitening_into_networks(with_distance((MODELS | PREDICTING)[name]())), structure()
    assert not Lists(rank_arrays(atoms, 4.5, ELEMENTS)).evaluate(native(sodium_chloride_model())).distances.any()
    arrays = rank_arrays(atoms, model.cutoff, ELEMENTS)
    potential = native(model, Evaluator(model, dtype))
    found = Lists(arrays).evaluate(potential, np.zeros(len(atoms)) if name in PREDICTING else None)
    batch = frame_to_batch(atoms, model.cutoff)
    hidden = Evaluator(model, by_torch=True).hidden_values(batch.geometry())
    expected = model.distance.own_squares(hidden, model.species(batch.numbers)).numpy()[arrays.owner[arrays.iatoms]]
    np.testing.assert_allclose(found.distances, expected, atol=TOLERANCES[dtype] * 1e3 * expected.max())


@pytest.mark.parametrize("name", ["committee", "repulsion"])
def test_forces_of_each_member(name):
    """Those of the member's own model, less those of the repulsion, which all have."""
    model, atoms = fold_whitening_into_networks(MODELS[name]()), structure()
    arrays, members = rank_arrays(atoms, model.cutoff, ELEMENTS), member_models(model)
    found = np.zeros((len(atoms), len(members), 3))
    np.add.at(found, arrays.owner, Lists(arrays).member_forces(native(model), len(members)))
    batch = frame_to_batch(atoms, model.cutoff)
    of_networks = Evaluator(model).each_network(batch.geometry())
    for member, (_, gradients) in enumerate(of_networks):
        expected, _ = forces_and_virials(batch, batch.pair_vectors(), gradients)
        np.testing.assert_allclose(found[:, member], expected, atol=1e-12 * float(expected.abs().max()))


def cluster() -> Atoms:
    return random_structure(9, ELEMENTS, None, seed=3, closest=1.3)


@pytest.mark.parametrize("name", MODELS)
def test_forces_and_virial_are_differences_of_the_energy(name):
    model, atoms, step = fold_whitening_into_networks(MODELS[name]()), cluster(), 1e-4
    potential = native(model)

    def evaluate(positions):
        moved = Atoms(atoms.numbers, positions=positions)
        return Lists(rank_arrays(moved, model.cutoff, ELEMENTS)).evaluate(potential)

    found, forces = evaluate(atoms.positions), np.zeros((9, 3))
    for i, k in np.ndindex(9, 3):
        change = np.zeros((9, 3))
        change[i, k] = step
        energies = [evaluate(atoms.positions + sign * change).energy for sign in (1, -1)]
        forces[i, k] = -(energies[0] - energies[1]) / (2 * step)
    assert relative_difference(torch.from_numpy(found.forces), torch.from_numpy(forces)) < 1e-6
    for column, (a, b) in enumerate([(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]):
        strain = np.eye(3)
        strain[a, b] += step
        other = np.eye(3)
        other[a, b] -= step
        energies = [evaluate(atoms.positions @ matrix).energy for matrix in (strain, other)]
        difference = -(energies[0] - energies[1]) / (2 * step)
        assert found.virial[column] == pytest.approx(difference, abs=1e-5 * np.abs(found.virial).max())


def test_parts_of_atoms_sum_to_the_whole():
    model, atoms = fold_whitening_into_networks(sodium_chloride_model(ION_CHARGES)), structure()
    arrays = rank_arrays(atoms, model.cutoff, ELEMENTS)
    found = Lists(arrays).evaluate(native(model))
    assert found.energies.sum() == pytest.approx(found.energy, rel=1e-13)
    assert not found.energies[arrays.nlocal :].any()
    scale = np.abs(found.virial).max()
    np.testing.assert_allclose(found.virials.sum(0), found.virial, atol=1e-12 * scale)
    np.testing.assert_allclose(found.centroid_virials.sum(0)[:6], found.virial, atol=1e-12 * scale)
    np.testing.assert_allclose(found.centroid_virials.sum(0)[[3, 4, 5]], found.centroid_virials.sum(0)[[6, 7, 8]])
    np.testing.assert_allclose(found.forces.sum(0), 0.0, atol=1e-12 * np.abs(found.forces).max())


def test_threads_add_the_same_numbers():
    """To the last bit, since blocks are added up in one order."""
    model = fold_whitening_into_networks(charge_predicting_model())
    arrays = rank_arrays(rock_salt(4), model.cutoff, ELEMENTS)
    potential, lists = native(model), Lists(arrays)
    slopes = np.linspace(-1.0, 1.0, lists.n_centres)
    one = lists.evaluate(potential, slopes, 1)
    for n_threads in (2, 3, 4):
        several = lists.evaluate(potential, slopes, n_threads)
        assert (lists.charges(potential, 1)[1] == lists.charges(potential, n_threads)[1]).all()
        for name in ("energy", "energies", "forces", "virial", "virials", "centroid_virials"):
            np.testing.assert_array_equal(getattr(several, name), getattr(one, name), err_msg=name)


@pytest.mark.parametrize("atom", [0, 300, 511])
def test_threads_end_where_one_of_them_fails(atom):
    model = fold_whitening_into_networks(charge_predicting_model())
    arrays = rank_arrays(rock_salt(4), model.cutoff, ELEMENTS)
    arrays.positions[atom] = np.nan
    lists = Lists(arrays)
    assert lists.evaluate(native(model), np.zeros(lists.n_centres), 3).error == BAD_DISTANCE


def test_no_atoms_and_lonely_atoms():
    model = fold_whitening_into_networks(sodium_chloride_model(None))
    potential = native(model)
    nobody = Lists(rank_arrays(structure(), model.cutoff, ELEMENTS, owned=[])).evaluate(potential)
    assert nobody.error == 0
    assert nobody.energy == 0.0
    lonely = Lists(rank_arrays(Atoms("NaCl", [[0, 0, 0], [0, 0, 20.0]]), model.cutoff, ELEMENTS)).evaluate(potential)
    batch = frame_to_batch(Atoms("NaCl", [[0, 0, 0], [0, 0, 20.0]]), model.cutoff)
    assert lonely.energy == pytest.approx(float(Evaluator(model).predict(batch).energies[0]), rel=1e-13)
    assert not lonely.forces.any()


@pytest.mark.parametrize("place", [[0.0, 0.0, 0.0], [np.nan, 0.0, 0.0]])
def test_two_atoms_at_one_place_and_positions_that_are_no_numbers(place):
    model = fold_whitening_into_networks(sodium_chloride_model(None))
    arrays = rank_arrays(Atoms("NaCl", [[0, 0, 0], [0, 0, 2.0]]), model.cutoff, ELEMENTS)
    arrays.positions[1] = place
    assert Lists(arrays).evaluate(native(model)).error == BAD_DISTANCE


def test_atoms_of_others_are_not_read():
    model = fold_whitening_into_networks(sodium_chloride_model(None))
    arrays = rank_arrays(Atoms("NaCl", [[0, 0, 0], [0, 0, 2.0]]), model.cutoff, ELEMENTS)
    arrays.elems[1] = -1
    assert Lists(arrays).evaluate(native(model)).error == BAD_ROW


class OwnRepulsion(ZBLRepulsion):
    """A term that somebody has derived, which the kernels know nothing of."""


def test_what_is_left_to_python():
    """Everything that the kernels do not know to the last term."""
    model = sodium_chloride_model(None)
    terms = [OwnRepulsion(model.cutoff) if isinstance(term, ZBLRepulsion) else term for term in model.all_terms]
    derived = HybridModel(model.features, terms, model.all_parameters, list(model.heads), model.whitening)
    for other in (derived, direct_force_model(), molecule_model()):
        assert native(fold_whitening_into_networks(other)) is None
    assert potential_of(model, TorchBackend(model.features, (), "cpu", torch.float64)) is None
    unified = unified_of(charge_predicting_model(), torch.float64)
    exact = unified.manifest.model_copy(update={"coulomb_engine": "exact"})
    assert record_of(unified.model, unified.evaluator, exact) is None
    assert record_of(unified.model, unified.evaluator, unified.manifest) is not None
