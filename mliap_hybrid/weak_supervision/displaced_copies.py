"""What does not change, while the network is trained, at the displaced copies of a frame (consistency.py).

At a point P the network needs the whitened features x(P) of the atoms, and for the work along an edge PQ with the
displacement d their derivative x'(PQ) = sum_i d_i . dx/dr_i at P, since

    W(PQ) = -sum_i d_i . dE/dr_i = -sum_i dE_i/dx_i . x'_i(PQ).

These are as many numbers as there are features, so that copies take little memory beside the frames, whose derivatives
have one for each pair and direction. At A itself the forces are there. The second order needs x''(AC), too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import NamedTuple

import torch
from torch import Tensor

from mliap_hybrid.devices import on_device
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.raw_features import FeatureFunction
from mliap_hybrid.model.whitening import Whitening
from mliap_hybrid.neighbors import neighbor_pairs
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch
from mliap_hybrid.weak_supervision.consistency import Needs

Physics = Callable[[Batch], Prediction]
"""What the terms without trained parameters say of a structure."""

STEP = 0.01
"""Step of differences, in units of the displacement: of some 0.02 Å, so that errors are relative ones of 1e-6."""


@dataclass(frozen=True)
class DisplacedCopies:
    """Copies of one or more frames laid end to end, in float32; by point ("C") or edge ("BC")."""

    displacements: Mapping[str, Tensor]
    """Edge from A -> (n_atoms, 3), Å."""
    features: Mapping[str, Tensor]
    """Point other than A -> (n_atoms, n_kept): x, whitened."""
    first_derivatives: Mapping[str, Tensor]
    """Edge, from A only for the second order -> (n_atoms, n_kept): x'."""
    second_derivatives: Mapping[str, Tensor]
    """Edge of the second order -> (n_atoms, n_kept): x''."""
    fixed_energies: Mapping[str, Tensor]
    """Point other than A -> (n_frames,), eV: of the terms without trained parameters, minus that at A."""
    fixed_works: Mapping[str, Tensor]
    """Edge -> (n_frames,), eV: of their forces."""
    fixed_curvatures: Mapping[str, Tensor]
    """Edge of the second order -> (n_frames,), eV: of their energy."""
    unit_energies: Mapping[str, Tensor] = field(default_factory=dict)
    """Where charges are fitted, the same of the long-range term for unit products of charges (charge_products.py):
    point other than A -> (n_frames, n_products), eV/e^2."""
    unit_works: Mapping[str, Tensor] = field(default_factory=dict)
    """Edge -> (n_frames, n_products), eV/e^2."""
    unit_curvatures: Mapping[str, Tensor] = field(default_factory=dict)
    """Edge of the second order -> (n_frames, n_products), eV/e^2."""

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take."""
        return sum(value.nbytes for f in fields(self) for value in getattr(self, f.name).values())

    def to(self, device: torch.device) -> DisplacedCopies:
        """The same on a device; these themselves if they are there."""
        return self if all(x.device == device for x in self.features.values()) else on_device(self, device)


def copy_frame(
    batch: Batch,
    displacements: Mapping[str, Tensor],
    needs: Needs,
    featuriser: FeatureFunction,
    whitening: Whitening,
    physics: Physics,
    unit_products: Physics | None = None,
) -> DisplacedCopies:
    """Displace a frame, and compute all constants of its copies.

    Parameters
    ----------
    batch : Batch
        One structure: the point A.
    displacements : mapping of str to Tensor, shape (n_atoms, 3), float64, Å
        Point -> where it is from A.
    needs : Needs
        The points and edges.
    featuriser : FeatureFunction
    whitening : Whitening
    physics : callable
        Gives energy and forces of a structure without trained parameters.
    unit_products : callable, optional
        Gives those of the long-range term for unit products of charges, along a last axis.

    Raises
    ------
    InputError
        If displaced atoms meet.
    """
    places = {"A": torch.zeros_like(batch.positions), **displacements}  # from A
    copies = {p: batch if p == "A" else displaced(batch, places[p], featuriser.cutoff) for p in {"A", *needs.points}}
    differentiated = [edge for edge in needs.edges if edge[0] != "A" or edge in needs.curvatures]

    def displacement(edge: str) -> Tensor:
        return places[edge[1]] - places[edge[0]]  # (n_atoms, 3)

    def derivative(edge: str, shift: float = 0.0) -> Tensor:
        along = _derivatives(copies[edge[0]], displacement(edge), featuriser, shift)  # (n_atoms, n_features)
        return along @ whitening.matrix  # (n_atoms, n_kept)

    def second_derivative(edge: str) -> Tensor:
        return (derivative(edge, STEP) - derivative(edge, -STEP)) / (2.0 * STEP)  # (n_atoms, n_kept)

    with torch.no_grad():
        features = {p: whitening(featuriser(copies[p].geometry())) for p in needs.points if p != "A"}
    fixed = _constants(copies, displacement, needs, physics)
    of_units = (
        _constants(copies, displacement, needs, unit_products) if unit_products is not None else _Constants({}, {}, {})
    )
    return _float32(
        DisplacedCopies(
            displacements={edge: displacement(edge) for edge in needs.edges if edge[0] == "A"},
            features=features,
            first_derivatives={edge: derivative(edge) for edge in differentiated},
            second_derivatives={edge: second_derivative(edge) for edge in needs.curvatures},
            fixed_energies=fixed.energies,
            fixed_works=fixed.works,
            fixed_curvatures=fixed.curvatures,
            unit_energies=of_units.energies,
            unit_works=of_units.works,
            unit_curvatures=of_units.curvatures,
        )
    )


class _Constants(NamedTuple):
    """Of terms without trained parameters, each (1,) or (1, n_products)."""

    energies: dict[str, Tensor]
    works: dict[str, Tensor]
    curvatures: dict[str, Tensor]


def _constants(
    copies: Mapping[str, Batch], displacement: Callable[[str], Tensor], needs: Needs, physics: Physics
) -> _Constants:
    """What the terms say of the copies; `displacement` gives that (n_atoms, 3) along an edge."""
    of_points = {p: physics(copy) for p, copy in copies.items()}

    def work_of(edge: str, there: Prediction) -> Tensor:
        return torch.einsum("ix,ix...->...", displacement(edge), there.forces)[None]

    def curvature_of(edge: str) -> Tensor:
        ends = [physics(_shifted(copies[edge[0]], sign * STEP * displacement(edge))) for sign in (1.0, -1.0)]
        return -(work_of(edge, ends[0]) - work_of(edge, ends[1])) / (2.0 * STEP)

    return _Constants(
        {p: of_points[p].energies - of_points["A"].energies for p in needs.points if p != "A"},
        {edge: work_of(edge, of_points[edge[0]]) for edge in needs.edges},
        {edge: curvature_of(edge) for edge in needs.curvatures},
    )


def displaced(batch: Batch, displacements: Tensor, cutoff: float) -> Batch:
    """One structure with its atoms moved: pairs found anew, and without labels.

    Parameters
    ----------
    batch : Batch
    displacements : Tensor, shape (n_atoms, 3), Å
    cutoff : float, Å

    Raises
    ------
    InputError
        If displaced atoms meet.
    """
    moved = _shifted(batch, displacements)
    try:
        pairs = neighbor_pairs(moved.positions.numpy(), batch.cells[0].numpy(), batch.periodic[0].numpy(), cutoff)
    except InputError as error:
        raise InputError(
            f"after the atoms of a frame were displaced: {error}; lower weak_supervision.displacement_size, or "
            "noise.displacement"
        ) from None
    return replace(moved, pair_i=pairs[0], pair_j=pairs[1], pair_shifts=pairs[2])


def _shifted(batch: Batch, displacements: Tensor) -> Batch:
    """The structure with its atoms moved and the same pairs, without labels."""
    return replace(batch.without_labels(), positions=batch.positions + displacements)


def _derivatives(batch: Batch, displacements: Tensor, featuriser: FeatureFunction, shift: float) -> Tensor:
    """Derivative (n_atoms, n_features) of the features along displacements (n_atoms, 3), `shift` of these away."""
    tangents = displacements[batch.pair_j] - displacements[batch.pair_i]  # (n_pairs, 3)
    vectors = batch.pair_vectors() + shift * tangents  # (n_pairs, 3)
    return torch.autograd.functional.jvp(lambda v: featuriser(batch.geometry(v)), vectors, tangents)[1]


def _float32(copies: DisplacedCopies) -> DisplacedCopies:
    return DisplacedCopies(
        **{f.name: {k: v.float() for k, v in getattr(copies, f.name).items()} for f in fields(copies)}
    )


def join_copies(copies: Sequence[DisplacedCopies]) -> DisplacedCopies:
    """Lay copies of several frames end to end; at least one, all with the same points and edges."""
    joined = {}
    for f in fields(DisplacedCopies):
        values = [getattr(one, f.name) for one in copies]
        joined[f.name] = {key: torch.cat([value[key] for value in values]) for key in values[0]}
    return DisplacedCopies(**joined)


def memory_of_copies(batches: Sequence[Batch], n_kept: int, needs: Needs, n_copies: int) -> int:
    """Bytes that `n_copies` copies of each frame will take."""
    of_features = sum(name[0] != "A" for name in (*needs.points, *needs.edges)) + 2 * len(needs.curvatures)
    from_a = sum(edge[0] == "A" for edge in needs.edges)
    of_fixed = len(needs.points + needs.edges + needs.curvatures)
    n_atoms = sum(batch.n_atoms for batch in batches)
    return 4 * n_copies * (n_atoms * (of_features * n_kept + 3 * from_a) + len(batches) * of_fixed)
