"""Energies, forces and virials of a model for whole structures: one place for all derivatives.

With the pair vectors r_p = r_j - r_i and g_p = dE/dr_p of the local energies,

    f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p,

which is the path that a run in LAMMPS takes, too. The long-range term brings its own derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.models.hybrid import HybridModel
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.structure import Batch


@dataclass(frozen=True)
class Prediction:
    """What a model says of a batch."""

    energies: Tensor
    """(n_structures,) float64, eV."""
    forces: Tensor
    """(n_atoms, 3) float64, eV/Å."""
    virials: Tensor
    """(n_structures, 3, 3) float64, eV: -dE/d(strain)."""


def predict(model: HybridModel, batch: Batch) -> Prediction:
    """Energies, forces and virials of all structures, in the precision of the batch.

    Parameters
    ----------
    model : HybridModel
    batch : Batch
        With all pairs up to the model's cutoff.

    Returns
    -------
    Prediction
    """
    with torch.enable_grad():
        vectors = batch.pair_vectors().detach().requires_grad_()  # (n_pairs, 3)
        atomic = model.atomic_energies(batch.environments(vectors))  # (n_atoms,)
        (gradients,) = torch.autograd.grad(atomic.sum(), vectors, allow_unused=True, materialize_grads=True)
    prediction = assemble(batch, atomic.detach(), gradients)
    return add_long_range(model, batch, prediction)


def assemble(
    batch: Batch, atomic_energies: Tensor, pair_gradients: Tensor, pair_vectors: Tensor | None = None
) -> Prediction:
    """Collect local energies and pair gradients into structures.

    Parameters
    ----------
    batch : Batch
    atomic_energies : Tensor, shape (n_atoms,), eV
    pair_gradients : Tensor, shape (n_pairs, 3), eV/Å
        g_p = dE/dr_p.
    pair_vectors : Tensor, shape (n_pairs, 3), Å, optional
        r_p, if the caller has them; the batch's own.

    Returns
    -------
    Prediction
    """
    forces = torch.zeros_like(batch.positions)  # (n_atoms, 3)
    forces = forces.index_add(0, batch.pair_i, pair_gradients).index_add(0, batch.pair_j, -pair_gradients)
    structure_of_pair = batch.structure_of_atom.index_select(0, batch.pair_i)  # (n_pairs,), ascending
    n_pairs = torch.bincount(structure_of_pair, minlength=batch.n_structures).tolist()  # of each structure
    vectors = batch.pair_vectors() if pair_vectors is None else pair_vectors  # (n_pairs, 3)
    pairs = zip(vectors.split(n_pairs), pair_gradients.split(n_pairs), strict=True)
    virials = torch.stack([-r.T @ g for r, g in pairs])  # (n_structures, 3, 3)
    return Prediction(batch.sum_over_structures(atomic_energies), forces, virials)


def add_long_range(model: HybridModel, batch: Batch, local: Prediction) -> Prediction:
    """The prediction of the local terms and the long-range term together; the former alone without charges."""
    if model.charges is None:
        return local
    long_range = gaussian_charge_energy(batch, model.charges[batch.numbers], model.smearing)
    return Prediction(
        energies=local.energies + long_range.energies,
        forces=local.forces + long_range.forces,
        virials=local.virials + long_range.virials,
    )
