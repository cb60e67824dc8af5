"""Born effective charges Z*_ab = dM_a/dr_b of atoms whose charges follow their surroundings, M the dipole moment.

shift:       the moment of a molecule is sum_k f_k (r_k - centre) + Q centre, f the charges before they are shifted. In
             a periodic structure the evenly spread shift has no moment, and charges that change count from the atom
             that moves.
increments:  M = sum_i q0_i r_i - 1/2 sum_p w_p (c_j - c_i) r_p, in crystals as in molecules (neutrality.py).

They are the change of forces with a uniform field, too, dF_b/dE_a, which is how those of induced dipoles are found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from mliap_hybrid.model.heads import HeadsOfGeometry
from mliap_hybrid.model.neutrality import Increments
from mliap_hybrid.model.parameters import PredictedParameter
from mliap_hybrid.structure import Batch, Geometry

STEP = 0.1
"""V/Å, of differences."""


def born_charges(
    charge: PredictedParameter,
    geometry: Geometry,
    positions: Tensor,
    periodic: Tensor,
    species: Tensor,
    heads: HeadsOfGeometry,
) -> Tensor:
    """Z* of each atom, differentiable in the weights of the head where it carries a graph.

    Parameters
    ----------
    charge : PredictedParameter
    geometry : Geometry
        Of whole structures.
    positions : Tensor, shape (n_atoms, 3), Å
    periodic : Tensor, shape (n_structures,), bool
        Whether a structure is periodic in any direction.
    species : Tensor, shape (n_atoms,), int64
    heads : HeadsOfGeometry
        Of the geometry.

    Returns
    -------
    Tensor, shape (n_atoms, 3, 3), e
    """
    head = heads.values[charge.name]  # (n_atoms,)
    charges, _ = charge(geometry, species, head)  # (n_atoms,)
    start = charge.start.to(head.dtype).index_select(0, species)  # (n_atoms,)
    charge_gradients = heads.pair_gradients(
        {charge.name: charge.bound.derivatives(start, head)}
    )  # (n_pairs, 3): dc_i/dr_p
    if isinstance(charge.neutrality, Increments):
        changes = charge.bound.changes(start, head)  # (n_atoms,)
        return _of_increments(charge.neutrality, geometry, charges, changes, charge_gradients)
    return _of_shift(geometry, charges, charge_gradients, positions, periodic)


def born_charges_by_field(batch: Batch, forces: Callable[[Batch], Tensor]) -> Tensor:
    """Z*_ab = dF_b/dE_a of each atom (n_atoms, 3, 3), e, by central differences.

    These are exact: induced dipoles are linear in the field, and the energy quadratic.

    Parameters
    ----------
    batch : Batch
    forces : callable
        Batch, in a field -> forces (n_atoms, 3), eV/Å.
    """
    field = batch.positions.new_zeros(batch.n_structures, 3) if batch.electric_fields is None else batch.electric_fields

    def slope(direction: Tensor) -> Tensor:  # (3,) -> (n_atoms, 3)
        up, down = (
            forces(replace(batch, electric_fields=field + step)) for step in (STEP * direction, -STEP * direction)
        )
        return (up - down) / (2.0 * STEP)

    return torch.stack([slope(direction) for direction in torch.eye(3, dtype=field.dtype, device=field.device)], dim=1)


def _of_increments(
    increments: Increments, geometry: Geometry, charges: Tensor, changes: Tensor, charge_gradients: Tensor
) -> Tensor:
    vectors = geometry.pair_vectors.to(charges.dtype)  # (n_pairs, 3)
    weights, weight_gradients = increments.window(vectors)  # (n_pairs,), (n_pairs, 3)
    arms = torch.zeros_like(vectors[:0]).new_zeros(len(charges), 3)
    arms = arms.index_add(0, geometry.pair_i, weights[:, None] * vectors)  # (n_atoms, 3): dM/dc
    of_neighbours = geometry.communication.to_neighbours(changes)  # (n_pairs,)
    taken = (of_neighbours - changes[geometry.pair_i])[:, None] * weight_gradients  # (n_pairs, 3)
    of_pairs = (
        arms[geometry.pair_i, :, None] * charge_gradients[:, None, :] - 0.5 * vectors[:, :, None] * taken[:, None, :]
    )
    return _rigid(charges) + _over_atoms(of_pairs, geometry)


def _of_shift(
    geometry: Geometry, charges: Tensor, charge_gradients: Tensor, positions: Tensor, periodic: Tensor
) -> Tensor:
    communication, pair_i = geometry.communication, geometry.pair_i
    counts = communication.sum(torch.ones_like(charges))  # (n_structures,)
    centres = communication.sum(positions) / counts[:, None]  # (n_structures, 3): means of the positions
    arms = positions - communication.to_centres(centres)  # (n_atoms, 3): dM/df_i of a molecule
    in_crystal = communication.to_centres(periodic)[pair_i][:, None, None]  # (n_pairs, 1, 1)
    of_molecules = arms[pair_i, :, None] * charge_gradients[:, None, :]  # (n_pairs, 3, 3)
    of_crystals = -geometry.pair_vectors.to(charges.dtype)[:, :, None] * charge_gradients[:, None, :]  # r_i - r_j
    born = _rigid(charges) + _over_atoms(of_molecules * ~in_crystal, geometry)
    return born + _over_neighbours(of_crystals * in_crystal, geometry)


def _over_atoms(of_pairs: Tensor, geometry: Geometry) -> Tensor:
    """d/dr_i (n_atoms, ...) of what changes by `of_pairs` (n_pairs, ...) with r_p = r_j - r_i: + on j, - on i."""
    return _over_neighbours(of_pairs, geometry).index_add(0, geometry.pair_i, -of_pairs)


def _over_neighbours(of_pairs: Tensor, geometry: Geometry) -> Tensor:
    """Sums (n_atoms, ...) of what pairs say (n_pairs, ...) of their neighbours."""
    assert geometry.pair_j is not None
    sums = of_pairs.new_zeros((geometry.n_centres, *of_pairs.shape[1:]))
    return sums.index_add(0, geometry.pair_j, of_pairs)


def _rigid(charges: Tensor) -> Tensor:
    """q_i times the unit matrix (n_atoms, 3, 3): Born charges of atoms that carry their charges along."""
    return charges[:, None, None] * torch.eye(3, dtype=charges.dtype, device=charges.device)
