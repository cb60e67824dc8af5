"""The sum of terms with several predicted parameters: chain rule, on every path, against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.bounds import Positive, Ratio, Within
from mliap_hybrid.model.evaluator import Evaluator, predict
from mliap_hybrid.model.heads import Head
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.neutrality import Increments, Shift
from mliap_hybrid.model.parameters import AtomicEnergy, ElementParameter, PredictedParameter
from mliap_hybrid.model.sum_of_terms import sum_of_terms
from mliap_hybrid.model.term import Contribution, PairTerm, Term, TermDescription, summed
from mliap_hybrid.model.terms.baseline import Baseline
from mliap_hybrid.model.terms.electrostatics import CoulombMatrices, Electrostatics
from mliap_hybrid.model.terms.network import NetworkEnergy
from mliap_hybrid.model.terms.repulsion import ZBLRepulsion
from mliap_hybrid.model.terms.standard import element_parameter
from mliap_hybrid.physics.interaction_matrices import interaction_matrices
from mliap_hybrid.structure import Batch, Geometry, join_batches
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference, virial_by_differences
from mliap_hybrid.testing.models import sodium_chloride_model
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure, rock_salt

CUTOFF, ELEMENTS = 4.5, (11, 17)


class Attraction(PairTerm):
    """-1/2 sqrt(C_i C_j) w(r) / (r^2 + s_i^2 + s_j^2)^3: two parameters of each atom, of both atoms of a pair."""

    kind = "attraction"
    cost = "exchange"
    takes = ("c6", "size")

    def pair_energies(self, geometry, distances, parameters):
        c6, size = (parameters[name].index_select(0, geometry.pair_i) for name in self.takes)
        c6, size = c6 * parameters.of_neighbours("c6"), size**2 + parameters.of_neighbours("size") ** 2
        window = (1.0 - distances**2 / CUTOFF**2) ** 3
        return -0.5 * c6.sqrt() * window / (distances**2 + size) ** 3

    def describe(self):
        return TermDescription(kind=self.kind)

    @classmethod
    def restore(cls, description, arrays, cutoff):
        return cls()


class Spring(Term):
    """1/2 k_i (sum over the structure of c_i - c_0)^2 / N: asks for a sum, and overrides nothing."""

    kind = "spring"
    cost = "exchange"
    takes = ("size",)

    def energy(self, geometry, parameters):
        communication = geometry.communication
        sums = communication.to_centres(communication.sum(parameters["size"]))  # (n_centres,)
        pairs = geometry.pair_vectors.square().sum(1)  # (n_pairs,)
        per_atom = torch.zeros_like(sums).index_add(0, geometry.pair_i, 0.001 * pairs)
        return 0.1 * parameters["size"] * sums + per_atom * parameters["size"]

    describe = Attraction.describe
    restore = Attraction.restore


class Silent(Term):
    """A term that has nothing to say here, not even of its parameter."""

    kind = "silent"
    takes = ("size",)

    def energy(self, geometry, parameters):
        return torch.zeros_like(parameters["size"])

    def contribution(self, geometry, parameters, constants=None):
        return Contribution()

    describe = Attraction.describe
    restore = Attraction.restore


def values(sodium: float, chlorine: float) -> torch.Tensor:
    return torch.tensor([sodium, chlorine], dtype=torch.float64)


def predicted(name: str) -> PredictedParameter:
    return {
        "c6": PredictedParameter("c6", "eV Å^6", values(300.0, 500.0), Ratio(2.0)),
        "size": PredictedParameter("size", "Å", values(1.3, 1.1), Positive()),
        "charge": PredictedParameter("charge", "e", values(0.8, -0.8), Within(0.7), Shift()),
    }[name]


def constant(name: str) -> ElementParameter:
    return element_parameter(name, "", {"c6": {11: 300.0, 17: 500.0}, "size": {11: 1.3, 17: 1.1}}[name], ELEMENTS)


def head(name: str, seed: int, n_members: int = 1) -> Head:
    n_inputs = BASE.whitening.matrix.shape[1]
    random, members = torch.Generator().manual_seed(seed), []
    for _ in range(n_members):
        network = AtomicNetwork(n_inputs, (6,), 2).double()
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * 0.2
        members.append(network)
    return Head(name, members)


BASE = sodium_chloride_model(None)
BASELINE = element_parameter("baseline", "eV", {11: -1.5, 17: -2.5}, ELEMENTS)


def model_of(kind: str) -> HybridModel:
    c6, size = predicted("c6"), predicted("size")
    network, charges = [NetworkEnergy(), ZBLRepulsion(CUTOFF)], Electrostatics(0.8)
    parts = {
        "two of one term": (
            [Baseline(), *network, Attraction()],
            [BASELINE, AtomicEnergy(), c6, size],
            [head("energy", 1), head("c6", 2), head("size", 3)],
        ),
        "of two terms": (
            [Baseline(), *network, Attraction(), charges],
            [BASELINE, AtomicEnergy(), c6, constant("size"), predicted("charge")],
            [head("energy", 1), head("c6", 2), head("charge", 4)],
        ),
        "of several terms, three": (
            [charges, Attraction(), Spring(), *network, Baseline()],
            [c6, predicted("charge"), size, BASELINE, AtomicEnergy()],
            [head("c6", 2), head("charge", 4), head("size", 3), head("energy", 1)],
        ),
        "no energy network": ([Attraction(), charges], None, [head("charge", 4), head("size", 3)]),
        "a single head": ([Baseline(), Attraction()], [BASELINE, c6, constant("size")], [head("c6", 2)]),
        "a committee beside": (
            [Baseline(), *network, Attraction()],
            [BASELINE, AtomicEnergy(), constant("c6"), size],
            [head("energy", 1, 3), head("size", 3, 2)],
        ),
        "a committee alone": ([Attraction()], [c6, constant("size")], [head("c6", 2, 2)]),
        "a term that is silent": (
            [Baseline(), Silent(), *network],
            [BASELINE, AtomicEnergy(), size],
            [head("energy", 1), head("size", 3)],
        ),
        "nothing but silence": ([Silent()], [size], [head("size", 3)]),
        "constants alone": ([Baseline(), Attraction()], [BASELINE, constant("c6"), constant("size")], []),
    }
    terms, parameters, heads = parts[kind]
    if kind == "no energy network":
        with_increments = PredictedParameter("charge", "e", values(0.8, -0.8), Within(0.05), Increments(CUTOFF))
        parameters = [constant("c6"), with_increments, size]
    return HybridModel(BASE.features, terms, parameters, heads, BASE.whitening).double().eval()


MODELS = (
    "two of one term",
    "of two terms",
    "of several terms, three",
    "no energy network",
    "a single head",
    "a committee beside",
    "a committee alone",
    "a term that is silent",
    "nothing but silence",
    "constants alone",
)


def structures() -> Batch:
    crystal = random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=6, closest=2.0)
    molecule = random_structure(6, ["Na", "Cl"], None, seed=3, closest=2.0)
    frames = [crystal, Atoms("Cl", positions=[[1, 2, 3]]), molecule, rock_salt(1)]
    return join_batches([frame_to_batch(atoms, CUTOFF) for atoms in frames])


@pytest.mark.parametrize("kind", MODELS)
def test_every_path_is_the_definition(kind):
    model, batch = model_of(kind), structures()
    expected = predict_by_definition(model, batch)
    without = Evaluator(model)
    without.native = None
    for found in (Evaluator(model).predict(batch), without.predict(batch), predict(model, batch)):
        for name in ("energies", "forces", "virials", "charges", "potentials"):
            a, b = getattr(found, name), getattr(expected, name)
            if b is None:
                assert a is None
                continue
            assert (a - b).abs().max() < 1e-11 * max(1.0, float(b.abs().max())), name
    if kind not in ("a term that is silent", "nothing but silence"):
        assert expected.forces.abs().max() > 0.1


@pytest.mark.parametrize("kind", ["two of one term", "of several terms, three", "no energy network", "a single head"])
@pytest.mark.parametrize("cell", [TRICLINIC_CELL, None], ids=["triclinic", "isolated"])
def test_forces_and_virial_are_derivatives_of_the_energy(kind, cell):
    model, atoms = model_of(kind), random_structure(6, ["Na", "Cl"], cell, seed=4, closest=1.9)
    evaluator = Evaluator(model)

    def energy(positions, lattice):
        moved = Atoms(atoms.numbers, positions=positions, cell=lattice, pbc=atoms.pbc)
        return float(evaluator.predict(frame_to_batch(moved, CUTOFF)).energies[0])

    prediction = evaluator.predict(frame_to_batch(atoms, CUTOFF))
    forces = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5)
    virial = virial_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5)
    assert relative_difference(prediction.forces, forces) < 1e-6
    assert relative_difference(prediction.virials[0], virial) < 1e-6


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_single_precision_is_that_of_the_kernels_alone(dtype):
    model, batch = model_of("of several terms, three"), structures()
    found, expected = Evaluator(model, dtype).predict(batch), predict_by_definition(model, batch)
    for name in ("energies", "forces", "virials", "charges"):
        assert getattr(found, name).dtype == torch.float64
        tolerance = 1e-11 if dtype == torch.float64 else 1e-4
        assert relative_difference(getattr(found, name), getattr(expected, name)) < tolerance, name


def test_all_of_it_matters():
    """Without the response of a parameter, forces are others: the tests above would see it missing."""
    model, batch = model_of("of several terms, three"), structures()
    geometry = batch.geometry()
    evaluator = Evaluator(model)
    gradients = evaluator.total(geometry).parameter_gradients
    heads, species = evaluator.heads(geometry), model.species(batch.numbers)
    for name in ("c6", "size", "charge"):
        _, pullback = model.parameter(name)(geometry, species, heads.values[name])
        weights, _ = pullback(gradients[name])
        assert heads.pair_gradients({name: weights}).abs().max() > 1e-2, name


def test_nothing_is_zero():
    geometry = structures().geometry()
    total = sum_of_terms([], [], geometry, torch.zeros(geometry.n_centres, dtype=torch.int64))
    assert not total.energies.any()
    assert not total.pair_gradients.any()
    assert total.pair_gradients.shape == geometry.pair_vectors.shape
    assert (total.forces, total.virials, total.structure_energies) == (None, None, None)


def test_contributions_add_up():
    one, two = torch.ones(3), torch.full((3,), 2.0)
    first = Contribution(energies=one, parameter_gradients={"a": one, "b": one})
    second = Contribution(energies=two, forces=two, parameter_gradients={"b": two, "c": two})
    both = summed([first, second])
    assert torch.equal(both.energies, one + two)
    assert torch.equal(both.forces, two)
    assert both.virials is None
    assert {name: float(value[0]) for name, value in both.parameter_gradients.items()} == {"a": 1.0, "b": 3.0, "c": 2.0}


class LinearHeads:
    """Heads whose values are linear in constant features: what a training has, in a few lines."""

    def __init__(self, features: torch.Tensor, jacobian: torch.Tensor, pair_i: torch.Tensor, weights: dict):
        self.features, self.jacobian, self.pair_i, self.weights = features, jacobian, pair_i, weights
        self.values = {name: features @ weight for name, weight in weights.items()}

    def pair_gradients(self, gradients):
        return sum(
            gradients[name][self.pair_i, None] * (self.jacobian @ weight) for name, weight in self.weights.items()
        )


def test_the_sum_is_differentiable_in_the_weights():
    """Values, energies and all that forces follow from, of three predicted parameters and the network."""
    frames = [random_structure(5, ["Na", "Cl"], cell, seed=4, closest=1.9) for cell in (TRICLINIC_CELL, None)]
    batches = [frame_to_batch(atoms, CUTOFF) for atoms in frames]
    batch, random = join_batches(batches), torch.Generator().manual_seed(0)
    geometry, species = batch.geometry(), BASE.species(batch.numbers)
    with torch.no_grad():
        features, jacobian = BASE.features(geometry), BASE.features.jacobian(geometry)
    names = ("energy", "c6", "charge", "size")
    scales = features.abs().max()
    weights = {
        name: (0.3 / scales * torch.randn(features.shape[1], generator=random, dtype=torch.float64)) for name in names
    }
    terms = [NetworkEnergy(), Attraction(), Electrostatics(0.8), Spring()]
    parameters = [AtomicEnergy(), predicted("c6"), predicted("charge"), predicted("size")]
    matrices = CoulombMatrices(tuple(interaction_matrices(each, 0.8) for each in batches))

    def loss(of_weights):
        heads = LinearHeads(features, jacobian, batch.pair_i, of_weights)
        total = sum_of_terms(terms, parameters, geometry, species, heads, {"electrostatics": matrices})
        parts = (total.energies, total.pair_gradients, total.forces, total.virials, *total.parameters.values())
        return sum(part.square().mean() for part in parts)

    trained = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
    gradients = torch.autograd.grad(loss(trained), list(trained.values()))
    for name, gradient in zip(names, gradients, strict=True):
        direction = torch.randn(gradient.shape, generator=random, dtype=torch.float64) / scales
        up, down = (float(loss(weights | {name: weights[name] + step * direction})) for step in (1e-4, -1e-4))
        assert float(gradient @ direction) == pytest.approx((up - down) / 2e-4, rel=1e-5), name


def test_order_of_atoms_does_not_matter():
    model = model_of("of several terms, three")
    atoms = random_structure(8, ["Na", "Cl"], TRICLINIC_CELL, seed=6, closest=2.0)
    reference = Evaluator(model).predict(frame_to_batch(atoms, CUTOFF))
    order = np.random.default_rng(1).permutation(8)
    found = Evaluator(model).predict(frame_to_batch(atoms[order], CUTOFF))
    assert float(found.energies[0]) == pytest.approx(float(reference.energies[0]), abs=1e-10)
    torch.testing.assert_close(found.forces, reference.forces[torch.from_numpy(order)], rtol=0, atol=1e-9)


def test_pairs_that_are_halves_of_each_other_need_no_reverse_message():
    """dE/dr_p of a symmetric term of pairs is half of the derivative of the pair energy, in both directions."""
    batch = frame_to_batch(random_structure(6, ["Na", "Cl"], None, seed=4, closest=1.9), CUTOFF)
    model = model_of("constants alone")
    found = Evaluator(model).total(batch.geometry()).pair_gradients
    vectors = batch.pair_vectors()
    for p, (i, j) in enumerate(zip(batch.pair_i.tolist(), batch.pair_j.tolist(), strict=True)):
        (back,) = [q for q in range(batch.n_pairs) if batch.pair_i[q] == j and batch.pair_j[q] == i]
        torch.testing.assert_close(found[p], -found[back], rtol=0, atol=1e-13)
        assert torch.equal(vectors[p], -vectors[back])


def test_geometry_without_communication_says_so():
    geometry = structures().geometry()
    bare = Geometry(geometry.centre_numbers, geometry.neighbour_numbers, geometry.pair_i, geometry.pair_vectors)
    with pytest.raises(ValueError, match="expected a geometry with communication"):
        Evaluator(model_of("two of one term")).total(bare)
