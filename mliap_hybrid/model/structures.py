"""From atoms and pairs to structures: energies, forces and virials.

With the pair vectors r_p = r_j - r_i and g_p = dE/dr_p,

    f_i = sum over pairs of i of g_p - sum over pairs to i of g_p,      W = -sum_p r_p (x) g_p,

which is the path that a run in LAMMPS takes, too. What does not follow from pair vectors, of long-range terms, comes on
top.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.model.sum_of_terms import Total
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch, Geometry


def prediction_of(batch: Batch, geometry: Geometry, total: Total) -> Prediction:
    """What a model says of structures.

    Parameters
    ----------
    batch : Batch
    geometry : Geometry
        Of the batch.
    total : Total
        Of the geometry.
    """
    forces, virials = forces_and_virials(batch, geometry.pair_vectors, total.pair_gradients)
    energies = batch.sum_over_structures(total.energies)
    return Prediction(
        energies=energies if total.structure_energies is None else energies + total.structure_energies,
        forces=forces if total.forces is None else forces + total.forces,
        virials=virials if total.virials is None else virials + total.virials,
        charges=total.parameters.get("charge"),
        potentials=total.parameter_gradients.get("charge"),
    )


def forces_and_virials(batch: Batch, pair_vectors: Tensor, pair_gradients: Tensor) -> tuple[Tensor, Tensor]:
    """Forces (n_atoms, 3), eV/Å, and virials (n_structures, 3, 3), eV, from r_p and dE/dr_p (n_pairs, 3) each."""
    forces = torch.zeros_like(batch.positions)  # (n_atoms, 3)
    forces = forces.index_add(0, batch.pair_i, pair_gradients).index_add(0, batch.pair_j, -pair_gradients)
    structure_of_pair = batch.structure_of_atom.index_select(0, batch.pair_i)  # (n_pairs,), ascending
    n_pairs = torch.bincount(structure_of_pair, minlength=batch.n_structures).tolist()  # of each structure
    pairs = zip(pair_vectors.split(n_pairs), pair_gradients.split(n_pairs), strict=True)
    return forces, torch.stack([-r.T @ g for r, g in pairs])
