"""The named sets: their sizes, whatever the elements, and that all of them are invariant with exact derivatives."""

from typing import get_args

import numpy as np
import pytest
import torch
from ase import Atoms
from scipy.spatial.transform import Rotation
from torch import Tensor

from mliap_hybrid.config import FeatureSettings
from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.features.sets import FEATURE_SETS, LEARNED_SETS
from mliap_hybrid.testing.finite_differences import forces_by_differences, relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

SIZES = {"gmp-classic": 16, "gmp-2c": 116, "gmp-2c3": 148, "gmp-3c3": 294, "gmp-3c3w": 438}
"""Number of features with the default widths and orders."""

ELEMENTS = ("C", "H", "O", "Na", "Si", "Cl", "Cu", "Au")

DEFAULTS = FeatureSettings()


def make(name: str, elements: tuple[int, ...] = (1, 6, 8, 17), radial: str = "spline") -> GaussianMultipoles:
    named = FEATURE_SETS[name]
    return GaussianMultipoles(
        range(DEFAULTS.max_order + 1),
        DEFAULTS.widths,
        DEFAULTS.cutoff,
        elements,
        channels=named.channels,
        products=named.products,
        third_order=named.third_order,
        radial=radial,
    )


def evaluate(features: GaussianMultipoles, atoms: Atoms) -> Tensor:
    return features(frame_to_batch(atoms, features.cutoff).geometry())


def largest_error(found: Tensor, expected: Tensor) -> float:
    """Each feature on its own scale, which differ by orders of magnitude."""
    return float(((found - expected).abs().amax(0) / expected.abs().amax(0)).max())


@pytest.fixture(scope="module", params=FEATURE_SETS)
def features(request: pytest.FixtureRequest) -> GaussianMultipoles:
    return make(request.param)


@pytest.fixture(scope="module")
def crystal() -> Atoms:
    return random_structure(12, ["C", "H", "O", "Cl"], TRICLINIC_CELL, seed=5, closest=1.1)


def test_a_training_file_may_name_every_set() -> None:
    assert set(get_args(FeatureSettings.model_fields["set"].annotation)) == {*FEATURE_SETS, *LEARNED_SETS, "acsf"}
    assert FEATURE_SETS.keys() == SIZES.keys()
    assert DEFAULTS.set == "gmp-2c3"


@pytest.mark.parametrize("name", FEATURE_SETS)
@pytest.mark.parametrize("n_elements", [1, 2, 3, 5, 8])
def test_the_dimension_does_not_depend_on_the_elements(name: str, n_elements: int) -> None:
    atoms = random_structure(n_elements, list(ELEMENTS[:n_elements]), None, seed=1)
    features = make(name, tuple(sorted(set(atoms.numbers.tolist()))))
    values = evaluate(features, atoms)
    assert values.shape == (n_elements, features.n_features) == (n_elements, SIZES[name])
    assert len(set(features.feature_labels)) == SIZES[name]
    assert torch.isfinite(values).all()


def test_invariances(features: GaussianMultipoles, crystal: Atoms) -> None:
    expected = evaluate(features, crystal)
    for matrix in (Rotation.random(random_state=1).as_matrix(), -np.eye(3), np.diag([1.0, 1.0, -1.0])):
        turned = Atoms(crystal.numbers, crystal.positions @ matrix.T, cell=crystal.cell.array @ matrix.T, pbc=True)
        assert largest_error(evaluate(features, turned), expected) < 1e-12
    shifted = crystal.copy()
    shifted.translate([0.3, -7.1, 2.2])
    assert largest_error(evaluate(features, shifted), expected) < 1e-12
    order = np.random.default_rng(0).permutation(len(crystal))
    assert largest_error(evaluate(features, crystal[order]), expected[order]) < 1e-12
    images = crystal.copy()
    images.positions += np.random.default_rng(0).integers(-2, 3, (len(crystal), 3)) @ crystal.cell.array
    assert largest_error(evaluate(features, images), expected) < 1e-12
    assert largest_error(evaluate(features, crystal.repeat((1, 2, 1))), expected.repeat(2, 1)) < 1e-12


def test_mirror_images_look_alike_but_not_other_structures(features: GaussianMultipoles) -> None:
    chiral = Atoms("CHOClH", positions=[[0, 0, 0], [0.6, 0.6, 0.6], [-0.9, -0.8, 0.8], [-1, 1, -1], [0.7, -0.6, -0.6]])
    mirrored = chiral.copy()
    mirrored.positions[:, 0] *= -1
    expected = evaluate(features, chiral)
    assert largest_error(evaluate(features, mirrored), expected) < 1e-12
    mirrored.positions[3, 0] += 0.1
    assert largest_error(evaluate(features, mirrored), expected) > 1e-3


@pytest.mark.parametrize("radial", ["spline", "exact"])
@pytest.mark.parametrize("name", FEATURE_SETS)
def test_forces_by_finite_differences(name: str, radial: str) -> None:
    features = make(name, radial=radial)
    atoms = random_structure(5, ["C", "H", "O", "Cl"], None, seed=2, closest=1.1)
    batch = frame_to_batch(atoms, features.cutoff)
    random = torch.Generator().manual_seed(0)
    weights = torch.randn(len(atoms), features.n_features, dtype=torch.float64, generator=random)
    weights = weights / features(batch.geometry()).abs().amax(0)

    def energy(positions: np.ndarray, cell: np.ndarray) -> float:
        return float((weights * evaluate(features, Atoms(atoms.numbers, positions))).sum())

    gradient = features.vjp(batch.geometry(), weights)  # (n_pairs, 3)
    jacobian = features.jacobian(batch.geometry())  # (n_pairs, 3, n_features)
    forces = torch.zeros(len(atoms), 3, dtype=torch.float64)
    forces.index_add_(0, batch.pair_j, -gradient).index_add_(0, batch.pair_i, gradient)
    expected = forces_by_differences(energy, atoms.positions, atoms.cell.array, step=1e-5)
    assert relative_difference(forces, expected) < 1e-7
    assert relative_difference(torch.einsum("pxf,pf->px", jacobian, weights[batch.pair_i]), gradient) < 1e-12
