"""Labels of training frames that do not all have them: which frames count, and errors over those alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mliap_hybrid.quantities import QUANTITIES


@dataclass(frozen=True)
class Label:
    """Labels of one quantity, of frames of which at least one has it."""

    values: Tensor
    """(n_rows, ...): a row is a frame, or an atom of a quantity of atoms; zeros where a frame has no label."""
    mask: Tensor | None = None
    """(n_frames,) bool: which frames have the label; None where all have."""

    @property
    def n_bytes(self) -> int:
        """Memory that the tensors take."""
        return self.values.nbytes + (0 if self.mask is None else self.mask.nbytes)

    def errors(self, prediction: Tensor, frame_of_row: Tensor | None = None) -> Tensor | None:
        """Errors of the rows that have the label; what stands in the others does not matter.

        Parameters
        ----------
        prediction : Tensor, shape (n_rows, ...)
        frame_of_row : Tensor, shape (n_rows,), int64, optional
            Frame of each row; by default a row is a frame.

        Returns
        -------
        Tensor, shape (n_labelled, ...), or None
            None where no row has the label.
        """
        if self.mask is None:
            return prediction - self.values
        rows = self.mask if frame_of_row is None else self.mask[frame_of_row]  # (n_rows,)
        # Chosen before the subtraction: the derivative of a NaN that is dropped later would still be NaN.
        return prediction[rows] - self.values[rows] if rows.any() else None

    def count(self, frame_of_row: Tensor | None = None) -> int:
        """How many rows have the label; argument as of `errors`."""
        if self.mask is None:
            return len(self.values)
        return int((self.mask if frame_of_row is None else self.mask[frame_of_row]).sum())


def join_labels(
    labels: Sequence[Mapping[str, Label]], n_atoms: Sequence[int], n_frames: Sequence[int]
) -> dict[str, Label]:
    """Labels of several parts end to end.

    Parameters
    ----------
    labels : sequence of mapping of str to Label
        Of each part, by quantity; parts may have different ones.
    n_atoms, n_frames : sequence of int
        Of each part.

    Returns
    -------
    dict of str to Label
        All quantities that any part has a label of, in the order of the table.
    """
    first = labels[0].keys()
    if all(of_part.keys() == first for of_part in labels):
        names = list(first)
    else:
        names = [name for name in QUANTITIES if any(name in of_part for of_part in labels)]
    return {
        name: _joined([part.get(name) for part in labels], n_atoms if QUANTITIES[name].of_atoms else n_frames, n_frames)
        for name in names
    }


def _joined(labels: Sequence[Label | None], n_rows: Sequence[int], n_frames: Sequence[int]) -> Label:
    """Labels of one quantity of parts with these numbers of rows and frames; at least one part has it."""
    complete = [label.values for label in labels if label is not None and label.mask is None]
    if len(complete) == len(labels):
        return Label(torch.cat(complete))
    like = next(label.values for label in labels if label is not None)
    values = torch.cat(
        [
            like.new_zeros((n, *like.shape[1:])) if label is None else label.values
            for label, n in zip(labels, n_rows, strict=True)
        ]
    )
    known = [
        torch.full((n,), label is not None, device=like.device) if label is None or label.mask is None else label.mask
        for label, n in zip(labels, n_frames, strict=True)
    ]
    return Label(values, torch.cat(known))
