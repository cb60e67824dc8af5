"""GMP features: invariances, derivatives of every kind against each other, edges, and settings that make no sense."""

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy.spatial.transform import Rotation
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.density import channel_densities
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.structure import Batch, Geometry
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

ELEMENTS = (1, 8, 11, 17)
ORDERS, WIDTHS, CUTOFF = (-1, 0, 1, 2, 3, 5), (0.3, 0.7, 1.1), 4.5

FORMS = {
    "default": {},
    "exact": {"radial": "exact"},
    "paper": {"radial": "exact", "taper_width": 0.0, "normalization": "paper"},
    "root": {"root_offset": 0.1},
    "channels": {"channels": ("valence", "count"), "products": "all", "widths": (0.3, 0.7)},
    "channel squares": {"channels": ("count", "valence"), "widths": (0.3, 0.7)},
    "third order": {"third_order": "diagonal"},
    "three channels": {
        "channels": ("valence", "count", "core"),
        "products": "all",
        "third_order": "channels",
        "widths": (0.5,),
    },
}


def features_of(form: str = "default", **changes) -> GaussianMultipoles:
    settings = {"orders": ORDERS, "widths": WIDTHS, "cutoff": CUTOFF, "elements": ELEMENTS}
    return GaussianMultipoles(**(settings | FORMS[form] | changes))


def structure(periodic: bool = True) -> Atoms:
    return random_structure(9, ["Na", "O", "Cl", "H"], TRICLINIC_CELL if periodic else None, seed=3)


def evaluate(atoms: Atoms, features: GaussianMultipoles) -> Tensor:
    return features(frame_to_batch(atoms, CUTOFF).geometry())


def with_vectors(geometry: Geometry, vectors: Tensor) -> Geometry:
    return Geometry(geometry.centre_numbers, geometry.neighbour_numbers, geometry.pair_i, vectors)


