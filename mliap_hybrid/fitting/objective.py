"""The loss of a batch of training frames and its gradient, by several processes, in micro-batches that fit the memory.

Every term of the loss is a mean over the labels of the batch. The mean of a micro-batch counts with its share of these
labels, so that the sum over micro-batches is the mean over the batch, however it was divided.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mliap_hybrid.config import LossSettings
from mliap_hybrid.fitting.added_terms import AddedTerms
from mliap_hybrid.fitting.frames_on_disk import without_derivatives
from mliap_hybrid.fitting.losses import RunningErrors, SquaredErrors, label_counts, squared_errors, total_loss
from mliap_hybrid.fitting.processes.process_group import ProcessGroup
from mliap_hybrid.fitting.trainable_model import TrainableModel
from mliap_hybrid.fitting.training_frames import TrainingFrames, join_frames


@dataclass(frozen=True)
class BatchResult:
    """What one evaluation of the loss of a batch came to."""

    loss: float
    """Of all terms."""
    added: float | None
    """What other terms than those of labels added to it; None where there are none."""
    norm: float
    """Of the gradient."""

    @property
    def is_finite(self) -> bool:
        """Whether a step can be taken."""
        return math.isfinite(self.loss) and math.isfinite(self.norm)


class Objective:
    """The loss of any of the training frames at the parameters of the moment, which get its gradient."""

    def __init__(
        self,
        model: TrainableModel,
        training: Sequence[TrainingFrames],
        loss: LossSettings,
        micro_batch_size: int,
        added_terms: AddedTerms | None = None,
        noisy: Sequence[Sequence[TrainingFrames]] = (),
        group: ProcessGroup | None = None,
        names: Sequence[str] = (),
    ):
        """Take the frames.

        Parameters
        ----------
        model : TrainableModel
        training : sequence of TrainingFrames
            One frame each, on any device.
        loss : LossSettings
        micro_batch_size : int
            Frames that are in work at a time.
        added_terms : AddedTerms, optional
            To be added to the loss.
        noisy : sequence of sequences of TrainingFrames, optional
            What stands for `training`, each in its turn for one epoch.
        group : ProcessGroup, optional
            Processes that share the work, all with the same frames; this one alone by default.
        names : sequence of str, optional
            What the user calls the training frames.
        """
        self.model = model
        self.training = training
        self.loss = loss
        self.micro_batch_size = micro_batch_size
        self.added_terms = added_terms
        self.noisy = noisy
        self.group = group or ProcessGroup()
        self.names = names or [f"training frame {index}" for index in range(len(training))]
        self.parameters = list(model.parameters())
        self.device = model.device
        counts = [label_counts(frame) for frame in without_derivatives(training)]
        self._counted = list(counts[0])
        self._counts = np.array([list(of_frame.values()) for of_frame in counts])  # (n_frames, n_quantities)
        self.frames: Sequence[TrainingFrames] = training
        """Those of the epoch: the training frames, or noisy ones."""
        self._added = added_terms

    @property
    def n_frames(self) -> int:
        """Number of training frames."""
        return len(self.training)

    @property
    def changes(self) -> bool:
        """Whether each epoch has another loss, of other copies of the frames."""
        return self.added_terms is not None or bool(self.noisy)

    def start_epoch(self, epoch: int) -> None:
        """Choose the frames, and the terms that are added, of an epoch (from 1)."""
        self.frames = self.noisy[epoch % len(self.noisy)] if self.noisy else self.training
        self._added = self.added_terms
        if self._added is not None and not self._added.start_epoch(epoch, self.model, self.training):
            self._added = None
        self.model.train()

    def gradient(self, indices: Sequence[int], errors: RunningErrors) -> BatchResult:
        """Set the gradients of the parameters to those of the loss of a batch.

        Parameters
        ----------
        indices : sequence of int
            Training frames of the batch, the same in all processes.
        errors : RunningErrors
            Gets the errors of this process' shard.

        Returns
        -------
        BatchResult
            The same in all processes.
        """
        for parameter in self.parameters:
            parameter.grad = None
        sums = torch.zeros(2, dtype=torch.float64)  # the loss, and what is added to it
        totals = self.count(indices)
        for micro_batch in micro_batches(self.group.shard(indices), self.micro_batch_size):
            frames = join_frames([self.frames[index] for index in micro_batch]).to(self.device)
            prediction = self.model(frames)
            of_micro_batch = squared_errors(prediction, frames, self.loss)
            loss = total_loss(_weighted(of_micro_batch, self.count(micro_batch), totals), self.loss)
            if self._added is not None:
                term = self._added.loss(self.model, prediction, frames, micro_batch) * (len(micro_batch) / len(indices))
                sums[1] += term.item()
                loss = loss + term
            loss.backward()
            sums[0] += loss.item()
            errors.add(of_micro_batch, frames)
        for parameter in self.parameters:
            if parameter.grad is None:  # the loss of these frames does not depend on it
                parameter.grad = torch.zeros_like(parameter)
        if self.group.size > 1:
            sums = self._sum_over_group(sums)
        norm = torch.nn.utils.get_total_norm(_gradients(self.parameters))
        return BatchResult(float(sums[0]), None if self._added is None else float(sums[1]), float(norm))

    def count(self, indices: Sequence[int]) -> Mapping[str, int]:
        """How many labels of each kind the frames have."""
        return dict(zip(self._counted, self._counts[list(indices)].sum(0).tolist(), strict=True))

    def not_finite_at(self, indices: Sequence[int]) -> list[int]:
        """Those frames of a batch whose loss or gradient is not finite by itself; overwrites gradients."""
        alone = Objective(self.model, self.training, self.loss, 1, self.added_terms, self.noisy)
        alone.frames, alone._added = self.frames, self._added
        found = torch.zeros(self.n_frames)
        for index in self.group.shard(indices):
            found[index] = not alone.gradient([index], RunningErrors()).is_finite
        return self.group.sum(found).nonzero().flatten().tolist()

    def _sum_over_group(self, sums: Tensor) -> Tensor:
        """Add up the processes' gradients, and what else is to be added up."""
        gradients = _gradients(self.parameters)
        flat = torch.cat([*(gradient.flatten().cpu().double() for gradient in gradients), sums])
        *parts, sums = self.group.sum(flat).split([*(gradient.numel() for gradient in gradients), len(sums)])
        for gradient, total in zip(gradients, parts, strict=True):
            gradient.copy_(total.view_as(gradient))
        return sums


def _gradients(parameters: Sequence[torch.nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def micro_batches(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Frames `size` at a time, in their order; fewer at the end."""
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _weighted(errors: SquaredErrors, counts: Mapping[str, int], totals: Mapping[str, int]) -> SquaredErrors:
    """The errors of a micro-batch as what they add to those of the batch."""

    def scaled(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: value * (counts[name] / totals[name]) for name, value in values.items()}

    return SquaredErrors(scaled(errors.means), scaled(errors.penalties))
