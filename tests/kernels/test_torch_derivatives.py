"""Second derivatives of features by the torch back end: against differences along one direction."""

import pytest
import torch
from torch import Tensor

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.acsf import default_symmetry_functions
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.torch_backend import TorchBackend
from mliap_hybrid.testing.finite_differences import relative_difference
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

ELEMENTS, CUTOFF, STEP = (11, 17), 4.5, 1e-5
FEATURES = {
    "multipoles": GaussianMultipoles((0, 1, 2), (0.5, 1.0), CUTOFF, ELEMENTS),
    "symmetry functions": default_symmetry_functions(ELEMENTS, CUTOFF),
}


@pytest.fixture(params=FEATURES)
def backend(request) -> TorchBackend:
    return TorchBackend(FEATURES[request.param])


@pytest.fixture(scope="module")
def batch():
    return frame_to_batch(random_structure(6, ["Na", "Cl"], TRICLINIC_CELL, seed=4, closest=2.0), CUTOFF)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def difference(batch, function, displacements: Tensor) -> Tensor:
    """Change of a function of the geometry along displacements of the pair vectors."""
    vectors = batch.pair_vectors()
    ends = [function(batch.geometry(vectors + sign * STEP * displacements)) for sign in (1.0, -1.0)]
    return (ends[0] - ends[1]) / (2.0 * STEP)


def test_jvp_is_the_change_of_the_features(backend, batch):
    displacements = normal(batch.n_pairs, 3, seed=0)
    found = backend.jvp(batch.geometry(), displacements)
    assert relative_difference(found, difference(batch, backend.forward, displacements)) < 1e-6


def test_hvp_is_the_change_of_the_gradient(backend, batch):
    displacements, weights = normal(batch.n_pairs, 3, seed=0), normal(batch.n_atoms, backend.n_features, seed=1)
    found = backend.hvp(batch.geometry(), weights, displacements)
    expected = difference(batch, lambda geometry: backend.vjp(geometry, weights), displacements)
    assert relative_difference(found, expected) < 1e-6
