"""Energies, works and curvatures of a network at displaced copies of frames: what fitting/consistency.py compares."""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.fitting.consistency import Surface, curvature, work
from mliap_hybrid.fitting.displaced_copies import DisplacedCopies
from mliap_hybrid.fitting.prepared import PreparedFrames
from mliap_hybrid.models.atomic_network import AtomicNetwork
from mliap_hybrid.models.derivatives import Prediction


def surface_of(
    network: AtomicNetwork, prediction: Prediction, frames: PreparedFrames, copies: DisplacedCopies
) -> Surface:
    """The surface of a model at a frame and its copies, differentiable in the weights.

    Parameters
    ----------
    network : AtomicNetwork
    prediction : Prediction
        Of the trained part at the frames themselves.
    frames : PreparedFrames
    copies : DisplacedCopies
        Of the same frames.

    Returns
    -------
    Surface
        Energies without the baseline and without the energy that the fixed terms have at A.
    """
    atoms, n_frames = frames.frame_of_atom, frames.n_frames
    energies, works, curvatures = {"A": prediction.energies}, {}, {}  # (n_frames,) each
    for edge, displacements in copies.displacements.items():
        works[edge] = work(displacements, prediction.forces, atoms, n_frames)
    displaced, gradients = _energies_and_gradients(network, frames, copies)
    energies |= displaced
    for edge, slopes in copies.slopes.items():
        if edge[0] != "A":
            works[edge] = -work(slopes, gradients[edge[0]], atoms, n_frames)
    for edge, bends in copies.bends.items():
        curvatures[edge] = _curvature(network, frames, copies.slopes[edge], bends)
    return Surface(
        {p: e if p == "A" else e + copies.fixed_energies[p] for p, e in energies.items()},
        {edge: w + copies.fixed_works[edge] for edge, w in works.items()},
        {edge: c + copies.fixed_curvatures[edge] for edge, c in curvatures.items()},
    )


def _energies_and_gradients(
    network: AtomicNetwork, frames: PreparedFrames, copies: DisplacedCopies
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Of the network, by displaced point: energies (n_frames,) and dE_i/dx_i (n_atoms, n_kept)."""
    points = list(copies.features)
    n_atoms = len(frames.rows)
    features = torch.cat([copies.features[p] for p in points]).requires_grad_()  # (n_points n_atoms, n_kept)
    atomic = network(features, frames.rows.repeat(len(points)))  # (n_points n_atoms,)
    energies = {
        p: of_point.new_zeros(frames.n_frames).index_add(0, frames.frame_of_atom, of_point)
        for p, of_point in zip(points, atomic.split(n_atoms), strict=True)
    }
    if all(edge[0] == "A" for edge in copies.slopes):
        return energies, {}
    (gradients,) = torch.autograd.grad(atomic.sum(), features, create_graph=True)  # (n_points n_atoms, n_kept)
    return energies, dict(zip(points, gradients.split(n_atoms), strict=True))


def _curvature(network: AtomicNetwork, frames: PreparedFrames, slopes: Tensor, bends: Tensor) -> Tensor:
    """d . H d (n_frames,) of the network at A: sum_i x'_i . d2E_i/dx_i2 . x'_i + dE_i/dx_i . x''_i."""

    def energy(features: Tensor) -> Tensor:
        atomic = network(features, frames.rows)  # (n_atoms,)
        return atomic.new_zeros(frames.n_frames).index_add(0, frames.frame_of_atom, atomic)

    return curvature(energy, frames.features, slopes) + torch.func.jvp(energy, (frames.features,), (bends,))[1]
