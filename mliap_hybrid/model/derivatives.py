"""Energies, forces and virials of a model for whole structures: one place for all derivatives.

With the pair vectors r_p = r_j - r_i and g_p = dE/dr_p of the local energies,

    f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p,

which is the path that a run in LAMMPS takes, too. The long-range term brings its own derivatives at fixed charges.
Where the charges are predicted, g_p gets their part, sum_i phi_i dq_i/dr_p with the potentials phi_i = dE/dq_i. Where
forces are direct, a second network stands for the network's part of the gradient (direct_forces.py).
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.charge_model import charged_atoms
from mliap_hybrid.model.hybrid import HybridModel
from mliap_hybrid.physics.ewald import gaussian_charge_energy
from mliap_hybrid.physics.ewald_result import GaussianChargeResult
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry


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
    totals = batch.total_charges[batch.structure_of_atom]  # (n_atoms,)
    with torch.enable_grad():
        vectors = batch.pair_vectors().detach().requires_grad_()  # (n_pairs, 3)
        geometry = batch.geometry(vectors)
        atomic = model.atomic_energies(geometry, totals)  # (n_atoms,)
        of_forces = atomic if model.is_conservative else _surrogate(model, geometry)  # (n_atoms,)
        outputs, weights = [of_forces], [torch.ones_like(atomic)]
        charges = _charges(model, batch, geometry, totals)
        long_range = None
        if charges is not None:
            long_range = gaussian_charge_energy(batch, charges.detach(), model.smearing)
            if model.charge_model is not None:
                outputs, weights = [*outputs, charges], [*weights, long_range.potentials]
        (gradients,) = torch.autograd.grad(outputs, vectors, weights, allow_unused=True, materialize_grads=True)
    local = assemble(batch, atomic.detach(), gradients)
    if charges is None or long_range is None:
        return local
    return add_long_range(local, charges.detach(), long_range)


def _surrogate(model: HybridModel, geometry: Geometry) -> Tensor:
    """Numbers (n_atoms,), eV, whose gradient is that of direct forces, because the slopes count as constants in it."""
    features = model.features(geometry)  # (n_atoms, n_features)
    slopes = model.feature_slopes(features, geometry.centre_numbers).detach()  # (n_atoms, n_features)
    return model.explicit_energies(geometry) + (slopes * features).sum(1)


def _charges(model: HybridModel, batch: Batch, geometry: Geometry, totals: Tensor) -> Tensor | None:
    """Charges (n_atoms,) of all atoms, differentiable in the pair vectors where predicted."""
    if model.charge_model is None:
        return None if model.charges is None else model.charges[batch.numbers]
    raw = model.raw_charges(model.features(geometry), batch.numbers, totals)  # (n_atoms,)
    atoms = charged_atoms(batch, model.rows[batch.numbers], geometry.pair_vectors)
    return model.charge_model.charges(raw, atoms)


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


def add_long_range(local: Prediction, charges: Tensor, long_range: GaussianChargeResult) -> Prediction:
    """The prediction of the local terms and the long-range term of the charges (n_atoms,) together."""
    return Prediction(
        energies=local.energies + long_range.energies,
        forces=local.forces + long_range.forces,
        virials=local.virials + long_range.virials,
        charges=charges,
        potentials=long_range.potentials,
    )