def assert_equal_by_feature(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Features differ in size by orders of magnitude: compare each on its own scale."""
    scale = expected.abs().amax(dim=0)
    assert ((found - expected).abs().amax(dim=0) <= tolerance * scale).all()


@pytest.fixture(scope="module", params=FORMS)
def features(request: pytest.FixtureRequest) -> GaussianMultipoles:
    return features_of(request.param)


@pytest.fixture(scope="module")
def batch() -> Batch:
    return frame_to_batch(structure(), CUTOFF)


# Invariances


@pytest.mark.parametrize("periodic", [True, False])
def test_rotation_inversion_and_translation(features: GaussianMultipoles, periodic: bool) -> None:
    atoms = structure(periodic)
    expected = evaluate(atoms, features)
    for matrix in (Rotation.random(random_state=1).as_matrix(), -np.eye(3), np.diag([1.0, 1.0, -1.0])):
        turned = Atoms(atoms.numbers, atoms.positions @ matrix.T, cell=atoms.cell.array @ matrix.T, pbc=atoms.pbc)
        assert_equal_by_feature(evaluate(turned, features), expected, 1e-10)
    shifted = atoms.copy()
    shifted.translate([0.3, -7.1, 2.2])
    assert_equal_by_feature(evaluate(shifted, features), expected, 1e-10)


def test_permutation_of_atoms_and_of_pairs(features: GaussianMultipoles, batch: Batch) -> None:
    order = np.random.default_rng(0).permutation(len(structure()))
    expected = evaluate(structure(), features)
    assert_equal_by_feature(evaluate(structure()[order], features), expected[order], 1e-11)

    geometry = batch.geometry()
    shuffle = torch.randperm(batch.n_pairs, generator=torch.Generator().manual_seed(0))
    shuffled = Geometry(
        geometry.centre_numbers,
        geometry.neighbour_numbers[shuffle],
        geometry.pair_i[shuffle],
        geometry.pair_vectors[shuffle],
    )
    assert_equal_by_feature(features(shuffled), expected, 1e-11)
    weights = torch.randn(expected.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        features.vjp(shuffled, weights), features.vjp(geometry, weights)[shuffle], rtol=1e-9, atol=1e-9
    )


def test_periodic_images(features: GaussianMultipoles) -> None:
    atoms = structure()
    expected = evaluate(atoms, features)
    moved = atoms.copy()
    moved.positions += np.random.default_rng(0).integers(-2, 3, (len(atoms), 3)) @ atoms.cell.array
    assert_equal_by_feature(evaluate(moved, features), expected, 1e-10)
    assert_equal_by_feature(evaluate(atoms.repeat((2, 1, 1)), features), expected.repeat(2, 1), 1e-10)


# Derivatives


def test_forces_by_finite_differences() -> None:
    features = features_of()
    atoms = structure(periodic=False)
    batch = frame_to_batch(atoms, CUTOFF)
    weights = torch.randn(
        len(atoms), features.n_features, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    weights = weights / features(batch.geometry()).abs().amax(0)
    gradient = features.vjp(batch.geometry(), weights)  # (n_pairs, 3)
    positions_gradient = torch.zeros(len(atoms), 3, dtype=torch.float64)
    positions_gradient.index_add_(0, batch.pair_j, gradient).index_add_(0, batch.pair_i, -gradient)
    step = 1e-4
    for atom in range(3):
        for axis in range(3):
            energies = []
            for displacement in (step, -step):
                moved = atoms.copy()
                moved.positions[atom, axis] += displacement
                energies.append(float((weights * evaluate(moved, features)).sum()))
            expected = (energies[0] - energies[1]) / (2 * step)
            assert float(positions_gradient[atom, axis]) == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_gradient_and_jacobian_equal_autograd(features: GaussianMultipoles, batch: Batch) -> None:
    vectors = batch.pair_vectors().requires_grad_()
    geometry = batch.geometry(vectors)
    values, state = features.forward_with_state(geometry)
    jacobian = features.jacobian(batch.geometry()).detach()
    assert jacobian.shape == (batch.n_pairs, 3, features.n_features)
    for feature in range(features.n_features):
        (expected,) = torch.autograd.grad(values[:, feature].sum(), vectors, retain_graph=True)
        atol = 1e-11 * float(expected.abs().max())
        torch.testing.assert_close(jacobian[..., feature], expected, rtol=1e-10, atol=atol)

    weights = torch.randn(values.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (expected,) = torch.autograd.grad((weights * values).sum(), vectors)
    atol = 1e-11 * float(expected.abs().max())
    for found in (
        features.vjp(batch.geometry(), weights),
        features.vjp(geometry, weights, state).detach(),
        torch.einsum("pxf,pf->px", jacobian, weights[batch.pair_i]),
    ):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("form", FORMS)
def test_twice_differentiable(form: str) -> None:
    features = features_of(form, orders=(-1, 0, 1, 2), widths=(0.6,), cutoff=3.5)
    vectors = torch.tensor([[0.9, 0.2, -0.4], [-0.5, 1.7, 0.6], [1.9, 0.3, 2.0]], dtype=torch.float64).requires_grad_()
    pairs = Geometry(torch.tensor([8, 1]), torch.tensor([1, 11, 17]), torch.tensor([0, 0, 1]), vectors)

    def scaled(x: Tensor) -> Tensor:
        return features(with_vectors(pairs, x)) / scale

    scale = features(pairs).detach().abs().amax(0)
    assert torch.autograd.gradcheck(scaled, (vectors,))
    assert torch.autograd.gradgradcheck(scaled, (vectors,), atol=1e-4)


def test_features_and_forces_are_continuous_at_the_cutoff() -> None:
    features = features_of()
    numbers, pair_i = torch.tensor([8]), torch.tensor([0, 0])
    companion = torch.tensor([[0.0, 1.1, 0.3]], dtype=torch.float64)
    alone = features(Geometry(numbers, torch.tensor([1]), pair_i[:1], companion))
    for gap, tolerance in ((1e-3, 1e-9), (-1e-9, 0.0)):
        far = torch.tensor([[CUTOFF - gap, 0.0, 0.0]], dtype=torch.float64)
        both = Geometry(numbers, torch.tensor([1, 17]), pair_i, torch.cat([companion, far]))
        assert (features(both) - alone).abs().max() <= tolerance * alone.abs().max()
        jacobian = features.jacobian(both)
        assert jacobian[1].abs().max() <= 1e4 * tolerance * jacobian[0].abs().max()


# Meaning


def test_order_minus_one_is_the_squared_density_at_the_centre() -> None:
    features = features_of("exact", orders=(-1,))
    r = torch.tensor([[0.0, 1.2, 0.9], [-1.4, 0.0, 0.1]], dtype=torch.float64)
    geometry = Geometry(torch.tensor([8]), torch.tensor([1, 17]), torch.tensor([0, 0]), r)
    density = features.densities[8](np.array(0.0))
    density += sum(features.densities[z](v.norm().numpy()) for z, v in zip((1, 17), r, strict=True))
    assert float(features(geometry)) == pytest.approx(float(density) ** 2, rel=1e-12)


def test_normalizations_differ_by_constants_of_the_probe() -> None:
    """Unit norm: the integral of (4 pi/(2n+1)) sum_m |A exp(-r^2/2s^2) S_nm|^2 with the paper's K_n divided out."""
    probe, paper = (features_of("exact", normalization=name, orders=(0, 1, 2, 3)) for name in ("probe", "paper"))
    geometry = frame_to_batch(structure(), CUTOFF).geometry()
    ratio = (paper(geometry) / probe(geometry)).mean(0).reshape(4, len(WIDTHS))
    r = np.linspace(0.0, 20.0, 200_001)
    for n, k_n in enumerate((1, 1, 6, 90)):
        for k, s in enumerate(WIDTHS):
            density = (np.exp(-(r**2) / (2 * s**2)) / (s * np.sqrt(2 * np.pi)) ** 3 * r**n) ** 2
            norm = np.trapezoid(4 * np.pi * r**2 * density, r)
            assert float(ratio[n, k]) == pytest.approx(k_n * norm, rel=1e-9)


def test_root() -> None:
    geometry = frame_to_batch(structure(), CUTOFF).geometry()
    squares, roots = features_of()(geometry), features_of("root")(geometry)
    torch.testing.assert_close(roots, (squares + 0.01).sqrt() - 0.1)


def test_spline_and_exact_agree() -> None:
    geometry = frame_to_batch(structure(), CUTOFF).geometry()
    assert_equal_by_feature(features_of()(geometry), features_of("exact")(geometry), 2e-8)


def test_number_of_features_does_not_depend_on_the_elements() -> None:
    few, many = features_of(elements=(1,)), features_of(elements=(1, 6, 7, 8, 11, 13, 17, 29, 79))
    assert few.n_features == many.n_features == len(few.feature_labels) == 1 + 5 * len(WIDTHS)
    geometry = Geometry(
        torch.tensor([1]), torch.tensor([1]), torch.tensor([0]), torch.tensor([[0.7, 0.2, 0.0]], dtype=torch.float64)
    )
    torch.testing.assert_close(few(geometry), many(geometry), rtol=1e-13, atol=0)
    assert few.feature_labels[:3] == ["density", "n=0 s=0.3", "n=0 s=0.7"]


# Edges


def test_no_neighbours_and_no_centres(features: GaussianMultipoles) -> None:
    none = torch.zeros(0, dtype=torch.int64)
    vectors = torch.zeros(0, 3, dtype=torch.float64, requires_grad=True)
    isolated = features(Geometry(torch.tensor([8, 1]), none, none, vectors))
    assert isolated.shape == (2, features.n_features)
    labels = np.array(features.feature_labels)
    spherical = torch.from_numpy(np.char.startswith(labels, "n=0") | (np.char.find(labels, "density") >= 0))
    assert (isolated[0, spherical] > 0).all()
    core = torch.from_numpy(np.char.find(labels, "core") >= 0)
    assert (isolated[1, spherical & ~core] > 0).all()  # hydrogen has no core
    assert not isolated[1, core].any()
    assert not isolated[:, ~spherical].any()
    (gradient,) = torch.autograd.grad(isolated.sum(), vectors, allow_unused=True, materialize_grads=True)
    assert gradient.shape == (0, 3)
    for centres in (torch.tensor([8, 1]), none):
        empty = Geometry(centres, none, none, vectors.detach())
        n = len(centres)
        assert features(empty).shape == (n, features.n_features)
        assert features.vjp(empty, torch.ones(n, features.n_features, dtype=torch.float64)).shape == (0, 3)
        assert features.jacobian(empty).shape == (0, 3, features.n_features)


def test_centre_without_neighbours_among_others(features: GaussianMultipoles, batch: Batch) -> None:
    geometry = batch.geometry()
    with_ghost = Geometry(
        torch.cat([geometry.centre_numbers, torch.tensor([17])]),
        geometry.neighbour_numbers,
        geometry.pair_i,
        geometry.pair_vectors,
    )
    assert_equal_by_feature(features(with_ghost)[:-1], features(geometry), 1e-13)


def test_single_precision(features: GaussianMultipoles, batch: Batch) -> None:
    geometry = batch.geometry()
    expected, single = features(geometry), batch.geometry(geometry.pair_vectors.float())
    found, state = features.forward_with_state(single)
    assert found.dtype == torch.float32
    assert_equal_by_feature(found.double(), expected, 1e-4)
    weights = torch.ones_like(expected) / expected.abs().amax(0)
    gradient = features.vjp(single, weights.float(), state)
    assert gradient.dtype == torch.float32
    reference = features.vjp(geometry, weights)
    assert (gradient - reference).abs().max() < 1e-4 * reference.abs().max()
    assert features.jacobian(single).dtype == torch.float32


def test_nothing_to_learn_and_nothing_to_store() -> None:
    assert not list(features_of().parameters())
    assert not features_of().state_dict()


# What users get wrong


def test_element_that_was_not_announced() -> None:
    features = features_of()
    vector = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64)
    zero = torch.tensor([0])
    for centre, neighbour in ((6, 8), (8, 6)):
        with pytest.raises(InputError, match=r"an atom of C \(Z = 6\).*H O Na Cl"):
            features(Geometry(torch.tensor([centre]), torch.tensor([neighbour]), zero, vector))


