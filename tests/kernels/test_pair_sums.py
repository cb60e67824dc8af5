"""Forces and virials from pair gradients: the derivatives of any energy of pairs, by positions and by strain."""

import torch

from mliap_hybrid.data.reading import frame_to_batch
from mliap_hybrid.kernels.pair_sums import NativePairSums
from mliap_hybrid.structure import join_batches
from mliap_hybrid.testing.labelled import labelled_frames

CUTOFF = 4.0


def frames():
    return join_batches([frame_to_batch(atoms, CUTOFF) for atoms in labelled_frames(3)])


def sums_of(batch):
    return NativePairSums(batch.pair_i, batch.pair_j, batch.pair_vectors(), batch.structure_of_atom, batch.n_structures)


def energies(batch, vectors):
    """(n_frames,) of a pair potential that pulls."""
    of_pairs = torch.exp(-vectors.norm(dim=1)) * vectors[:, 0].cos()
    return batch.sum_over_structures(torch.zeros(batch.n_atoms).double().index_add(0, batch.pair_i, of_pairs))


def test_they_are_derivatives_of_the_energy():
    batch = frames()
    positions = batch.positions.clone().requires_grad_()
    strain = torch.zeros(batch.n_structures, 3, 3, dtype=torch.float64, requires_grad=True)
    vectors = batch.pair_vectors(positions)
    strained = vectors + torch.einsum("pa,pab->pb", vectors, strain[batch.structure_of_atom[batch.pair_i]])
    total = energies(batch, strained).sum()
    by_positions, by_strain = torch.autograd.grad(total, [positions, strain])
    leaves = batch.pair_vectors().requires_grad_()
    (gradients,) = torch.autograd.grad(energies(batch, leaves).sum(), leaves)
    forces, virials = sums_of(batch)(gradients)
    torch.testing.assert_close(forces, -by_positions, rtol=0, atol=1e-13)
    torch.testing.assert_close(virials, -by_strain, rtol=0, atol=1e-12)


def test_gradient():
    batch = frames()
    gradients = torch.randn(batch.n_pairs, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    few = NativePairSums(
        batch.pair_i[:40], batch.pair_j[:40], batch.pair_vectors()[:40], batch.structure_of_atom, batch.n_structures
    )
    assert torch.autograd.gradcheck(few, gradients[:40].requires_grad_())


def test_single_precision():
    batch = frames()
    gradients = torch.randn(batch.n_pairs, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    sums = sums_of(batch)
    for single, exact in zip(sums(gradients.float()), sums(gradients), strict=True):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), exact, rtol=0, atol=1e-4)


def test_no_pairs():
    empty = torch.zeros(0, dtype=torch.int64)
    nothing = torch.zeros(0, 3, dtype=torch.float64)
    forces, virials = NativePairSums(empty, empty, nothing, torch.tensor([0, 0, 1]), 2)(nothing)
    assert torch.equal(forces, torch.zeros(3, 3).double())
    assert torch.equal(virials, torch.zeros(2, 3, 3).double())
