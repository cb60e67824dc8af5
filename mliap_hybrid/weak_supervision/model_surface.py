"""Energies, works and curvatures of a network at displaced copies of frames: what consistency.py compares.

Along an edge PQ with the displacement d and the derivatives x' and x'' of the features at P,

    W(PQ) = -sum_i s_i . x'_i,      d . H d = -dW/dt = sum_i s'_i . x'_i + s_i . x''_i,

s_i being the gradients dE_i/dx_i, or what the force network says where forces are direct, and s'_i their change along
x'_i. So the second order of direct forces is their own: they are expanded, and the energy is compared with what they
say.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mliap_hybrid.fitting.charge_products import ChargeProducts, FittedElectrostatics
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.weak_supervision.consistency import Surface, work
from mliap_hybrid.weak_supervision.displaced_copies import DisplacedCopies


def surface_of(
    model: TrainableModel, prediction: Prediction, frames: TrainingFrames, copies: DisplacedCopies
) -> Surface:
    """The surface of a model at a frame and its copies, differentiable in the weights.

    Parameters
    ----------
    model : TrainableModel
        Without predicted charges.
    prediction : Prediction
        Of the model at the frames themselves.
    frames : TrainingFrames
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
    displaced, gradients_at = _energies_and_gradients(model, frames, copies)
    energies |= displaced
    for edge, derivatives in copies.first_derivatives.items():
        if edge[0] != "A":
            works[edge] = -work(derivatives, gradients_at[edge[0]], atoms, n_frames)
    for edge, second in copies.second_derivatives.items():
        curvatures[edge] = _curvature(model, frames, copies.first_derivatives[edge], second)
    electrostatics = dict(model.terms.items()).get("electrostatics")
    if isinstance(electrostatics, FittedElectrostatics):
        products = electrostatics.charges.products()  # (n_products,)
        of_frames = frames.constants["electrostatics"]
        assert isinstance(of_frames, ChargeProducts)
        for p, of_products in copies.unit_energies.items():
            energies[p] = energies[p] + (of_frames.energies + of_products) @ products
        for edge, of_products in copies.unit_works.items():
            # At A itself they are among the forces, unless these have no labels.
            if edge[0] != "A" or of_frames.forces is None:
                works[edge] = works[edge] + of_products @ products
        for edge, of_products in copies.unit_curvatures.items():
            curvatures[edge] = curvatures[edge] + of_products @ products
    return Surface(
        {p: e if p == "A" else e + copies.fixed_energies[p] for p, e in energies.items()},
        {edge: w + copies.fixed_works[edge] for edge, w in works.items()},
        {edge: c + copies.fixed_curvatures[edge] for edge, c in curvatures.items()},
    )


def _energies_and_gradients(
    model: TrainableModel, frames: TrainingFrames, copies: DisplacedCopies
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """By displaced point: energies (n_frames,), and feature gradients (n_atoms, n_kept) where a work needs them."""
    points = list(copies.features)
    n_atoms = len(frames.species)
    features = torch.cat([copies.features[p] for p in points])  # (n_points n_atoms, n_kept)
    species = frames.species.repeat(len(points))  # (n_points n_atoms,)
    gradients_at: dict[str, Tensor] = {}
    head = model.heads["energy"]
    if all(edge[0] == "A" for edge in copies.first_derivatives):
        atomic = head(features, species)  # (n_points n_atoms,)
    else:
        atomic, gradients = head.networks[0].values_and_gradients(
            features, species
        )  # (n_points n_atoms,), (n_points n_atoms, n_kept)
        gradients_at = dict(zip(points, gradients.split(n_atoms), strict=True))
    energies = {
        p: of_point.new_zeros(frames.n_frames).index_add(0, frames.frame_of_atom, of_point)
        for p, of_point in zip(points, atomic.split(n_atoms), strict=True)
    }
    return energies, gradients_at


def _curvature(model: TrainableModel, frames: TrainingFrames, first: Tensor, second: Tensor) -> Tensor:
    """d . H d (n_frames,) of the networks at A from x' and x'' (n_atoms, n_kept)."""
    network = model.heads["energy"].networks[0]
    of_atoms = network.curvatures(frames.features, frames.species, first, second)  # (n_atoms,)
    return of_atoms.new_zeros(frames.n_frames).index_add(0, frames.frame_of_atom, of_atoms)
