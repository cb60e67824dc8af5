"""Network energies and gradients of the compiled kernels against the torch model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.features.gmp import GaussianMultipoles
from mliap_hybrid.kernels.library import instruction_sets
from mliap_hybrid.kernels.native_backend import NativeBackend
from mliap_hybrid.model.atomic_network import AtomicNetwork
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.model.native import backend_of, network_weights
from mliap_hybrid.model.terms.standard import standard_model
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.model_files.folding import fold_whitening_into_networks
from mliap_hybrid.structure import Batch
from mliap_hybrid.testing.definition import predict_by_definition
from mliap_hybrid.testing.structures import TRICLINIC_CELL, random_structure

CPU = torch.device("cpu")
STRUCTURE = random_structure(21, ["O", "C", "H", "H"], TRICLINIC_CELL, seed=2, closest=1.3)


def random_model(hidden: tuple[int, ...], whitened: bool = True, seed: int = 5) -> HybridModel:
    """A network with random weights of every kind, on features of C, H and O."""
    features = GaussianMultipoles(
        (0, 1, 2, 3),
        (0.4, 0.9),
        4.0,
        (1, 6, 8),
        channels=("valence", "count"),
        products="all",
        third_order="diagonal",
    )
    samples = features(frame_to_batch(STRUCTURE, 4.0).geometry())
    whitening = Whitening.fit(samples, damping=1e-2)
    random = torch.Generator().manual_seed(seed)
    network = AtomicNetwork(whitening.matrix.shape[1], hidden, 3).double()
    for parameter in network.parameters():
        parameter.data = torch.randn(parameter.shape, generator=random, dtype=torch.float64) * 0.3
    model = standard_model(features, dict.fromkeys((1, 6, 8), 0.0), network, whitening=whitening).double()
    return model if whitened else fold_whitening_into_networks(model)


def energies_and_gradients(model: HybridModel, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Energies of the network (n_atoms,), with a graph, and their gradient by the pair vectors (n_pairs, 3)."""
    vectors = batch.pair_vectors().requires_grad_()
    inputs = model.network_inputs(model.features(batch.geometry(vectors)), torch.zeros(batch.n_atoms))
    energies = model.heads["energy"](inputs, model.species(batch.numbers))
    (gradients,) = torch.autograd.grad(energies.sum(), vectors)
    return energies, gradients


@pytest.mark.parametrize("instruction_set", instruction_sets())
@pytest.mark.parametrize("hidden", [(), (5,), (17, 8), (64, 64), (9, 3, 21)])
@pytest.mark.parametrize("whitened", [True, False])
def test_energies_and_gradients(hidden, whitened, instruction_set):
    model = random_model(hidden, whitened)
    batch = frame_to_batch(STRUCTURE, 4.0)
    expected, gradients = energies_and_gradients(model, batch)
    native = NativeBackend(model.features, [network_weights(model)], instruction_set=instruction_set)
    energies, found = native.heads_and_mean_gradient(batch.geometry())
    assert torch.allclose(energies[0], expected, rtol=1e-12, atol=1e-12)
    assert (found - gradients).abs().max() < 1e-11 * gradients.abs().max()


@pytest.mark.parametrize("instruction_set", instruction_sets())
def test_single_precision(instruction_set):
    model = random_model((64, 64))
    batch = frame_to_batch(STRUCTURE, 4.0)
    expected, gradients = energies_and_gradients(model, batch)
    native = NativeBackend(
        model.features, [network_weights(model)], dtype=torch.float32, instruction_set=instruction_set
    )
    energies, found = native.heads_and_mean_gradient(batch.geometry())
    assert (energies[0] - expected).abs().max() < 1e-4 * expected.abs().max()
    assert (found - gradients).square().mean().sqrt() < 1e-4 * gradients.square().mean().sqrt()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("instruction_set", instruction_sets())
def test_several_networks_in_one_pass(instruction_set, dtype):
    models = [random_model(hidden, seed=seed) for seed, hidden in enumerate([(17, 8), (), (64, 64)])]
    geometry = frame_to_batch(STRUCTURE, 4.0).geometry()

    def native(of_models: list[HybridModel], n_threads: int = 1) -> NativeBackend:
        weights = [network_weights(model) for model in of_models]
        return NativeBackend(
            models[0].features, weights, dtype=dtype, instruction_set=instruction_set, n_threads=n_threads
        )

    alone = [native([model]).heads_and_mean_gradient(geometry) for model in models]
    for n_threads in (1, 3):
        energies, gradients = native(models, n_threads).heads_and_gradients(geometry)
        for (energy, gradient), expected in zip(zip(energies, gradients, strict=True), alone, strict=True):
            assert torch.equal(energy, expected[0][0])
            assert torch.equal(gradient, expected[1])
        same_energies, of_mean = native(models, n_threads).heads_and_mean_gradient(geometry)
        assert torch.equal(same_energies, energies)
        limit = (1e-12 if dtype == torch.float64 else 1e-4) * gradients.abs().max()
        assert (of_mean - gradients.mean(0)).abs().max() < limit


def test_nothing_of_an_earlier_call_is_left():
    # 50 features fill no whole vectors, and a network of NaN leaves NaN in the scratch memory.
    model = random_model((5,))
    broken = network_weights(model)
    broken = replace(broken, shift=torch.full_like(broken.shift, torch.nan))
    geometry = frame_to_batch(STRUCTURE, 4.0).geometry()
    for dtype in (torch.float64, torch.float32):
        NativeBackend(model.features, [broken], dtype=dtype).heads_and_gradients(geometry)
        energies, gradients = backend_of(model, CPU, dtype).heads_and_gradients(geometry)
        assert torch.isfinite(energies).all()
        assert torch.isfinite(gradients).all()


def test_far_from_the_data_the_network_stays_finite():
    # Features a thousand times those of the training: exp(x) of the activation must not overflow.
    model = random_model((8, 8))
    for layer in model.heads["energy"].networks[0].layers:
        layer.weight.data *= 1e3
    batch = frame_to_batch(STRUCTURE, 4.0)
    for dtype in (torch.float64, torch.float32):
        energies, gradients = backend_of(model, CPU, dtype).heads_and_mean_gradient(batch.geometry())
        assert torch.isfinite(energies).all()
        assert torch.isfinite(gradients).all()


def test_networks_with_more_layers_than_the_kernels_take_run_on_torch():
    model = random_model((3,) * 16)
    assert Evaluator(model).backend.n_heads == 0
    assert backend_of(random_model((3,) * 15), CPU).n_heads == 1
    batch = frame_to_batch(STRUCTURE, 4.0)
    deep = random_model((3,) * 15)
    expected = predict_by_definition(deep, batch).forces
    assert torch.allclose(Evaluator(deep).predict(batch).forces, expected, atol=1e-12)
