"""Symmetry functions: the papers' sums in loops, what all features have to pass, edges, wrong settings."""

import math
from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features import acsf
from mliap_hybrid.features.acsf import SymmetryFunctions, default_symmetry_functions
from mliap_hybrid.features.triplets import pairs_of_pairs
from mliap_hybrid.structure import Batch, Geometry, join_batches
from mliap_hybrid.testing.featuriser_tests import FeaturiserTests
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

ELEMENTS = (1, 8, 11, 17)
CUTOFF = 4.5
RADIAL = ((0.0, 0.0), (0.3, 0.0), (2.0, 1.5), (4.0, 2.5))
ANGULAR = ((0.0, 1.0, 1.0), (0.01, 1.0, -1.0), (0.05, 2.5, 1.0), (0.01, 4.0, -1.0), (0.05, 16.0, 1.0))
FORMS = [("G4", "cosine"), ("G5", "cosine"), ("G4", "tanh"), ("G5", "tanh")]


def functions_of(angular_form: str = "G4", cutoff_function: str = "cosine", **changes) -> SymmetryFunctions:
    settings = {"elements": ELEMENTS, "cutoff": CUTOFF, "radial": RADIAL, "angular": ANGULAR}
    settings |= {"angular_form": angular_form, "cutoff_function": cutoff_function}
    return SymmetryFunctions(**(settings | changes))


def structure(periodic: bool = True) -> Atoms:
    return random_structure(9, ["Na", "O", "Cl", "H"], TRICLINIC_CELL if periodic else None, seed=3)


def evaluate(atoms: Atoms, functions: SymmetryFunctions) -> Tensor:
    return functions(frame_to_batch(atoms, functions.cutoff).geometry())


