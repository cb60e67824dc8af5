"""Weak supervision in a training: copies for each epoch, and the terms that they add to the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.config import WeakSupervisionSettings
from mliap_hybrid.errors import InputError
from mliap_hybrid.fitting.feature_cache import Track
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames
from mliap_hybrid.physics.model_hessian import model_hessian
from mliap_hybrid.prediction import Prediction
from mliap_hybrid.structure import Batch
from mliap_hybrid.weak_supervision.consistency import (
    Surface,
    mean_square,
    spatial_residuals,
    taylor_residuals,
    with_labels,
    work,
)
from mliap_hybrid.weak_supervision.displaced_copies import DisplacedCopies, join_copies
from mliap_hybrid.weak_supervision.displacements import (
    adversarial_displacements,
    displaced_atoms,
    random_displacements,
    thermal_displacements,
)
from mliap_hybrid.weak_supervision.model_surface import surface_of

CopyFrame = Callable[[Batch, dict[str, Tensor]], DisplacedCopies]
"""Computes the copies of a frame from the displacements (n_atoms, 3), Å, of its points."""


class WeakSupervision:
    """The terms of one training. Which copies an epoch sees follows from seed, epoch and weights alone."""

    def __init__(
        self, settings: WeakSupervisionSettings, batches: Sequence[Batch], copy_frame: CopyFrame, seed: int
    ) -> None:
        """Name the terms; copies are made by `prepare`, or in each epoch.

        Parameters
        ----------
        settings : WeakSupervisionSettings
        batches : sequence of Batch
            The training frames, one each.
        copy_frame : callable
        seed : int

        Raises
        ------
        InputError
            If the displacements are so large that atoms could meet.
        """
        check_size(settings.displacement_size, batches)
        self.settings = settings
        self.copy_frame = copy_frame
        self.random_copies: list[list[DisplacedCopies]] = []
        """Of each training frame, its random copies."""
        self.epoch_copies: list[DisplacedCopies] = []
        """Of each training frame, the copies in use."""
        self._batches = batches
        self._hessians: dict[int, Tensor] = {}
        self._seed = seed

    def prepare(self, track: Track) -> None:
        """Compute the random copies of all frames; nothing for those that follow the network.

        Parameters
        ----------
        track : Track
            Shows progress.
        """
        if self.settings.displacement in ("random", "thermal"):
            numbers = range(self.settings.n_copies)
            for index, _ in enumerate(track(self._batches, "displaced copies")):
                self.random_copies.append([self._copy(index, number) for number in numbers])

    def start_epoch(self, epoch: int, model: TrainableModel, training: Sequence[TrainingFrames]) -> bool:
        """Choose or make the copies of an epoch.

        Parameters
        ----------
        epoch : int
            From 1.
        model : TrainableModel
            Its forces lead to adversarial displacements.
        training : sequence of TrainingFrames
            The training frames in their order.

        Returns
        -------
        bool
            Whether the epoch has these terms.
        """
        if epoch <= self.settings.warm_up_epochs:
            return False
        if self.random_copies:
            self.epoch_copies = [copies[epoch % len(copies)] for copies in self.random_copies]
        else:
            displacements = self._displacements_from_forces(model, training)
            self.epoch_copies = [self._copy(index, epoch, to_c) for index, to_c in enumerate(displacements)]
        return True

    def loss(
        self, model: TrainableModel, prediction: Prediction, frames: TrainingFrames, indices: Sequence[int]
    ) -> Tensor:
        """Weighted sum of the terms.

        Parameters
        ----------
        model : TrainableModel
        prediction : Prediction
            Of the model, for `frames`.
        frames : TrainingFrames
        indices : sequence of int
            Which training frames these are.

        Returns
        -------
        Tensor, shape ()
            In the units of `total_loss`.
        """
        settings, n_atoms, size = self.settings, frames.atoms_per_frame, self.settings.displacement_size
        copies = join_copies([self.epoch_copies[index] for index in indices]).to(model.device)
        surface = surface_of(model, prediction, frames, copies)
        loss = prediction.energies.new_zeros(())
        if settings.taylor == "curvature":
            surface = replace(surface, curvatures={"AC": self._model_curvatures(indices).to(model.device)})
        if settings.taylor != "none":
            expanded = _from_labels(surface, frames, copies) if settings.weak_labels else surface
            taylor = taylor_residuals(expanded, settings.taylor)  # (1, n_frames)
            loss = loss + settings.taylor_weight * mean_square(taylor, n_atoms, size)
        if settings.spatial != "none":
            spatial = spatial_residuals(surface, settings.spatial, settings.spatial_order)  # (n_residuals, n_frames)
            loss = loss + settings.spatial_weight * mean_square(spatial, n_atoms, size)
        return loss

    def _copy(self, index: int, number: int, displacement_to_c: Tensor | None = None) -> DisplacedCopies:
        """Copies of a training frame; the number distinguishes them from other copies of it."""
        batch, settings = self._batches[index], self.settings
        random = np.random.default_rng([self._seed, index, number])
        if settings.displacement == "thermal":
            hessian = self._hessian(index)
            displacements = {p: thermal_displacements(hessian, settings.displacement_size, random) for p in "BCD"}
        else:
            displacements = {p: random_displacements(batch.n_atoms, settings.displacement_size, random) for p in "BCD"}
        if displacement_to_c is not None:
            displacements["C"] = displacement_to_c
        displacements["M"] = -displacements["C"]
        is_displaced = displaced_atoms(batch.n_atoms, settings.displaced_fraction, random)  # (n_atoms,)
        return self.copy_frame(batch, {p: torch.where(is_displaced[:, None], d, 0.0) for p, d in displacements.items()})

    def _hessian(self, index: int) -> Tensor:
        """Model Hessian (3 n_atoms, 3 n_atoms), eV/Å^2, of a training frame."""
        if index not in self._hessians:
            self._hessians[index] = model_hessian(self._batches[index])
        return self._hessians[index]

    def _model_curvatures(self, indices: Sequence[int]) -> Tensor:
        """d . H d (n_frames,), eV, of the model Hessian along AC, on the processor."""
        along_ac = [
            self.epoch_copies[index].displacements["AC"].flatten().double() for index in indices
        ]  # (3 n_atoms,) each
        return torch.stack([d @ self._hessian(index) @ d for index, d in zip(indices, along_ac, strict=True)]).float()

    def _displacements_from_forces(self, model: TrainableModel, training: Sequence[TrainingFrames]) -> list[Tensor]:
        """Displacements (n_atoms, 3), Å, from A to C of each frame, by the forces of the moment."""
        displacements = []
        model.eval()
        for frame in training:
            with torch.no_grad():
                forces = model(frame.to(model.device)).forces.double().cpu()  # (n_atoms, 3)
            if self.settings.displacement == "adversarial" and "forces" in frame.labels:
                forces = forces - frame.labels["forces"].values.cpu()
            displacements.append(adversarial_displacements(forces, self.settings.displacement_size))
        model.train()
        return displacements


def _from_labels(surface: Surface, frames: TrainingFrames, copies: DisplacedCopies) -> Surface:
    """The surface, expanded about A from reference energies and forces, as far as a frame has them."""
    energies, works = surface.energies["A"], surface.works["AC"]  # (n_frames,) each
    energy, forces = frames.labels.get("energy"), frames.labels.get("forces")
    if energy is not None:
        energies = energy.values if energy.mask is None else torch.where(energy.mask, energy.values, energies)
    if forces is not None:
        of_labels = work(copies.displacements["AC"], forces.values, frames.frame_of_atom, frames.n_frames)
        works = of_labels + copies.fixed_works["AC"]
    return with_labels(surface, energies, works, None if forces is None else forces.mask)


def check_size(size: float, batches: Sequence[Batch]) -> None:
    """Two atoms may come closer by 2 sqrt(3) times the size: refuse where that is half of a distance."""
    shortest = min(
        (float(batch.pair_vectors().norm(dim=1).min()) for batch in batches if batch.n_pairs), default=math.inf
    )
    largest = shortest / (4.0 * math.sqrt(3.0))
    if size > largest:
        raise InputError(
            f"weak_supervision.displacement_size is {size:g} Å, but the closest atoms of the training frames are "
            f"{shortest:.2f} Å apart: expected at most {largest:.3f} Å, so that atoms cannot meet"
        )
