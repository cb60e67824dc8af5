"""One training of few_labels.py: features from memory, the package's own trainer, errors of test frames."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from few_labels_data import DataSet, Frames
from few_labels_methods import HEADS, SHARED, Settings, merged

from mliap_hybrid.config import TrainingFile, parse_training_file
from mliap_hybrid.fitting.model_factory import make_model
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.trainer import EpochResult
from mliap_hybrid.fitting.training_frames import TrainingFrames, join_frames
from mliap_hybrid.model.evaluator import Evaluator
from mliap_hybrid.report.force_angles import mean_force_angle
from mliap_hybrid.runs.make_trainer import make_trainer
from mliap_hybrid.runs.preparation import TrainingInputs, make_weak_supervision, prepare
from mliap_hybrid.structure import Batch
from mliap_hybrid.testing.closed_loop import loop_work
from mliap_hybrid.weak_supervision.displaced_copies import displaced
from mliap_hybrid.weak_supervision.displacements import random_displacements

N_LOOPS, LOOP_SIZE = 30, 0.1
"""Triangles round which the work of direct forces is taken, and the largest component of their sides, Å."""

AT_ONCE = 25
"""Test frames that are predicted together."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Result:
    """What came of a training; errors of test frames, unless said otherwise, in the units of the data set."""

    energy: float
    """RMSE."""
    force: float
    """RMSE of components."""
    angle: float
    """Mean angle between forces and reference, by the length of the latter, degrees."""
    loop: float
    """Work of the forces round closed loops over their length, root mean square, in the unit of the forces."""
    validation: float
    """RMSE of the energy of validation frames."""
    seconds: float
    """Processor time of displaced copies and training, without features of frames that all methods share."""
    epochs: float


class Training:
    """Trainings on the same frames: features and their whitening are computed once."""

    def __init__(self, data: DataSet, frames: Frames, n_labels: int, seed: int, cache: Path):
        """Prepare the frames.

        Parameters
        ----------
        data : DataSet
        frames : Frames
            Of this data set.
        n_labels, seed : int
        cache : Path
            Folder of the feature cache.
        """
        self.data = data
        self.seed = seed
        self.cache = cache
        self.batches, validation = frames.draw(n_labels, seed)
        settings = self._settings({})
        inputs = prepare(settings, self.batches, [*validation, *frames.test], pass_on)
        self.features, self.initial_fit, self.training = inputs.features, inputs.initial_fit, inputs.training
        n_validation = len(validation)
        self.validation = [join_frames(list(inputs.validation[:n_validation]))]
        self.loops = frames.test[:N_LOOPS]
        test = list(inputs.validation[n_validation:])
        self.test = [join_frames(test[k : k + AT_ONCE]) for k in range(0, len(test), AT_ONCE)]

    def run(self, head: str, method: Settings, n_steps: int) -> Result:
        """Train once.

        Parameters
        ----------
        head : str
            One of HEADS.
        method : dict
            Settings of the method.
        n_steps : int
            Rounded up to whole epochs.
        """
        method = merged(method)
        for section in ("weak_supervision", "noise"):
            if section in method:
                method[section].setdefault("n_copies", max(2, 800 // len(self.batches)))
        epochs = math.ceil(n_steps / math.ceil(len(self.batches) / SHARED["optimisation"]["batch_size"]))
        settings = self._settings(merged(HEADS[head], method, {"optimisation": {"epochs": epochs}}))
        has_forces = settings.data.keys.forces is not None
        start = time.process_time()
        weak, noisy = None, []
        if settings.weak_supervision.is_on:
            weak = make_weak_supervision(settings, self.batches, self.features, self.initial_fit, pass_on)
        if settings.noise.displacement > 0:
            own = settings.model_copy(update={"data": settings.data.model_copy(update={"cache": None})})
            noisy = [list(copy) for copy in prepare(own, self.batches, [], pass_on, self.initial_fit).noisy]
        training = self.training if has_forces else without_forces(self.training)
        validation = self.validation if has_forces else without_forces(self.validation)
        trainer = make_trainer(
            settings, TrainingInputs(self.features, self.initial_fit, training, validation, weak, noisy)
        )
        best: dict[str, torch.Tensor] = {}

        def after_epoch(result: EpochResult) -> None:
            if result.is_best:
                best.update({name: value.clone() for name, value in trainer.average.state_dict().items()})

        trainer.run(after_epoch)
        seconds = time.process_time() - start
        trainable = trainer.average.eval()
        trainable.load_state_dict(best)
        energy, force, angle = self._errors(trainable, self.test)
        validation, _, _ = self._errors(trainable, self.validation)
        loop = self._work_round_loops(settings, trainable) if head == "direct" else 0.0
        return Result(energy, force, angle, loop, validation, seconds, epochs)

    def _settings(self, changes: Settings) -> TrainingFile:
        own: Settings = {
            "seed": self.seed,
            "data": {
                "files": ["none"],
                "cache": str(self.cache),
                "keys": self.data.keys.model_dump(),
                "units": self.data.units.model_dump(),
            },
            "features": self.data.features,
        }
        return parse_training_file(merged(SHARED, own, changes), "the benchmark")

    def _errors(self, trainable: TrainableModel, frames: Sequence[TrainingFrames]) -> tuple[float, float, float]:
        """RMSE of energies and of forces, and the angle of these."""
        energies, forces, labels = [], [], []
        with torch.no_grad():
            for some in frames:
                prediction = trainable(some)
                energies.append((prediction.energies - some.labels["energy"].values) / some.atoms_per_frame)
                forces.append(prediction.forces)
                labels.append(some.labels["forces"].values)
        predicted, reference = torch.cat(forces), torch.cat(labels)  # (n_atoms, 3)
        return (
            self.data.energy_scale * rms(torch.cat(energies)),
            self.data.force_scale * rms(predicted - reference),
            mean_force_angle(reference.numpy(), predicted.numpy()),
        )

    def _work_round_loops(self, settings: TrainingFile, trainable: TrainableModel) -> float:
        """Of direct forces, round triangles that begin at test frames."""
        evaluator = Evaluator(make_model(settings, self.features, self.initial_fit, trainable))
        random = np.random.default_rng(0)
        found = []
        for frame in self.loops:
            displacements = [torch.zeros_like(frame.positions)]
            displacements += [random_displacements(frame.n_atoms, LOOP_SIZE, random) for _ in range(2)]

            def forces(displacement: torch.Tensor, frame: Batch = frame) -> torch.Tensor:
                return evaluator.predict(displaced(frame, displacement, evaluator.model.cutoff)).forces

            found.append(loop_work(forces, displacements, n_nodes=2).force)
        return self.data.force_scale * rms(torch.tensor(found))


def without_forces(frames: Sequence[TrainingFrames]) -> list[TrainingFrames]:
    """The frames without labels of forces."""
    return [frame.without_labels("forces") for frame in frames]


def rms(values: torch.Tensor) -> float:
    """Root mean square."""
    return float(values.square().mean().sqrt())


def pass_on(items: Iterable[Item], what: str) -> Iterator[Item]:
    """Show no progress within a training."""
    yield from items