def random_weights(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module", params=FORMS, ids="-".join)
def functions(request: pytest.FixtureRequest) -> SymmetryFunctions:
    return functions_of(*request.param)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return frame_to_batch(structure(), CUTOFF)


# The definition


def by_loops(atoms: Atoms, functions: SymmetryFunctions) -> np.ndarray:
    """The papers' sums, one term at a time, over the atoms and their images as ASE finds them."""
    r_c = functions.cutoff

    def f_c(r: float) -> float:
        if r >= r_c:
            return 0.0
        return (
            0.5 * (math.cos(math.pi * r / r_c) + 1)
            if functions.cutoff_function == "cosine"
            else math.tanh(1 - r / r_c) ** 3
        )

    def g_angular(a: np.ndarray, b: np.ndarray, eta: float, zeta: float, sign: float) -> float:
        r_ij, r_ik, r_jk = math.dist(a, (0, 0, 0)), math.dist(b, (0, 0, 0)), math.dist(a, b)
        cosine = (r_ij**2 + r_ik**2 - r_jk**2) / (2 * r_ij * r_ik)
        value = 2 ** (1 - zeta) * max(0.0, 1 + sign * cosine) ** zeta
        value *= math.exp(-eta * (r_ij**2 + r_ik**2)) * f_c(r_ij) * f_c(r_ik)
        return value if functions.angular_form == "G5" else value * math.exp(-eta * r_jk**2) * f_c(r_jk)

    images = [range(-2, 3) if periodic else (0,) for periodic in atoms.pbc]
    shifts = np.stack(np.meshgrid(*images, indexing="ij"), axis=-1).reshape(-1, 3) @ atoms.cell.array
    rows = []
    for centre in atoms.positions:
        around = [
            (z, position + shift - centre)
            for z, position in zip(atoms.numbers, atoms.positions, strict=True)
            for shift in shifts
            if 1e-6 < math.dist(position + shift, centre) < r_c
        ]
        row = []
        for element in functions.elements:
            distances = [float(np.linalg.norm(vector)) for z, vector in around if z == element]
            for eta, shift in functions.radial:
                row.append(sum(math.exp(-eta * (r - shift) ** 2) * f_c(r) for r in distances))
        for kind in combinations_with_replacement(functions.elements, 2):
            two = [(a, b) for (z, a), (y, b) in combinations(around, 2) if sorted((z, y)) == list(kind)]
            row += [sum(g_angular(a, b, *parameters) for a, b in two) for parameters in functions.angular]
        rows.append(row)
    return np.array(rows)


@pytest.mark.parametrize("periodic", [True, False])
def test_sums_written_out(functions: SymmetryFunctions, periodic: bool) -> None:
    atoms = structure(periodic)
    expected = by_loops(atoms, functions)
    assert expected.shape == (len(atoms), functions.n_features)
    np.testing.assert_allclose(evaluate(atoms, functions), expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("atoms", [bulk("NaCl", "rocksalt", a=5.64), molecule("CH3CH2OH"), molecule("CO2")], ids=str)
def test_sums_of_a_crystal_and_of_molecules(functions: SymmetryFunctions, atoms: Atoms) -> None:
    """In rock salt and CO2 there are straight angles, where (1 + cos theta) is zero."""
    functions = functions_of(functions.angular_form, functions.cutoff_function, elements=(1, 6, 8, 11, 17))
    np.testing.assert_allclose(evaluate(atoms, functions), by_loops(atoms, functions), rtol=1e-10, atol=1e-13)


def test_a_triangle_by_hand() -> None:
    """O with two H at a right angle, 1 Å each, and H-H sqrt(2) Å; f_c is known at these distances for r_c = 2 Å."""
    vectors = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)
    triangle = Geometry(torch.tensor([8]), torch.tensor([1, 1]), torch.tensor([0, 0]), vectors)
    f_jk = 0.5 * (math.cos(math.pi / math.sqrt(2.0)) + 1.0)
    for form, expected in (("G4", 2.0**-3 * math.exp(-0.4) * 0.25 * f_jk), ("G5", 2.0**-3 * math.exp(-0.2) * 0.25)):
        functions = SymmetryFunctions([1, 8], 2.0, [(1.0, 0.5)], [(0.1, 4.0, 1.0)], angular_form=form)
        values = dict(zip(functions.feature_labels, functions(triangle)[0].tolist(), strict=True))
        assert values.pop("G2 H eta=1 shift=0.5") == pytest.approx(2 * math.exp(-0.25) * 0.5, rel=1e-14)
        assert values.pop(f"{form} H-H eta=0.1 zeta=4 lambda=+1") == pytest.approx(expected, rel=1e-14)
        assert list(values) == ["G2 O eta=1 shift=0.5"] + [
            f"{form} {k} eta=0.1 zeta=4 lambda=+1" for k in ("H-O", "O-O")
        ]
        assert not any(values.values())


def test_a_dimer_has_no_angular_part(functions: SymmetryFunctions) -> None:
    dimer = Atoms("NaCl", positions=[[0, 0, 0], [0, 1.1, 2.0]])
    values = evaluate(dimer, functions)
    n_radial = len(ELEMENTS) * len(RADIAL)
    assert not values[:, n_radial:].any()
    assert (values[:, :n_radial] > 0).sum() == 2 * len(RADIAL)


class TestSymmetryFunctions(FeaturiserTests):
    rounding = 1e-12

    @pytest.fixture(autouse=True, params=FORMS, ids="-".join)
    def _choose(self, request):
        self.form = request.param

    def featuriser(self):
        return functions_of(*self.form)


class TestDefaultSymmetryFunctions(FeaturiserTests):
    rounding = 1e-12

    def featuriser(self):
        return default_symmetry_functions(self.elements, self.cutoff)


# Arrangement


def test_blocks_of_triplets_change_nothing(
    functions: SymmetryFunctions, batch: Batch, monkeypatch: pytest.MonkeyPatch
) -> None:
    geometry = join_batches([batch, frame_to_batch(structure(periodic=False), CUTOFF)]).geometry()
    weights = random_weights(geometry.n_centres, functions.n_features)
    expected = functions(geometry), functions.vjp(geometry, weights), functions.jacobian(geometry)
    monkeypatch.setattr(acsf, "_BLOCK", 7)
    found = functions(geometry), functions.vjp(geometry, weights), functions.jacobian(geometry)
    for one, other in zip(found, expected, strict=True):
        assert relative_difference(one, other) < 1e-13


@pytest.mark.parametrize("n_most", [1, 2, 5, 1000])
def test_each_two_pairs_of_a_centre_once(n_most: int) -> None:
    pair_i = torch.tensor([4, 0, 2, 4, 0, 4, 1, 4, 0])
    expected = {(p, q) for p, q in combinations(range(len(pair_i)), 2) if pair_i[p] == pair_i[q]}
    listed = [
        (min(p, q), max(p, q))
        for first, second in pairs_of_pairs(pair_i, n_most)
        for p, q in zip(first.tolist(), second.tolist(), strict=True)
    ]
    assert sorted(listed) == sorted(expected)


# Derivatives


def test_twice_differentiable(functions: SymmetryFunctions) -> None:
    numbers, neighbours, pair_i = torch.tensor([8, 1]), torch.tensor([1, 11, 17, 1]), torch.tensor([0, 0, 0, 1])
    vectors = [[0.9, 0.2, -0.4], [-0.5, 1.7, 0.6], [-1.8, -0.4, 0.8], [1.9, 0.3, 2.0]]  # the first and third opposite

    inputs = torch.tensor(vectors, dtype=torch.float64).requires_grad_()
    filled = functions(Geometry(numbers, neighbours, pair_i, inputs.detach() * torch.tensor([1.0, 0.9, 1.1]))) != 0

    def values(vectors: Tensor) -> Tensor:
        return functions(Geometry(numbers, neighbours, pair_i, vectors))[filled]

    assert torch.autograd.gradcheck(values, (inputs,))
    assert torch.autograd.gradgradcheck(values, (inputs,))


def test_the_pull_of_a_neighbour_ends_at_the_cutoff(functions: SymmetryFunctions) -> None:
    """Value and derivative go to zero with the right powers of the gap: 2 and 1 for the cosine, 3 and 2 for tanh^3."""
    near = torch.tensor([[0.0, 1.1, 0.3], [0.4, -0.2, 1.6]], dtype=torch.float64)
    numbers, pair_i = torch.tensor([8]), torch.tensor([0, 0, 0])
    alone = functions(Geometry(numbers, torch.tensor([1, 11]), pair_i[:2], near))
    power = 2 if functions.cutoff_function == "cosine" else 3

    def with_far(gap: float) -> tuple[float, float]:
        far = torch.tensor([[0.6, 0.8, 0.0]], dtype=torch.float64) * (CUTOFF - gap)
        both = Geometry(numbers, torch.tensor([1, 11, 17]), pair_i, torch.cat([near, far]))
        return float((functions(both) - alone).abs().max()), float(functions.jacobian(both)[2].abs().max())

    (value, derivative), (value_nearer, derivative_nearer) = with_far(1e-2), with_far(1e-3)
    assert 0 < value < 1e-3
    assert 0 < derivative < 1e-2
    assert value_nearer == pytest.approx(value * 0.1**power, rel=0.1)
    assert derivative_nearer == pytest.approx(derivative * 0.1 ** (power - 1), rel=0.1)
    for gap in (0.0, -1e-9, -1.0, -1e6):
        assert with_far(gap) == (0.0, pytest.approx(0.0, abs=1e-15))


def test_neighbours_that_part_beyond_the_cutoff() -> None:
    """G4 sees two neighbours together only while they are within the cutoff of one another; G5 always."""
    a, numbers = 0.8 * CUTOFF, torch.tensor([8])
    for form, angle, seen in (("G4", 70, True), ("G4", 90, False), ("G5", 90, True)):
        phi = math.radians(angle)
        vectors = torch.tensor([[a, 0, 0], [a * math.cos(phi), a * math.sin(phi), 0]], dtype=torch.float64)
        values = functions_of(form)(Geometry(numbers, torch.tensor([1, 17]), torch.tensor([0, 0]), vectors))
        assert bool(values[:, len(ELEMENTS) * len(RADIAL) :].any()) == seen


# Dimension and default


@pytest.mark.parametrize(("n_elements", "n_kinds"), [(1, 1), (2, 3), (3, 6), (4, 10), (8, 36)])
def test_number_of_features_grows_with_the_elements(n_elements: int, n_kinds: int) -> None:
    functions = functions_of(elements=(17, 8, 1, 6, 7, 16, 9, 15)[:n_elements])
    assert functions.n_features == n_elements * len(RADIAL) + n_kinds * len(ANGULAR)
    labels = functions.feature_labels
    assert len(set(labels)) == len(labels) == functions.n_features


@pytest.mark.parametrize("cutoff", [1.0, 3.0, 6.0, 12.0])
def test_default_set(cutoff: float) -> None:
    sizes = [default_symmetry_functions((8, 1, 6)[:n], cutoff).n_features for n in (1, 2, 3)]
    assert sizes == [20, 52, 96]
    functions = default_symmetry_functions((8, 1, 6), cutoff)
    assert functions.elements == (1, 6, 8)
    shifts = [shift for _, shift in functions.radial]
    assert 0 < shifts[0] <= 0.9
    assert shifts[-1] == pytest.approx(cutoff / 1.2)
    # Neighbouring Gaussians overlap, so that no distance between the first and the last goes unseen.
    distances = torch.linspace(shifts[0], shifts[-1], 200, dtype=torch.float64)
    gaussians = torch.stack([torch.exp(-eta * (distances - shift) ** 2) for eta, shift in functions.radial])
    assert gaussians.amax(0).min() > 0.5


@pytest.mark.parametrize("cutoff", [0.0, -1.0, float("nan"), float("inf")])
def test_default_set_of_a_wrong_cutoff(cutoff: float) -> None:
    with pytest.raises(InputError, match="positive length"):
        default_symmetry_functions((1, 8), cutoff)


def test_element_pairs_do_not_mix() -> None:
    """Two neighbours of elements e and e' fill the columns of e, e' and the pair, whichever comes first."""
    functions = functions_of()
    vectors = torch.tensor([[1.0, 0.2, 0.0], [0.1, 1.3, 0.4]], dtype=torch.float64)
    for neighbours in ([17, 1], [1, 17]):
        values = functions(Geometry(torch.tensor([8]), torch.tensor(neighbours), torch.tensor([0, 0]), vectors))[0]
        filled = {label.split()[1] for label, value in zip(functions.feature_labels, values, strict=True) if value > 0}
        assert filled == {"H", "Cl", "H-Cl"}


def test_only_radial_or_only_angular(batch: Batch) -> None:
    geometry = batch.geometry()
    both, radial, angular = functions_of(), functions_of(angular=()), functions_of(radial=())
    assert both.feature_labels == radial.feature_labels + angular.feature_labels
    assert torch.equal(both(geometry), torch.cat([radial(geometry), angular(geometry)], dim=1))
    split = torch.cat([radial.jacobian(geometry), angular.jacobian(geometry)], dim=2)
    assert torch.equal(both.jacobian(geometry), split)
    weights = random_weights(geometry.n_centres, radial.n_features)
    jacobian = radial.jacobian(geometry)
    expected = torch.einsum("pxf,pf->px", jacobian, weights[geometry.pair_i])
    assert relative_difference(radial.vjp(geometry, weights), expected) < 1e-13


# Edges


def test_no_neighbours_and_no_centres(functions: SymmetryFunctions) -> None:
    none, vectors = torch.zeros(0, dtype=torch.int64), torch.zeros(0, 3, dtype=torch.float64)
    for centres in (torch.tensor([8, 1]), none):
        empty = Geometry(centres, none, none, vectors)
        values = functions(empty)
        assert values.shape == (len(centres), functions.n_features)
        assert not values.any()


def test_centre_without_neighbours_among_others(functions: SymmetryFunctions, batch: Batch) -> None:
    geometry = batch.geometry()
    numbers = torch.cat([torch.tensor([17]), geometry.centre_numbers, torch.tensor([1])])
    more = Geometry(numbers, geometry.neighbour_numbers, geometry.pair_i + 1, geometry.pair_vectors)
    values = functions(more)
    assert torch.equal(values[1:-1], functions(geometry))
    assert not values[[0, -1]].any()


# What users get wrong


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], "atom 3 has a neighbour at .* at least 0.001 Å.*duplicate"),
        ([[float("nan"), 0.0, 0.0], [1.0, 0.0, 0.0]], "atom 3 has a neighbour at .*nan.* three finite numbers"),
        ([[1.0, 0.0, 0.0], [0.0, float("inf"), 0.0]], "atom 3 has a neighbour at .*inf.* three finite numbers"),
        ([[1.0, 0.5, 0.0], [1.0, 0.5, 0.0]], "two neighbours of atom 3 are 0 Å apart"),
    ],
)
def test_atoms_at_one_place_or_at_none(functions: SymmetryFunctions, vectors: list, message: str) -> None:
    numbers, pair_i = torch.tensor([1, 1, 1, 8]), torch.tensor([3, 3])
    wrong = Geometry(numbers, torch.tensor([1, 17]), pair_i, torch.tensor(vectors, dtype=torch.float64))
    weights = torch.ones(4, functions.n_features, dtype=torch.float64)
    for evaluation in (functions, functions.jacobian, lambda geometry: functions.vjp(geometry, weights)):
        with pytest.raises(InputError, match=message):
            evaluation(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"radial": [(-0.1, 0.0)]}, "radial symmetry functions: .*eta >= 0.*found \\[\\(-0.1, 0.0\\)\\]"),
        ({"radial": [(0.1, -1.0)]}, "shift >= 0"),
        ({"radial": [(float("nan"), 0.0)]}, "eta >= 0"),
        ({"radial": [(0.1, 0.0), (0.1, 0.0)]}, "different pairs"),
        ({"radial": [(0.1, 0.0, 1.0)]}, "different pairs"),
        ({"radial": [], "angular": []}, "at least one"),
        ({"angular": [(-0.1, 1.0, 1.0)]}, "angular symmetry functions: .*eta >= 0"),
        ({"angular": [(0.1, 0.0, 1.0)]}, "zeta >= 1"),
        ({"angular": [(0.1, -2.0, 1.0)]}, "zeta >= 1"),
        ({"angular": [(0.1, 0.5, 1.0)]}, "forces diverge at a straight angle"),
        ({"angular": [(0.1, float("inf"), 1.0)]}, "zeta >= 1"),
        ({"angular": [(0.1, 1.0, 0.5)]}, "lambda = 1 or -1"),
        ({"angular": [(0.1, 1.0)]}, "different triples"),
        ({"angular": [(0.1, 1.0, 1.0), (0.1, 1.0, 1)]}, "different triples"),
        ({"angular_form": "G44"}, "unknown form 'G44'.*did you mean 'G4'"),
        ({"cutoff_function": "cosin"}, "unknown cutoff function 'cosin'.*did you mean 'cosine'"),
        ({"cutoff": 0.0}, "cutoff of the symmetry functions: expected a positive length"),
        ({"cutoff": float("nan")}, "positive length"),
        ({"elements": ()}, "different atomic numbers"),
        ({"elements": (1, 1)}, "different atomic numbers"),
        ({"elements": (1, 200)}, "from 1 to 118, found \\[200\\]"),
        ({"elements": (0, 1)}, "from 1 to 118"),
    ],
)
def test_settings_that_make_no_sense(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        functions_of(**changes)