@pytest.mark.parametrize(
    "vector", [[0.0, 0.0, 0.0], [5e-4, 0.0, 0.0], [float("nan"), 0.0, 1.0], [0.0, float("inf"), 0.0]], ids=str
)
def test_atoms_at_one_place_or_at_none(vector: list[float]) -> None:
    vectors = torch.tensor([[1.0, 0.0, 0.0], vector], dtype=torch.float64)
    wrong = Geometry(torch.tensor([1, 8]), torch.tensor([1, 17]), torch.tensor([0, 1]), vectors)
    with pytest.raises(InputError, match=r"atom 1 has a neighbour at .* three finite numbers and a distance of at"):
        features_of()(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"widths": (0.0, 0.5)}, "widths of the features: expected one or more different lengths above 0"),
        ({"widths": (-0.5,)}, "above 0"),
        ({"widths": (float("nan"),)}, "above 0"),
        ({"widths": (0.5, 0.5)}, "different lengths"),
        ({"widths": ()}, "one or more"),
        ({"orders": (0, 10)}, "integers from -1 to 9, found \\[0, 10\\]"),
        ({"orders": (0, 0)}, "different integers"),
        ({"orders": ()}, "different integers"),
        ({"orders": (0.5,)}, "different integers"),
        ({"cutoff": 0.0}, "cutoff of the features: expected a positive length"),
        ({"taper_width": 5.0}, "taper_width"),
        ({"elements": ()}, "different atomic numbers"),
        ({"elements": (1, 200)}, "no element 200"),
        ({"table": "gth-pbx"}, "did you mean 'gth-pbe'"),
        ({"normalization": "papr"}, "did you mean 'paper'"),
        ({"radial": "splin"}, "did you mean 'spline'"),
        ({"root_offset": -1.0}, "root_offset"),
        ({"third_order": "diagonl"}, "did you mean 'diagonal'"),
        ({"third_order": "diagonal", "orders": (0, 1)}, r"at least 1 and 2, found \[0, 1\]; raise the highest order"),
        ({"third_order": "diagonal", "root_offset": 0.1}, "products of three moments .* have no root"),
    ],
)
def test_settings_that_make_no_sense(changes: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        features_of(**changes)


# Channels and products


def test_products_hold_the_squares_and_one_another() -> None:
    geometry = frame_to_batch(structure(), CUTOFF).geometry()
    all_pairs = features_of(channels=("valence", "count"), products="all", orders=(1, 2))
    squares = features_of(channels=("valence", "count"), orders=(1, 2))
    values = dict(zip(all_pairs.feature_labels, all_pairs(geometry).T, strict=True))
    for label, square in zip(squares.feature_labels, squares(geometry).T, strict=True):
        torch.testing.assert_close(values[label], square, rtol=1e-12, atol=0)
    n_probes = 2 * len(WIDTHS)
    assert all_pairs.n_features == 2 * n_probes * (n_probes + 1) // 2
    # Cauchy-Schwarz: a product of two multipoles is at most that of their lengths.
    for label, value in values.items():
        if " x " in label:
            first, second = label.split(" x ")
            assert (value**2 <= values[first] * values[second] * (1 + 1e-10)).all()


def test_the_count_channel_does_not_see_elements() -> None:
    atoms = structure()
    other = atoms.copy()
    other.numbers[:] = 8
    count = features_of(channels=("count",), products="all")
    torch.testing.assert_close(evaluate(atoms, count), evaluate(other, count), rtol=1e-13, atol=0)


def test_the_core_channel_integrates_to_the_core_electrons() -> None:
    features = features_of(elements=(1, 2, 6, 11, 17, 79))
    core = channel_densities("core", features.densities)
    assert [core[z].n_electrons for z in features.elements] == pytest.approx([0, 0, 2, 2, 10, 68])
    atoms = Atoms("HHe", positions=[[0, 0, 0], [0.3, 0.8, 0.0]])
    alone = features_of(elements=(1, 2), channels=("core",), products="all", third_order="channels")
    assert not evaluate(atoms, alone).any()


def test_third_order_features_follow_the_others() -> None:
    plain, more = features_of("channels"), features_of("channels", third_order="diagonal")
    geometry = frame_to_batch(structure(), CUTOFF).geometry()
    n = plain.n_features
    assert torch.equal(more(geometry)[:, :n], plain(geometry))
    assert more.feature_labels[:n] == plain.feature_labels
    assert more.triple_block == slice(n, n + 4 * 4)  # 4 couplings of the orders 1, 2, 3, and 4 probes
    assert more.feature_labels[n] == "n=1,1,2 valence s=0.3"
    assert features_of("channels", third_order="channels").feature_labels[n + 1] == (
        "n=1,1,2 valence s=0.3 x valence s=0.3 x count s=0.3"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"channels": ("valenze",)}, "did you mean 'valence'"),
        ({"channels": ("count", "count")}, "different names"),
        ({"products": "al"}, "did you mean 'all'"),
        ({"products": "all", "root_offset": 0.1}, "only squares"),
    ],
)
def test_wrong_channels(changes, message) -> None:
    with pytest.raises(InputError, match=message):
        features_of(**changes)
