"""GMP features: what all features have to pass, in all forms, what they mean, and settings that make no sense."""

import numpy as np
import pytest
import torch
from ase import Atoms
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.errors import InputError
from mliap_hybrid.features.density import channel_densities
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.structure import Geometry
from mliap_hybrid.testing.featuriser_tests import FeaturiserTests, assert_equal_by_feature
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


@pytest.fixture(scope="module", params=FORMS)
def features(request: pytest.FixtureRequest) -> GaussianMultipoles:
    return features_of(request.param)


class TestGaussianMultipoles(FeaturiserTests):
    @pytest.fixture(autouse=True, params=FORMS)
    def _choose(self, request):
        self.form = request.param

    def featuriser(self):
        return features_of(self.form)

    def is_smooth(self):
        return FORMS[self.form].get("taper_width") != 0.0


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


def test_a_centre_alone_sees_its_own_density(features: GaussianMultipoles) -> None:
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


# What users get wrong


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
