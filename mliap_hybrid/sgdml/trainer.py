"""Training of a GDML model in closed form: from labelled molecules to the model.

    y = V^T F / s,      (K + jitter 1) alpha = y,      w_j = -s J_j V_j alpha_j,      E_c = mean(E - E_model)

with the internal directions V and the matrix K of kernel_matrix.py and the standard deviation s of the labels.
With energies among the labels, y ends in (E - mean E) / s for each molecule, b_j = s alpha_j, and E_c = mean E.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.config.gdml import JITTERS
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.model.molecules.kernel import scale_of
from mliap_hybrid.sgdml.kernel_matrix import Track, TrainingPoints, training_points, untracked
from mliap_hybrid.sgdml.labels import check_force_sign, check_labels, fit_labels
from mliap_hybrid.sgdml.molecules import Molecules
from mliap_hybrid.sgdml.solver import Method, Solution, solve
from mliap_hybrid.sgdml.symmetries import evenly_chosen
from mliap_hybrid.sgdml.symmetries_group import close_group

FEWEST = 3
"""Training frames below which no model is worth its name."""

PROBE = 50
"""Frames of the force model that checks the energies before they are fitted."""


@dataclass(frozen=True)
class GDMLOptions:
    """What a training can be told."""

    with_energies: bool = False
    """Whether energies are fitted along with the forces, not only used for E_c."""
    solver: Method = "auto"
    """How the equations are solved."""
    jitters: tuple[float, ...] = JITTERS
    """Regularisation, relative to the variance of the labels; the next one where the one before is too small."""
    seed: int = 0
    """For the preconditioner."""


@dataclass(frozen=True)
class TrainedGDML:
    """A model, and how it was solved."""

    model: GDMLModel
    solution: Solution


def train_gdml(
    molecules: Molecules,
    sigma: float,
    permutations: Tensor | None = None,
    options: GDMLOptions | None = None,
    track: Track = untracked,
) -> TrainedGDML:
    """Train on all given molecules.

    Parameters
    ----------
    molecules : Molecules
    sigma : float, 1/Å
        Length scale of the kernel.
    permutations : Tensor, shape (n_permutations, n_atoms), int64, optional
        A group, as `find_symmetries` gives it; without it the model is a plain GDML.
    options : GDMLOptions, optional
    track : Track
        Shows progress.

    Returns
    -------
    TrainedGDML

    Raises
    ------
    InputError
        If the frames are too few, energies and forces do not belong together, the memory does not suffice, or the
        equations have no solution.
    """
    options = options or GDMLOptions()
    if permutations is None:
        permutations = torch.arange(len(molecules.numbers))[None]  # (1, n_atoms)
    check_trainable(molecules, sigma)
    if close_group(permutations.numpy(), len(permutations)) is None:
        raise InputError(
            f"the {len(permutations)} permutations are no group: some of their products are missing; expected those "
            "that find_symmetries gives"
        )
    if options.with_energies:
        _check_energies(molecules, sigma, permutations)
    points = training_points(molecules.positions, permutations, sigma, molecules.cell, options.with_energies)
    right_side, spread = _labels(points, molecules)
    solution = solve(points, right_side, options.solver, options.jitters, options.seed, track)
    model = _model(points, spread * solution.coefficients, molecules, sigma, permutations)
    if options.with_energies:
        return TrainedGDML(model.with_constant(float(molecules.energies.mean())), solution)
    fit = fit_labels(model.predict(molecules.positions).energies, molecules.energies)
    check_labels(fit, molecules.n_frames)
    return TrainedGDML(model.with_constant(fit.constant), solution)


def check_trainable(molecules: Molecules, sigma: float) -> None:
    """Refuse what cannot be trained on.

    Raises
    ------
    InputError
    """
    if not (math.isfinite(sigma) and sigma > 0):
        raise InputError(f"sigma is {sigma}; expected a positive length scale in 1/Å, such as 10")
    if len(molecules.numbers) < 2:
        raise InputError("a GDML model needs a molecule of at least two atoms")
    if molecules.n_frames < FEWEST:
        raise InputError(f"there are {molecules.n_frames} training frames; a GDML model needs at least {FEWEST}")
    if not molecules.forces.abs().max() > 0:
        raise InputError("all forces are zero: expected forces of geometries away from their minimum")
    check_force_sign(molecules)


def _check_energies(molecules: Molecules, sigma: float, permutations: Tensor) -> None:
    """Compare the energies with a model of the forces of some frames, before they are fitted and agree anyway."""
    train_gdml(molecules.subset(evenly_chosen(molecules.n_frames, PROBE)), sigma, permutations)


def _labels(points: TrainingPoints, molecules: Molecules) -> tuple[Tensor, float]:
    """y (size,) and s in eV/Å."""
    forces = molecules.forces.flatten(1)  # (n_train, 3 * n_atoms)
    rows = (points.directions.mT @ forces[:, :, None])[..., 0]  # (n_train, n_internal)
    labels = forces.flatten()  # all labels, whose spread makes them dimensionless
    if points.with_energies:
        energies = molecules.energies - molecules.energies.mean()  # (n_train,)
        rows = torch.cat([rows, energies[:, None]], dim=1)  # (n_train, n_rows)
        labels = torch.cat([labels, energies])
    spread = float(labels.std(correction=0))
    return rows.flatten() / spread, spread


def _model(
    points: TrainingPoints, coefficients: Tensor, molecules: Molecules, sigma: float, permutations: Tensor
) -> GDMLModel:
    """The model of s alpha (size,), its constant not yet known."""
    by_molecule = coefficients.view(points.n_train, points.n_rows)
    moved = (points.jacobians @ by_molecule[:, : points.n_internal, None])[..., 0]  # (n_train, n_pairs) G V s alpha
    scale = scale_of(sigma)
    return GDMLModel(
        numbers=molecules.numbers,
        sigma=sigma,
        descriptors=points.scaled / scale,
        weights=-math.sqrt(3.0) / scale * moved,
        permutations=permutations,
        energy_weights=by_molecule[:, -1].clone() if points.with_energies else None,
        cell=molecules.cell,
    )
