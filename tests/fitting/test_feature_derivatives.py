"""Derivatives of features as a linear map: stored or applied by the kernels, they are those of the features."""

import pytest
import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.fitting.feature_derivatives import KernelDerivatives, StoredDerivatives
from mliap_hybrid.fitting.training_frames import join_frames
from mliap_hybrid.runs.preparation import prepare
from mliap_hybrid.testing.labelled import labelled_frames, small_settings
from mliap_hybrid.testing.training_frames import in_double


def pass_on(items, what):
    return items


@pytest.fixture
def both(tmp_path, monkeypatch):
    """Batch, features and whitening of two frames, and the frames with both kinds of derivatives."""
    settings = small_settings(tmp_path, network={"hidden": [8], "whitening_damping": 1e-5})
    batches = [frame_to_batch(atoms, settings.features.cutoff, settings.data.keys) for atoms in labelled_frames(3)]
    by_kernels = prepare(settings, batches[:2], batches[2:], pass_on)
    monkeypatch.setattr("mliap_hybrid.runs.preparation.stores_derivatives", lambda _: True)
    stored = prepare(settings, batches[:2], batches[2:], pass_on, by_kernels.initial_fit)
    return batches[:2], by_kernels, stored


def test_both_kinds_are_the_derivatives_of_the_features(both):
    batches, by_kernels, stored = both
    assert isinstance(by_kernels.training[0].derivatives, KernelDerivatives)
    assert isinstance(stored.training[0].derivatives, StoredDerivatives)
    frames = in_double(join_frames(by_kernels.training)), in_double(join_frames(stored.training))
    feature_gradients = torch.randn(
        frames[0].features.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)
    )
    expected = []
    for batch, of_frame in zip(batches, feature_gradients.split([batch.n_atoms for batch in batches]), strict=True):
        vectors = batch.pair_vectors().requires_grad_()
        features = by_kernels.initial_fit.whitening(by_kernels.features(batch.geometry(vectors)))
        expected.append(torch.autograd.grad((features * of_frame).sum(), vectors)[0])
    size = float(torch.cat(expected).abs().max())
    for which, tolerance in zip(frames, (1e-10, 1e-5), strict=True):  # stored ones are float32
        found = which.derivatives.pair_gradients(which, feature_gradients)
        torch.testing.assert_close(found, torch.cat(expected), rtol=0, atol=tolerance * size)


def test_the_way_back_is_the_transpose(both):
    _, by_kernels, stored = both
    random = torch.Generator().manual_seed(1)
    for inputs in (by_kernels, stored):
        frames = in_double(join_frames(inputs.training))
        feature_gradients = torch.randn(frames.features.shape, dtype=torch.float64, generator=random).requires_grad_()
        displacements = torch.randn(frames.pair_vectors.shape, dtype=torch.float64, generator=random)
        product = (frames.derivatives.pair_gradients(frames, feature_gradients) * displacements).sum()
        (by_gradients,) = torch.autograd.grad(product, feature_gradients)
        assert float((by_gradients * feature_gradients).sum()) == pytest.approx(float(product), rel=1e-12)


def test_kinds_do_not_mix(both):
    _, by_kernels, stored = both
    with pytest.raises(ValueError, match="expected derivatives that are stored"):
        join_frames([stored.training[0], by_kernels.training[0]])
