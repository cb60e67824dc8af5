"""The whole way to a GDML model: draw frames, find the symmetries, and try length scales.

Errors of the validation frames fall and rise again as sigma grows, so the search ends at the first one that is worse
than the one before.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.config.gdml import SIGMAS
from mliap_hybrid.errors import InputError
from mliap_hybrid.model.molecules.gdml import GDMLModel
from mliap_hybrid.sgdml.kernel_matrix import Track, untracked
from mliap_hybrid.sgdml.molecules import Molecules
from mliap_hybrid.sgdml.sampling import stratified_sample
from mliap_hybrid.sgdml.symmetries import evenly_chosen, find_symmetries
from mliap_hybrid.sgdml.trainer import GDMLOptions, TrainedGDML, train_gdml

logger = logging.getLogger(__name__)

FRAMES_FOR_SYMMETRIES = 300
"""Training frames that are matched with each other; the time grows with the square."""


@dataclass(frozen=True)
class MoleculeErrors:
    """Mean absolute and root mean squared errors."""

    energy_mae: float
    """eV."""
    energy_rmse: float
    """eV."""
    force_mae: float
    """eV/Å, mean over components."""
    force_rmse: float
    """eV/Å."""


@dataclass(frozen=True)
class GDMLSearch:
    """The best model, and what else was tried."""

    best: TrainedGDML
    errors: dict[float, MoleculeErrors]
    """sigma -> errors of the validation frames."""
    train_frames: np.ndarray
    """(n_train,) numbers of the frames."""
    validation_frames: np.ndarray
    """(n_validation,) numbers of the frames."""


def fit_gdml(
    molecules: Molecules,
    n_train: int,
    n_validation: int,
    sigmas: Sequence[float] = SIGMAS,
    with_symmetries: bool = True,
    options: GDMLOptions | None = None,
    seed: int = 0,
    track: Track = untracked,
) -> GDMLSearch:
    """Train the model with the best length scale.

    Parameters
    ----------
    molecules : Molecules
    n_train, n_validation : int
        Frames to train on and to choose sigma by, drawn with the distribution of the energies.
    sigmas : sequence of float, 1/Å
        Tried in ascending order until the validation error rises.
    with_symmetries : bool
        Whether permutations of atoms are looked for.
    options : GDMLOptions, optional
    seed : int
        For the frames.
    track : Track
        Shows progress.

    Returns
    -------
    GDMLSearch

    Raises
    ------
    InputError
        If there are not enough frames, and as in `train_gdml`.
    """
    if not sigmas:
        raise InputError("there is no sigma to try: expected at least one, such as 10")
    train, validation = draw_frames(molecules, n_train, n_validation, seed)
    permutations = None
    if with_symmetries:
        permutations = symmetries_of(molecules.subset(train), track)
    return search_sigma(molecules, train, validation, sigmas, permutations, options, track)


def search_sigma(
    molecules: Molecules,
    train_frames: np.ndarray,
    validation_frames: np.ndarray,
    sigmas: Sequence[float],
    permutations: Tensor | None = None,
    options: GDMLOptions | None = None,
    track: Track = untracked,
) -> GDMLSearch:
    """Try length scales for given frames; arguments as in `fit_gdml`."""
    train, validation = molecules.subset(train_frames), molecules.subset(validation_frames)
    errors: dict[float, MoleculeErrors] = {}
    best: TrainedGDML | None = None
    lowest = float("inf")
    for sigma in sorted(sigmas):
        trained = train_gdml(train, sigma, permutations, options, track)
        errors[sigma] = molecule_errors(trained.model, validation)
        logger.info(
            "sigma %g: validation forces %.2f meV/Å (MAE), energy %.2f meV; jitter %.0e",
            sigma,
            1e3 * errors[sigma].force_mae,
            1e3 * errors[sigma].energy_mae,
            trained.solution.jitter,
        )
        if errors[sigma].force_rmse >= lowest:
            break
        best, lowest = trained, errors[sigma].force_rmse
    if best is None:
        raise InputError("the validation errors are no numbers: remove frames with labels that are not finite")
    return GDMLSearch(best, errors, train_frames, validation_frames)


def draw_frames(molecules: Molecules, n_train: int, n_validation: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of training and validation frames, both distributed like the energies.

    Raises
    ------
    InputError
        If there are not enough frames.
    """
    if n_train < 1 or n_validation < 1:
        raise InputError(f"{n_train} training and {n_validation} validation frames: expected at least one of each")
    if n_train + n_validation > molecules.n_frames:
        raise InputError(
            f"{n_train} training and {n_validation} validation frames are more than the {molecules.n_frames} frames "
            "that there are: label more, or ask for fewer"
        )
    random, energies = np.random.default_rng(seed), molecules.energies.numpy()
    train = stratified_sample(energies, n_train, random)
    return train, stratified_sample(energies, n_validation, random, excluded=train)


def symmetries_of(molecules: Molecules, track: Track = untracked) -> Tensor:
    """The group of permutations (n_permutations, n_atoms) that evenly chosen frames show."""
    cell = None if molecules.cell is None else molecules.cell.numpy()
    positions = molecules.positions.numpy()[evenly_chosen(molecules.n_frames, FRAMES_FOR_SYMMETRIES)]
    found = find_symmetries(positions, molecules.numbers.numpy(), cell, track=track)
    logger.info("%d permutations of atoms are symmetries of the molecule", len(found))
    return torch.from_numpy(found)


def molecule_errors(model: GDMLModel, molecules: Molecules) -> MoleculeErrors:
    """Errors of a model on labelled molecules."""
    prediction = model.predict(molecules.positions)
    energy = prediction.energies - molecules.energies  # (n_frames,)
    force = prediction.forces - molecules.forces  # (n_frames, n_atoms, 3)
    return MoleculeErrors(
        energy_mae=float(energy.abs().mean()),
        energy_rmse=float(energy.square().mean().sqrt()),
        force_mae=float(force.abs().mean()),
        force_rmse=float(force.square().mean().sqrt()),
    )
